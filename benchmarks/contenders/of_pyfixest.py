"""pyfixest."""

from __future__ import annotations

from typing import Any

from contenders import Call, Numbers, event

ROLES = {"yname": "y", "idname": "unit", "tname": "time", "gname": "g"}
NEVER = -99


def two_way(**options: Any) -> Call:
    def run(frame: Any) -> Numbers:
        import pyfixest as pf

        fit = pf.feols("y ~ d | unit + time", data=frame, vcov={"CRV1": "cl"}, **options)
        return {"overall": (float(fit.coef()["d"]), float(fit.se()["d"]))}

    return run


def sun_abraham(frame: Any) -> Numbers:
    import pyfixest as pf

    fit = pf.event_study(frame, **ROLES, estimator="saturated", cluster="unit")
    table = fit.aggregate()
    return {event(time): (float(row["Estimate"]), float(row["Std. Error"])) for time, row in table.iterrows()}


def two_stage(frame: Any) -> Numbers:
    import numpy as np
    import pyfixest as pf

    frame = frame.assign(since=np.where(frame["g"] > 0, frame["time"] - frame["g"], NEVER))
    stages = {"first_stage": "~0 | unit + time", "second_stage": f"~ i(since, ref={NEVER})"}
    table = pf.did2s(frame, yname="y", **stages, treatment="d", cluster="unit").tidy()
    return _path(table, first=0)


def _path(table: Any, first: float = float("-inf")) -> Numbers:
    """Return a path from a table whose rows are named ``variable::event time``."""
    times = [float(name.rpartition(":")[2]) for name in table.index]
    found = zip(times, table["Estimate"], table["Std. Error"], strict=True)
    return {event(time): (float(estimate), float(std_error)) for time, estimate, std_error in found if time >= first}


def local_projections(frame: Any) -> Numbers:
    import pyfixest as pf

    return _path(pf.lpdid(frame, **ROLES, pre_window=-2, post_window=3, att=False).tidy())
