"""Each claim of the README names what shows it."""

import re

import pytest

from tests.docs.pages import ROOT

ROW = re.compile(r"^\| (?P<claim>[^|]+) \| (?P<tests>`tests/[^|]+`) \|$", re.MULTILINE)


def rows() -> list[tuple[str, str]]:
    return ROW.findall((ROOT / "README.md").read_text())


def claims() -> list[tuple[str, str]]:
    """Each with one place of tests."""
    return [(claim, place.strip("`")) for claim, places in rows() for place in places.split(", ")]


@pytest.mark.parametrize(("claim", "shown_by"), claims())
def test_claim_is_shown_by_tests_that_exist(claim: str, shown_by: str) -> None:
    place = ROOT / shown_by
    files = [place] if place.suffix else sorted(place.rglob("test_*.py"))

    assert any("def test_" in file.read_text() for file in files), claim


def test_table_has_no_claim_without_tests() -> None:
    text = (ROOT / "README.md").read_text()
    table = text.split("## What works today")[1].split("\n\n")[1]

    assert len(rows()) == len(table.splitlines()) - 2
