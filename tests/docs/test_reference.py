"""The reference says what the code says."""

import re
from pathlib import Path

import msgspec

from tertulia.domain.events import EVENTS
from tests.docs.pages import ROOT
from tools import asyncapi

ROUTE = re.compile(r"^\| `(GET|POST|PUT|PATCH|DELETE) ([^`?]+)", re.MULTILINE)
LIVE = ROOT / "src" / "tertulia" / "roles" / "chat" / "api" / "live.py"
RECONNECTING = ROOT / "src" / "tertulia" / "kit" / "reconnecting.py"
CLOSE_CODE = re.compile(r"(?:^(?!\w+_MS)[A-Z_]+: Final = |\.close\()([14]\d{3})\b", re.MULTILINE)
EVENT = re.compile(r"\bEvent\(\s*\"(\w+)\"")
SCHEMA = ROOT / "docs" / "reference" / "openapi.json"


def test_what_goes_over_a_broker_is_described_as_the_code_has_it() -> None:
    described = (ROOT / "docs" / "reference" / "asyncapi.json").read_text()

    assert described == asyncapi.written(), "make reference"
    messages = asyncapi.document()["components"]["messages"]
    assert messages.keys() == EVENTS.keys()


def test_http_page_names_every_route_there_is() -> None:
    text = Path(ROOT / "docs" / "reference" / "http.md").read_text()
    named = {(method, shape(path)) for method, path in ROUTE.findall(text)}

    assert named == routes()


def test_http_page_names_every_code_that_closes_a_socket() -> None:
    text = (ROOT / "docs" / "reference" / "http.md").read_text()
    code_of = LIVE.read_text() + RECONNECTING.read_text()
    codes = {int(code) for code in CLOSE_CODE.findall(code_of)}

    assert {int(code) for code in re.findall(r"^\| (\d{4}) \|", text, re.MULTILINE)} == codes
    assert len(codes) >= 5


def test_http_page_names_every_event() -> None:
    text = (ROOT / "docs" / "reference" / "http.md").read_text()
    names = {name for file in LIVE.parent.glob("*.py") for name in EVENT.findall(file.read_text())}

    assert names >= {"turn", "delta", "reset", "end", "waiting", "change", "resync", "error"}
    assert {name for name in names if f"`{name}`" not in text} == set()


def routes() -> set[tuple[str, str]]:
    schema = msgspec.json.decode(SCHEMA.read_bytes(), type=dict[str, object])
    paths = msgspec.convert(schema["paths"], dict[str, dict[str, object]])
    return {(verb.upper(), shape(path)) for path, verbs in paths.items() for verb in verbs}


def shape(path: str) -> str:
    """A path with its parameters unnamed."""
    return re.sub(r"\{\w+\}", "{}", path.strip())
