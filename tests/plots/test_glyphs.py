"""Every name of a county, township or village can be read: in both faces, and in a picture."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont
from matplotlib.font_manager import get_font
from recorded import SHARED

from evalkit import fonts
from evalkit.plots import vector

DATA = Path(__file__).parents[2] / "data"
COUNTIES = SHARED / "real" / "counties_2020_master.csv"
OUR_FILES = sorted([*(DATA / "demo").rglob("*.csv*"), *(DATA / "codes").rglob("*.csv")])


@cache
def characters(path: Path) -> frozenset[str]:
    """The characters above ASCII of a file."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("gb18030")  # files as bureaus send them
    return frozenset(c for c in set(text) if ord(c) > 126 and not c.isspace())


@cache
def known(face: str) -> frozenset[int]:
    return frozenset(TTFont(fonts.files()[face]).getBestCmap())


def without_glyph(found: frozenset[str]) -> list[str]:
    """Characters that one face lacks, or that a picture would draw as an empty box."""
    font = get_font(str(fonts.files()["sans"]))
    lacking = {c for c in found for face in fonts.FACES if ord(c) not in known(face)}
    lacking |= {c for c in found if not font.get_char_index(ord(c))}
    lacking |= {c for c in found if any(name == "glyph-0" for name, _, _ in vector._glyphs(c))}
    return sorted(lacking)


def test_every_county_of_the_master_list_has_its_glyphs() -> None:
    if not COUNTIES.exists():
        pytest.skip("the master list of counties is not there: set EVALKIT_REFERENCE to the folder that holds real/")
    found = characters(COUNTIES)
    assert len(found) > 1000
    assert without_glyph(found) == []


@pytest.mark.parametrize("path", OUR_FILES, ids=lambda path: path.relative_to(DATA).as_posix())
def test_every_name_of_our_own_data_has_its_glyphs(path: Path) -> None:
    assert without_glyph(characters(path)) == []


def test_our_own_data_hold_names() -> None:
    assert len(set().union(*map(characters, OUR_FILES))) > 100


def test_a_character_that_no_face_has_is_found() -> None:
    assert without_glyph(frozenset("县\ue000")) == ["\ue000"]
