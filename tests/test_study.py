"""A study file is judged key by key, and every mistake is answered with the nearest right key."""

import pytest
import yaml

from evalkit import Study, StudyError
from evalkit.places import shared

STUDIES = sorted(shared("notebooks", "studies").glob("*.yml"))


@pytest.fixture
def content():
    return yaml.safe_load(shared("notebooks", "studies", "industry.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", STUDIES, ids=lambda p: p.stem)
def test_every_study_that_ships_is_readable_and_named_after_its_file(path):
    assert Study.from_yaml(path).name == path.stem


def test_an_unknown_key_names_the_nearest(content):
    content["clusters"] = "county_key"
    with pytest.raises(StudyError, match=r"unknown key 'clusters', did you mean 'cluster'"):
        Study.parse(content)


def test_an_unknown_key_inside_a_section_names_the_nearest_there(content):
    content["treatment"]["first_years"] = "x"
    with pytest.raises(StudyError, match=r"unknown key 'treatment.first_years', did you mean 'first_year'"):
        Study.parse(content)


def test_a_missing_key_is_named_with_what_was_probably_meant(content):
    content["outcom"] = content.pop("outcome")
    with pytest.raises(StudyError) as problem:
        Study.parse(content)
    assert "missing key 'outcome' (is 'outcom' meant?)" in str(problem.value)


def test_all_problems_are_listed_at_once(content):
    del content["seed"]
    content["scale"] = "logs"
    with pytest.raises(StudyError, match="2 problems") as problem:
        Study.parse(content)
    assert "'seed'" in str(problem.value) and "'logs'" in str(problem.value)


def test_treatment_is_given_in_one_way_only(content):
    content["treatment"] = {"first_year": "a", "group": "b", "since": 2014}
    with pytest.raises(StudyError, match="either first_year"):
        Study.parse(content)


def test_a_missing_study_names_its_neighbours():
    with pytest.raises(StudyError, match=r"industry\.yml"):
        Study.from_yaml(shared("notebooks", "studies") / "industri.yml")


def test_broken_yaml_is_said_to_be_broken(tmp_path):
    (tmp_path / "a.yml").write_text("name: [1, 2", encoding="utf-8")
    with pytest.raises(StudyError, match="not readable YAML"):
        Study.from_yaml(tmp_path / "a.yml")


def test_a_list_is_no_study(tmp_path):
    (tmp_path / "a.yml").write_text("- 1\n- 2\n", encoding="utf-8")
    with pytest.raises(StudyError, match="keys and values"):
        Study.from_yaml(tmp_path / "a.yml")


def test_a_misspelt_key_inside_an_optional_section_names_the_nearest_there(content):
    content["income_definition"] = {"zh": "收入", "em": "income"}
    with pytest.raises(StudyError) as problem:
        Study.parse(content)
    assert "missing key 'income_definition.en' (is 'em' meant?)" in str(problem.value)
    assert "unknown key 'income_definition.em', did you mean 'en'" in str(problem.value)


def test_a_misspelt_key_inside_a_list_names_the_nearest_there(content):
    content["published"] = [{"wat": {"zh": "a", "en": "b"}, "estimate": 0.1}]
    with pytest.raises(StudyError, match=r"unknown key 'published.wat', did you mean 'what'"):
        Study.parse(content)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("window", [2013, "x"], r"'window': .*valid integer.*not 'x'"),
        ("window", [2013], r"'window' has too few values: \[2013\]"),
        ("window", [], r"1 problem: 'window' has too few values: \[\]"),
        ("window", [2013, 2014, 2015], "'window'.*at most 2"),
        ("covariates", [1], "'covariates': .*valid string.*not 1"),
        ("published", [1], "'published': .*not 1"),
    ],
)
def test_a_wrong_value_inside_a_list_is_told_like_every_other(content, key, value, message):
    content[key] = value
    with pytest.raises(StudyError, match=message):
        Study.parse(content)


def test_a_component_is_a_column_alone_or_with_words(content):
    words = {"zh": "牧业收入", "en": "herding"}
    content["components"] = {"wage": "w", "herd": {"column": "h", "word": words}}
    content["self_generated"] = ["herd"]
    read = Study.parse(content)
    assert {name: part.column for name, part in read.components.items()} == {"wage": "w", "herd": "h"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"components": {"wage": "w", "herd": "h"}}, r"component 'herd' has no words"),
        ({"components": {"wage": "w"}}, "at least two parts"),
        ({"components": {"wage": "w", "business": "w"}}, "names a column twice"),
        ({"components": {"wage": "w", "total": {"column": "t", "word": {"zh": "a", "en": "b"}}}}, "may not be called 'total'"),
        ({"components": {"wage": "w", "business": "b"}, "self_generated": ["wages"]}, r"self_generated names 'wages'"),
        ({"covariate_words": {"distance": {"zh": "距离", "en": "distance"}}}, r"covariate_words names 'distance'"),
        ({"components": {"wage": {"colum": "w"}, "business": "b"}}, r"unknown key 'components.wage.colum'"),
    ],
)
def test_components_and_words_that_fit_nothing_are_refused(content, changes, message):
    with pytest.raises(StudyError, match=message):
        Study.parse(content | changes)
