"""diff-diff."""

from __future__ import annotations

from typing import Any

from contenders import Call, Numbers, event

ROLES = {"outcome": "y", "unit": "unit", "time": "time"}


def _events(effects: dict[Any, Any], first: float = float("-inf")) -> Numbers:
    """Return a path from a dictionary by event time; the reference, which has no statistic, is left out."""
    return {
        event(time): (float(one["effect"]), float(one["se"]))
        for time, one in effects.items()
        if time >= first and one["t_stat"] == one["t_stat"]
    }


def _path(table: Any, first: float = float("-inf")) -> Numbers:
    """Return a path from what ``aggregate("event_study")`` gives."""
    return {
        event(time): (float(estimate), float(std_error))
        for time, estimate, std_error in zip(table.event_time, table.att, table.se, strict=True)
        if time >= first and std_error > 0
    }


def group_time(*covariates: str, method: str = "dr", first: float = float("-inf")) -> Call:
    def run(frame: Any) -> Numbers:
        import diff_diff as dd

        estimator = dd.CallawaySantAnna(control_group="not_yet_treated", estimation_method=method)
        fit = estimator.fit(frame, **ROLES, first_treat="g", covariates=list(covariates) or None)
        return {"overall": (float(fit.att), float(fit.se))} | _path(fit.aggregate("event_study"), first)

    return run


def sun_abraham(frame: Any) -> Numbers:
    import diff_diff as dd

    return _events(dd.SunAbraham(cluster="unit").fit(frame, **ROLES, first_treat="g").event_study_effects)


def averaged(estimator: str, first: float = 0, overall: bool = True, **options: Any) -> Call:
    """Return a call of an estimator with an overall effect and an event study made from the fit."""

    def run(frame: Any) -> Numbers:
        import diff_diff as dd

        fit = getattr(dd, estimator)(**options).fit(frame, **ROLES, first_treat="g")
        numbers = {"overall": (float(fit.att), float(fit.se))} if overall else {}
        return numbers | _path(fit.aggregate("event_study"), first)

    return run


def extended_two_way(frame: Any) -> Numbers:
    import diff_diff as dd

    fit = dd.WooldridgeDiD().fit(frame, **ROLES, first_treat="g")
    fit.aggregate("event")
    effects = {time: {**one, "effect": one["att"]} for time, one in fit.event_study_effects.items()}
    return {"overall": (float(fit.att), float(fit.se))} | _events(effects, first=0)


def local_projections(frame: Any) -> Numbers:
    import diff_diff as dd

    fit = dd.LPDiD(pre_window=2, post_window=3).fit(frame, **ROLES, treatment="d", only_event=True)
    return {
        event(row["horizon"]): (float(row["coefficient"]), float(row["se"]))
        for row in fit.event_study.to_dict("records")
        if row["horizon"] != -1
    }


def stacked(frame: Any) -> Numbers:
    import diff_diff as dd

    fit = dd.StackedDiD(kappa_pre=2, kappa_post=2).fit(frame, **ROLES, first_treat="g")
    return {"overall": (float(fit.att), float(fit.se))} | _events(fit.event_study_effects)


def switching(treatment: str, **options: Any) -> Call:
    def run(frame: Any) -> Numbers:
        import diff_diff as dd

        fit = dd.ChaisemartinDHaultfoeuille(**options).fit(frame, **ROLES, treatment=treatment, L_max=3)
        effects = {horizon - 1: one for horizon, one in fit.event_study_effects.items()}
        placebos = {horizon - 1: one for horizon, one in fit.placebo_event_study.items() if horizon >= -2}
        return _events(effects | placebos)

    return run


def synthdid(frame: Any) -> Numbers:
    import diff_diff as dd

    post = sorted(frame.loc[frame["d"] == 1, "time"].unique())
    fit = dd.SyntheticDiD(variance_method="jackknife").fit(frame, **ROLES, treatment="ever", post_periods=post)
    return {"overall": (float(fit.att), float(fit.se))}


def bacon(frame: Any) -> Numbers:
    import diff_diff as dd

    told = dd.BaconDecomposition().fit(frame, **ROLES, first_treat="g")
    numbers: Numbers = {"coefficient": (float(told.twfe_estimate), None)}
    for theirs, ours in (
        ("treated_vs_never", "treated_untreated"),
        ("earlier_vs_later", "earlier_later"),
        ("later_vs_earlier", "later_earlier"),
    ):
        numbers[f"weight of {ours}"] = float(getattr(told, f"total_weight_{theirs}")), None
        numbers[f"mean of {ours}"] = float(getattr(told, f"weighted_avg_{theirs}")), None
    return numbers


def triple(frame: Any) -> Numbers:
    import diff_diff as dd

    fit = dd.StaggeredTripleDifference().fit(frame, **ROLES, first_treat="g", eligibility="e", aggregate="event_study")
    return {"overall": (float(fit.att), float(fit.se))} | _events(fit.event_study_effects)


def dose(doses: tuple[float, ...]) -> Call:
    def run(frame: Any) -> Numbers:
        import diff_diff as dd
        import numpy as np

        estimator = dd.ContinuousDiD(control_group="not_yet_treated", dvals=np.array(doses))
        fit = estimator.fit(frame, **ROLES, first_treat="g", dose="dose")
        numbers: Numbers = {
            "effect overall": (float(fit.overall_att), float(fit.overall_att_se)),
            "slope overall": (float(fit.overall_acrt), float(fit.overall_acrt_se)),
        }
        for name, curve in (("effect", fit.dose_response_att), ("slope", fit.dose_response_acrt)):
            for at, estimate, std_error in zip(curve.dose_grid, curve.effects, curve.se, strict=True):
                numbers[f"{name} at {at:g}"] = float(estimate), float(std_error)
        return numbers

    return run


def changes_in_changes(quantiles: tuple[float, ...], draws: int) -> Call:
    def run(frame: Any) -> Numbers:
        import diff_diff as dd

        estimator = dd.ChangesInChanges(quantiles=list(quantiles), n_bootstrap=draws, panel=True, seed=1)
        after = (frame["time"] == frame["time"].max()).astype(int)
        fit = estimator.fit(frame.assign(post=after), outcome="y", treatment="ever", time="post", unit="unit")
        numbers: Numbers = {"overall": (float(fit.att), float(fit.se) if draws else None)}
        for row in fit.quantile_effects.to_dict("records"):
            numbers[f"quantile {row['quantile']:g}"] = float(row["qte"]), float(row["se"]) if draws else None
        return numbers

    return run
