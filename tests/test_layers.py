"""Who may import whom, what is loaded when, and that everything public says what it is."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

import evalkit

SRC = Path(evalkit.__file__).parent
MODULES = {".".join(path.relative_to(SRC).with_suffix("").parts): path for path in sorted(SRC.rglob("*.py"))}

CORE = {"errors", "notices", "panel", "rollout", "least_squares", "estimate", "design", "parallel"}
RECORDS = {"records", "firm_records", "grade_records", "before_after_records", "cost_records", "plan_records"}
NUMBERS = CORE | {
    "comparison",
    "shares",
    "diagnostics",
    "subset",
    "donors",
    "income_components",
    "combinations",
    "side_by_side",
    "kernels",
    "proportion",
    "estimators",
    "inference",
    "aggregation",
    "income_effect",
    "single_unit",
    "shape",
    "planted",
    "cutoffs",
    "discontinuity",
    "discontinuity_checks",
}
STUDIES = NUMBERS | {
    "words",
    "places",
    "codes",
    "events",
    "intake",
    "study",
    "study_data",
    "records",
    "firm_records",
    "findings",
    "public_findings",
    "background",
    "yardsticks",
    "alternatives",
    "alike",
    "components_found",
    "how_firm",
    "alone",
    "county",
    "grade_records",
    "before_after_records",
    "cost_records",
    "plan_records",
    "study_parts",
    "grade",
    "evidence",
    "evidence_limits",
    "further_evidence",
    "study_columns",
    "judgement",
    "reversion",
    "before_after",
    "persistence",
    "cost",
    "plan",
    "plan_file",
    "described",
    "evaluation",
}
EVERYTHING = {
    *STUDIES,
    "zero_programme",
    "dossier_records",
    "dossier",
    "who_records",
    "who_gains",
    "scan_records",
    "county_scan",
    "shrinkage",
    "case_records",
    "synthetic_case",
    "supervision",
    "demo_results",
    "selfcheck_records",
    "selfcheck",
    "fonts",
    "numerals",
    "plots",
    "glossary",
    "wording",
    "site",
    "batch",
    "report",
    "simulate",
    "bureau",
    "examples",
    "run",
    "check",
    "start",
    "cli",
    "demo",
    "evalkit",
}
# Layer -> the layers it may import, besides itself. ``evalkit`` is the package itself: its version and its public names.
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": set(),
    "errors": set(),
    "notices": set(),
    "words": {"errors"},
    "bureau": {"simulate"},
    "places": {"errors"},
    "codes": {"errors", "places"},
    "kernels": set(),
    "proportion": set(),
    "panel": {"errors", "notices"},
    "least_squares": set(),
    "parallel": {"errors"},
    "estimate": {"errors", "notices", "least_squares"},
    "rollout": {"errors", "notices", "panel"},
    "design": {"errors", "notices", "panel", "rollout", "estimate"},
    "comparison": {"errors", "notices", "design"},
    "shares": CORE,
    "subset": CORE,
    "estimators": CORE | {"kernels", "comparison", "shares", "words", "combinations"},
    "inference": CORE | {"subset", "kernels", "shares"},
    "aggregation": CORE | {"shares"},
    "income_effect": CORE | {"aggregation", "shares"},
    "side_by_side": CORE | {"aggregation", "estimators", "inference"},
    "income_components": CORE | {"aggregation", "shares", "inference"},
    "combinations": CORE,
    "donors": CORE | {"comparison", "kernels", "estimators", "inference", "subset", "aggregation"},
    "diagnostics": CORE
    | {
        "comparison",
        "kernels",
        "inference",
        "subset",
        "combinations",
        "income_components",
        "estimators",
        "shape",
        "planted",
        "proportion",
    },
    "single_unit": CORE | {"comparison"},
    "shape": CORE,
    "planted": CORE | {"shape"},
    "cutoffs": CORE | {"kernels", "inference"},
    "discontinuity": CORE | {"kernels", "inference", "cutoffs"},
    "discontinuity_checks": CORE | {"inference", "cutoffs", "discontinuity"},
    "examples": CORE,
    "simulate": {"errors"},
    "intake": {"errors", "notices", "words", "places", "codes", "panel", "rollout", "evalkit"},
    "events": CORE | {"words", "codes"},
    "study_parts": set(),
    "study": {"errors", "notices", "places", "study_parts"},
    "records": set(),
    "firm_records": {"records"},
    "grade_records": {"records"},
    "before_after_records": {"records"},
    "cost_records": {"records", "firm_records", "study_parts"},
    "plan_records": {"records", "firm_records", "study_parts"},
    "findings": {"errors", "notices", "study", *RECORDS},
    "public_findings": {"errors", "codes", "findings", "study", *RECORDS},
    "grade": {"errors", "codes", "places", "grade_records"},
    "evidence_limits": set(),
    "further_evidence": STUDIES,
    "study_columns": {"errors", "study"},
    "evidence": STUDIES,
    "judgement": STUDIES,
    "zero_programme": {"errors", "before_after_records"},
    "reversion": CORE | {"kernels", "inference"},
    "before_after": CORE | {"kernels", "reversion", "zero_programme", "findings", *RECORDS},
    "plan_file": {"errors", "plan_records"},
    "plan": STUDIES | {"evalkit"},
    "persistence": STUDIES,
    "cost": STUDIES,
    "described": STUDIES | {"evalkit"},
    "dossier_records": {"findings", "records"},
    "dossier": STUDIES | {"dossier_records"},
    "who_records": {"findings", "records", "firm_records", "study"},
    "who_gains": STUDIES | {"who_records"},
    "shrinkage": {"errors"},
    "scan_records": {"findings", "study", *RECORDS},
    "county_scan": STUDIES | {"scan_records", "shrinkage"},
    "case_records": {"findings", "study", *RECORDS},
    "synthetic_case": STUDIES | {"case_records"},
    "selfcheck_records": {"records", "firm_records", "grade_records"},
    "selfcheck": STUDIES | {"selfcheck_records", "evalkit"},
    "supervision": {
        "errors",
        "words",
        "places",
        "codes",
        "study",
        "findings",
        "before_after",
        "intake",
        "proportion",
        "dossier_records",
        "who_records",
        "case_records",
        *RECORDS,
    },
    "demo_results": EVERYTHING,
    "study_data": STUDIES | {"evalkit"},
    "background": STUDIES | {"study_data"},
    "yardsticks": STUDIES | {"study_data"},
    "alternatives": STUDIES | {"yardsticks"},
    "alike": CORE | {"diagnostics", "estimators", "findings", "records", "firm_records"},
    "components_found": STUDIES | {"study_data", "yardsticks"},
    "how_firm": STUDIES,
    "alone": STUDIES,
    "county": STUDIES,
    "evaluation": STUDIES | {"evalkit"},
    "numerals": set(),
    "fonts": set(),
    "plots": STUDIES | {"fonts", "numerals"},
    "report": {
        "errors",
        "words",
        "codes",
        "study",
        "findings",
        "intake",
        "fonts",
        "numerals",
        "plots",
        "wording",
        "study_parts",
        "evidence_limits",
        "dossier_records",
        "who_records",
        "scan_records",
        "case_records",
        "selfcheck_records",
        "supervision",
        *RECORDS,
    },
    "glossary": {"errors", "words", "places", "fonts"},
    "wording": {"errors", "words", "places", "codes"},
    "site": {"errors", "words", "places", "study", "findings", "records", "grade_records", "fonts", "numerals", "glossary"},
    "batch": EVERYTHING,
    "run": EVERYTHING,
    "check": EVERYTHING,
    "start": EVERYTHING,
    "cli": EVERYTHING,
    "demo": EVERYTHING,
}
HEAVY = {"papermill", "matplotlib", "statsmodels", "duckdb", "seaborn", "jinja2", "dask", "nbclient"}


@lru_cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def imported(module: str, top_only: bool = False) -> set[str]:
    """Return the dotted names that a module imports, all of them or those at its top."""
    body = tree(module).body if top_only else list(ast.walk(tree(module)))
    names = set()
    for node in body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively: write the whole name"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def layer(module: str) -> str:
    return module.split(".")[0]


def layer_of_name(name: str) -> str:
    """Return the layer of an imported dotted name of the house: evalkit.kernels.two_way.Fit -> kernels."""
    part = [*name.split("."), "evalkit"][1]
    return part if part in MAY_IMPORT else "evalkit"


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_lies_below_it(module: str) -> None:
    assert layer(module) in MAY_IMPORT, f"{module} has no place in the table of layers yet"
    house = {name for name in imported(module) if name.split(".")[0] == "evalkit"}
    allowed = MAY_IMPORT[layer(module)] | {layer(module)}
    assert {name for name in house if layer_of_name(name) not in allowed} == set()


@pytest.mark.parametrize("module", [m for m in MODULES if layer(m) == "kernels"])
def test_kernels_know_arrays_and_nothing_else(module: str) -> None:
    others = {name for name in imported(module) if not name.startswith("evalkit.kernels")}
    assert {name.split(".")[0] for name in others} - set(sys.stdlib_module_names) <= {"numpy", "scipy", "numba"}


@pytest.mark.parametrize(
    "module", [m for m in MODULES if layer(m) != "plots" and not (layer(m) == "report" and m.endswith("figures"))]
)
def test_pictures_are_drawn_in_one_place_only(module: str) -> None:
    assert not {name.split(".")[0] for name in imported(module)} & {"matplotlib", "seaborn"}


def reached_by_public_names() -> set[str]:
    """Return the modules loaded when every public name is touched, through the imports at their tops."""
    reached, waiting = set(), {name.removeprefix("evalkit.") for name in set(evalkit._PUBLIC.values())} | {"__init__"}
    while waiting:
        name = waiting.pop()
        module = name if name in MODULES else f"{name}.__init__" if f"{name}.__init__" in MODULES else None
        if module is None:
            if "." in name:
                waiting.add(name.rsplit(".", 1)[0])
            continue
        if module not in reached:
            reached.add(module)
            waiting |= {n.removeprefix("evalkit.") for n in imported(module, top_only=True) if n.startswith("evalkit.")}
    return reached


@pytest.mark.parametrize("module", sorted(reached_by_public_names()))
def test_heavy_libraries_are_loaded_where_they_are_used(module: str) -> None:
    assert not {name.split(".")[0] for name in imported(module, top_only=True)} & HEAVY


def public_definitions(module: str) -> Iterator[tuple[str, ast.AST]]:
    """Return the public functions, classes and methods of a module, and the module itself."""
    yield "module", tree(module)
    for node in tree(module).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            yield node.name, node
            for inner in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_"):
                    yield f"{node.name}.{inner.name}", inner


@pytest.mark.parametrize("module", MODULES)
def test_everything_public_says_what_it_is(module: str) -> None:
    silent = [name for name, node in public_definitions(module) if not ast.get_docstring(node)]
    assert not silent


@pytest.mark.parametrize("module", [m for m in MODULES if layer(m) in STUDIES])
def test_readers_are_told_by_notices_and_never_by_python_warnings(module: str) -> None:
    calls = [node for node in ast.walk(tree(module)) if isinstance(node, ast.Call)]
    assert not [c for c in calls if ast.unparse(c.func) in ("warnings.warn", "warn")]


@pytest.mark.parametrize("module", [m for m in MODULES if layer(m) in STUDIES - {"inference", "single_unit", "planted"}])
def test_chance_enters_through_inference_only(module: str) -> None:
    assert not {name for name in imported(module) if name.split(".")[0] == "random" or "numpy.random" in name}
    assert "default_rng" not in ast.unparse(tree(module))


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


LIGHT = ["matplotlib", "seaborn", "papermill", "statsmodels", "duckdb", "jinja2"]


def test_importing_the_package_costs_next_to_nothing_and_loads_nothing_heavy() -> None:
    code = (
        "import sys, time, pandas; start = time.perf_counter(); import evalkit; "
        f"print(time.perf_counter() - start, [m for m in {[*LIGHT, 'pydantic']} if m in sys.modules])"
    )
    answers = [run_python(code).split(" ", 1) for _ in range(3)]
    assert {loaded for _, loaded in answers} == {"[]"}
    assert min(float(seconds) for seconds, _ in answers) <= 0.2


def test_estimating_and_inferring_loads_nothing_heavy() -> None:
    names = "Panel, Rollout, Design, TwoByTwo, TwoWay, EventStudy, GroupTime, aggregate, headline, infer, covariance, wald"
    light = [*LIGHT, "pydantic", "scipy.stats", "scipy.interpolate", "scipy.optimize", "scipy.spatial"]
    code = f"import sys; from evalkit import {names}; print([m for m in {light} if m in sys.modules])"
    assert run_python(code) == "[]"


def test_every_public_name_can_be_loaded_and_an_unknown_one_is_an_error() -> None:
    for name in evalkit.__all__:
        assert getattr(evalkit, name) is not None
    assert set(evalkit.__all__) <= set(dir(evalkit))
    with pytest.raises(AttributeError, match="no attribute 'panell'"):
        evalkit.panell  # noqa: B018
    estimators = {estimator.__name__ for estimator in evalkit.ESTIMATORS.values()}
    assert estimators == set(evalkit._ESTIMATORS)
    assert len(set(evalkit.__all__) - estimators - {"plots"}) <= 45
