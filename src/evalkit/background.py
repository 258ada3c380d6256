"""What intake, the table of events and the definition of income tell about the window of a study."""

from __future__ import annotations

import pandas as pd

from evalkit.design import Design
from evalkit.errors import StudyError, unknown
from evalkit.events import Bundle, bundle
from evalkit.intake.income_definition import (
    DISPOSABLE,
    NET,
    UNKNOWN,
    IncomeDefinition,
    definition_meant,
    judge_income_definition,
    switch_notice,
    unknown_notice,
)
from evalkit.notices import Notice
from evalkit.study import Study, Words
from evalkit.study_data import Loaded

INCOME_DEF = "income_def"


def unit_level(study: Study, loaded: Loaded) -> str:
    """Return what a unit is: county, village or household; a public report has to know.

    Raises StudyError when neither the study nor the mapping of its data says it.
    """
    level = study.unit_level or (loaded.received.mapping.level if loaded.received else None)
    if level is None:
        raise StudyError("public: true needs unit_level: county, village or household in the study, to know which cells to hide.")
    return level


def judge_prices(study: Study, loaded: Loaded) -> None:
    """Refuse a study whose words on prices contradict what intake did to the money."""
    base = loaded.received.prices.base_year if loaded.received else None
    if base is not None and study.nominal:
        raise StudyError(
            f"The mapping deflates money to {base} prices, but the study says nominal: true. Set nominal: false and say so in prices:."
        )


def background_notices(study: Study, design: Design, loaded: Loaded, together: Bundle | None) -> list[Notice]:
    """Return what intake, the table of events and the definition of income have to tell about the rows of the window."""
    found = list(loaded.received.notices) if loaded.received else []
    # Intake tells of its whole file; definition and prices of the window are told by the study itself.
    found = [notice for notice in found if notice.code.startswith(("INTAKE_", "PRICE_INDEX_", "PLAUSIBILITY_"))]
    definition = _definition(study, design)
    start = pd.Series(design.rollout.first_treated, index=design.panel.units)
    found += [notice for notice in (unknown_notice(definition), switch_notice(definition, start)) if notice is not None]
    found += list(loaded.events.notices) if loaded.events else []
    return [*found, together.notice] if together else found


def _definition(study: Study, design: Design) -> IncomeDefinition:
    """Return which definition of income the rows of the window have; refuses where it matters and nobody says."""
    said, frame = study.income_def, design.panel.frame
    if said is not None and definition_meant(said):
        return judge_income_definition(frame, study.unit, study.period, declared=said)
    column = said or (INCOME_DEF if INCOME_DEF in frame else None)
    if column is not None and column not in frame:
        raise StudyError(unknown("column", column, [DISPOSABLE, NET, UNKNOWN, *(str(c) for c in frame.columns)]))
    return judge_income_definition(frame, study.unit, study.period, column=column)


def bundled(study: Study, design: Design, loaded: Loaded) -> Bundle | None:
    """Return the bundle that the programme is part of, where a table of events tells."""
    if loaded.events is None:
        return None
    return bundle(loaded.events, str(study.treatment.programme), date=study.treatment.date, units=design.panel)


def bundle_words(loaded: Loaded, together: Bundle | None) -> list[Words]:
    """Return the names of the programmes in a bundle, the study's own first."""
    if loaded.events is None or together is None:
        return []
    return [Words(zh=zh, en=en) for zh, en in (loaded.events.programmes.names[code] for code in together.programmes)]
