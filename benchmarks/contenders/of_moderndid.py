"""moderndid."""

from __future__ import annotations

from typing import Any

from contenders import Call, Numbers, event

ROLES = {"yname": "y", "tname": "time", "idname": "unit"}


def _path(average: Any, times: Any, estimates: Any, std_errors: Any, first: float = float("-inf")) -> Numbers:
    return {"overall": average} | {
        event(time): (float(estimate), float(std_error))
        for time, estimate, std_error in zip(times, estimates, std_errors, strict=True)
        if time >= first and std_error == std_error
    }


def group_time(formula: str | None = None, method: str = "dr", first: float = float("-inf")) -> Call:
    def run(frame: Any) -> Numbers:
        import moderndid as md

        cells = md.att_gt(
            frame, **ROLES, gname="g", xformla=formula, est_method=method, control_group="notyettreated", boot=False, cband=False
        )
        simple, path = (md.aggte(cells, type=kind, boot=False, cband=False) for kind in ("simple", "dynamic"))
        overall = float(simple.overall_att), float(simple.overall_se)
        return _path(overall, path.event_times, path.att_by_event, path.se_by_event, first)

    return run


def switching(treatment: str) -> Call:
    def run(frame: Any) -> Numbers:
        import moderndid as md

        fit = md.did_multiplegt(frame, **ROLES, dname=treatment, effects=3, placebo=2)
        found = [*zip(fit.effects.horizons, fit.effects.estimates, fit.effects.std_errors, strict=True)]
        found += [*zip(fit.placebos.horizons, fit.placebos.estimates, fit.placebos.std_errors, strict=True)]
        return {event(horizon - 1): (float(estimate), float(std_error)) for horizon, estimate, std_error in found}

    return run


def triple(frame: Any) -> Numbers:
    import moderndid as md

    cells = md.ddd(frame, **ROLES, gname="g", pname="e", control_group="notyettreated", base_period="varying")
    simple, path = (md.agg_ddd(cells, type=kind, boot=False, cband=False) for kind in ("simple", "eventstudy"))
    overall = float(simple.overall_att), float(simple.overall_se)
    return _path(overall, path.egt, path.att_egt, path.se_egt)
