"""The reference says what the code says."""

import re
from pathlib import Path

import msgspec
import pytest

from tests.docs.pages import ROOT
from tools.reference import PAGES, pages

ROUTE = re.compile(r"^\| `(GET|POST|PUT|PATCH|DELETE) ([^`?]+)", re.MULTILINE)
SCHEMA = ROOT / "docs" / "reference" / "openapi.json"


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return {path.name: text for path, text in pages().items()}


@pytest.mark.parametrize("name", PAGES)
def test_page_is_as_the_code_makes_it(made: dict[str, str], name: str) -> None:
    written = (ROOT / "docs" / "reference" / name).read_text()

    assert written == made[name], "make reference"


def test_http_page_names_every_route_there_is() -> None:
    text = Path(ROOT / "docs" / "reference" / "http.md").read_text()
    named = {(method, shape(path)) for method, path in ROUTE.findall(text)}

    assert named == routes()


def routes() -> set[tuple[str, str]]:
    schema = msgspec.json.decode(SCHEMA.read_bytes(), type=dict[str, object])
    paths = msgspec.convert(schema["paths"], dict[str, dict[str, object]])
    return {(verb.upper(), shape(path)) for path, verbs in paths.items() for verb in verbs}


def shape(path: str) -> str:
    """A path with its parameters unnamed."""
    return re.sub(r"\{\w+\}", "{}", path.strip())
