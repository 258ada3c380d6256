"""csdid, py2sdid, synthdid-py and wildboottest, which do one thing each."""

from __future__ import annotations

from typing import Any

from contenders import Call, Numbers, event


def csdid_group_time(formula: str | None = None, method: str = "dr", first: float = float("-inf")) -> Call:
    def run(frame: Any) -> Numbers:
        from csdid.att_gt import ATTgt

        roles = {"yname": "y", "tname": "time", "idname": "unit", "gname": "g"}
        fit = ATTgt(**roles, data=frame, control_group=["notyettreated"], xformla=formula, cband=False)
        fit.fit(est_method=method, bstrap=False)
        simple = fit.aggte("simple", bstrap=False, cband=False).atte
        numbers: Numbers = {"overall": (_number(simple["overall_att"]), _number(simple["overall_se"]))}
        path = fit.aggte("dynamic", bstrap=False, cband=False).atte
        for time, estimate, std_error in zip(path["egt"], path["att_egt"], _flat(path["se_egt"]), strict=True):
            if time >= first:
                numbers[event(float(time))] = float(estimate), float(std_error)
        return numbers

    return run


def _flat(values: Any) -> Any:
    import numpy as np

    return np.asarray(values, dtype=float).ravel()


def _number(value: Any) -> float:
    return float(_flat(value)[0])


def py2sdid(function: str, first: float = float("-inf"), overall: bool = True) -> Call:
    def run(frame: Any) -> Numbers:
        import py2sdid

        roles = {"yname": "y", "idname": "unit", "tname": "time", "gname": "g"}
        fit = getattr(py2sdid, function)(frame, **roles, verbose=False)
        numbers: Numbers = {"overall": (float(fit.att_avg), float(fit.att_avg_se))} if overall else {}
        for row in fit.event_study.to_dicts():
            if row["rel_time"] >= first:
                numbers[event(row["rel_time"])] = float(row["estimate"]), float(row["se"])
        return numbers

    return run


def synthdid(frame: Any) -> Numbers:
    import synthdid

    wide = synthdid.panel_matrices(frame[["unit", "time", "y", "d"]], "unit", "time", "y", "d")
    estimate = synthdid.synthdid_estimate(wide.Y, wide.N0, wide.T0)
    return {"overall": (float(estimate), float(synthdid.jackknife_se(estimate)))}


def wildboottest(draws: int, cluster: str) -> Call:
    """Return a call of the bootstrap on columns whose unit means are taken out, with a dummy for every period but the first."""

    def run(frame: Any) -> Numbers:
        import numpy as np
        from wildboottest.wildboottest import WildboottestCL

        periods = np.unique(frame["time"])
        names = ["y", "d", *(f"period {t}" for t in periods[1:])]
        columns = frame[["y", "d"]].assign(**{f"period {t}": (frame["time"] == t).astype(float) for t in periods[1:]})
        within = columns[names] - columns[names].groupby(frame["unit"]).transform("mean")
        chosen = np.zeros(len(names) - 1)
        chosen[0] = 1
        X, y = within[names[1:]].to_numpy(), within["y"].to_numpy()
        boot = WildboottestCL(X, y, frame[cluster].to_numpy(), chosen, draws, seed=1, parallel=False)
        boot.get_scores("11", impose_null=True)
        boot.get_weights("rademacher")
        boot.get_numer()
        boot.get_denom()
        boot.get_tboot()
        boot.get_vcov()
        boot.get_tstat()
        boot.get_pvalue()
        estimate = float(boot.beta_hat[0])
        return {"overall": (estimate, estimate / float(boot.t_stat))}  # p-values are random

    return run
