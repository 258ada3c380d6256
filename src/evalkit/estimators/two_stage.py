"""Two-stage differences-in-differences (Gardner 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from evalkit.design import Design
from evalkit.errors import DesignError, unknown
from evalkit.estimate import Estimate
from evalkit.estimators.imputation import Cells, counterfactual, row_weights
from evalkit.estimators.needs import refuse_unmet
from evalkit.kernels import imputation as kernel
from evalkit.shares import SHARES


@dataclass(frozen=True)
class TwoStage:
    """Averages by cohort and period of what is left of outcomes when unit and period effects, fitted on untreated rows, are taken out.

    Parameters
    ----------
    shares : "population" or "sample"
        Whether averages over cells carry the noise of who is treated when, as the paper's standard errors do, or take the
        treated of this sample as given.

    Returns
    -------
    Estimate
        Cells of kind ``group_time`` in every period, those before treatment included (means of first-stage residuals), and ``cell_share``,
        with which :func:`evalkit.aggregate` weights them.

    Raises
    ------
    DesignError
        When nothing can be imputed, covariates cannot be told apart in untreated rows, and for ``comparison="never_treated"`` and
        ``base="varying"``.

    Notes
    -----
    Gardner (2022, arXiv 2207.05943), with the conventions of R's did2s 1.2: the standard errors are those of both stages as one GMM
    estimator, without a small-sample factor. The effects are those of :class:`evalkit.Imputation`; the standard errors differ: here effects vary around
    the average that is shown, there around those of cohort and period. did2s runs one regression a question; here a
    regression on a dummy of treatment is ``evalkit.aggregate(cells, by="overall")`` and one on event times is ``by="event_time"``, to the last
    digit, because dummies that exclude each other are averages and the shares of cells carry their own influence.

    Averages before treatment are residuals of a regression in which the same rows take part, so they tend towards zero: the weaker test of
    parallel trends. No event time is set to zero, but a cohort with one clean period, or alone in being untreated in a period, has an
    average of zero there by construction, and is marked so. Rows whose unit or period is never seen untreated have no residual: they are left out
    and counted. On a repeated cross-section cohort effects stand in for unit effects; a panel declared
    ``unbalanced="repeated_cross_section"`` keeps its unit effects.

    Examples
    --------
    >>> import evalkit as ek
    >>> cells = ek.TwoStage()(ek.example_design())
    >>> ek.aggregate(cells, by="overall")
    Estimate of 1 parameters (1 overall) on 60 rows
    """

    shares: str = "population"
    needs: ClassVar[tuple[str, ...]] = ("lasting", "clean_period", "universal_base", "not_yet_treated")
    cannot: ClassVar[dict[str, str]] = {}

    def __post_init__(self) -> None:
        if self.shares not in SHARES:
            raise DesignError(unknown("choice of shares", self.shares, SHARES))

    def __call__(self, design: Design) -> Estimate:
        """Return the effects of a design."""
        refuse_unmet(design, self)
        fit, notices = counterfactual(design, self)
        weight = row_weights(design)
        cells = Cells.of(design, fit, weight, leads=True)
        centre = kernel.own_mean(fit, cells.of_row, len(cells.frame), weight)
        return cells.estimate(design, fit, weight, centre, self.shares, notices)
