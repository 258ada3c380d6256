"""evalkit."""

from __future__ import annotations

from typing import Any

from contenders import Call, Numbers, event


def design(frame: Any, starts: str = "first_treated", **choices: Any) -> Any:
    import evalkit as ek

    panel = ek.Panel(frame, unit="unit", period="time", clusters=["cl"] if "cl" in frame else [])
    if starts == "first_treated":
        rollout = ek.Rollout.from_first_treated(panel, "g", never=0)
    else:
        rollout = ek.Rollout.from_dose(panel, starts)
    return ek.Design(panel, rollout, outcome="y", **choices)


def labelled(*tables: Any) -> Numbers:
    """Return the overall effect and the path of evalkit's tables; what is zero by construction is left out."""
    numbers: Numbers = {}
    columns = ["kind", "event_time", "reference", "estimate", "std_error"]
    for table in tables:
        for kind, time, reference, estimate, std_error in zip(*(table[name].to_list() for name in columns), strict=True):
            if kind in ("overall", "event_time") and not reference:
                numbers[kind if kind == "overall" else event(time)] = estimate, std_error
    return numbers


def two_way(frame: Any) -> Numbers:
    import evalkit as ek

    return labelled(ek.infer(ek.TwoWay()(design(frame)), cluster="cl"))


def averaged(estimator: str, *by: str, choices: dict[str, Any] | None = None, **options: Any) -> Call:
    """Return a call that estimates cells, averages them and infers; a path keeps event times from 0 on where by says "effects"."""

    def run(frame: Any) -> Numbers:
        import evalkit as ek

        cells = getattr(ek, estimator)(**options)(design(frame, **(choices or {})))
        tables = []
        for one in by:
            effects = {"by": "event_time", "first": 0} if one == "effects" else {"by": one}
            tables.append(ek.infer(ek.aggregate(cells, **effects)))
        return labelled(*tables)

    return run


def path(estimator: str, starts: str = "first_treated", overall: bool = True, **options: Any) -> Call:
    """Return a call of an estimator that gives event times itself, and an overall effect where it says so."""

    def run(frame: Any) -> Numbers:
        import evalkit as ek

        estimate = getattr(ek, estimator)(**options)(design(frame, starts))
        return labelled(ek.infer(estimate if overall else estimate.select(kind="event_time")))

    return run


def synthdid(frame: Any) -> Numbers:
    import evalkit as ek

    cells = ek.Synthetic()(design(frame))
    return labelled(ek.infer(ek.aggregate(cells, by="overall"), correction="clusters"))


def bacon(frame: Any) -> Numbers:
    from evalkit.diagnostics.bacon import bacon as decompose

    told = decompose(design(frame))
    numbers: Numbers = {"coefficient": (told.coefficient, None)}
    for row in told.by_type.to_dict("records"):
        numbers[f"weight of {row['type']}"] = float(row["weight"]), None
        numbers[f"mean of {row['type']}"] = float(row["mean"]), None
    return numbers


def dose(doses: tuple[float, ...]) -> Call:
    def run(frame: Any) -> Numbers:
        import evalkit as ek

        table = ek.infer(ek.DoseResponse(doses=doses)(design(frame, "dose_now")))
        rows = table[table["kind"].isin(["dose", "overall"])].to_dict("records")
        return {
            f"{row['name']} overall" if row["kind"] == "overall" else f"{row['name']} at {row['at']:g}": (
                float(row["estimate"]),
                float(row["std_error"]),
            )
            for row in rows
        }

    return run


def changes_in_changes(quantiles: tuple[float, ...]) -> Call:
    def run(frame: Any) -> Numbers:
        import evalkit as ek

        estimate = ek.ChangesInChanges(quantiles=quantiles)(design(frame))
        numbers = labelled(ek.infer(ek.aggregate(estimate, by="overall")))
        for row in ek.infer(estimate.select(kind="quantile")).to_dict("records"):
            numbers[f"quantile {row['at']:g}"] = float(row["estimate"]), float(row["std_error"])
        return numbers

    return run


def wild(draws: int, cluster: str) -> Call:
    def run(frame: Any) -> Numbers:
        import evalkit as ek
        from evalkit.inference.wild import wild_bootstrap

        return labelled(wild_bootstrap(ek.TwoWay()(design(frame)), cluster=cluster, draws=draws, seed=1).table)

    return run
