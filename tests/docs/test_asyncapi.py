"""What goes over a broker is described in AsyncAPI 3."""

import json
import re
from copy import deepcopy
from typing import Any, Final

import pytest
from jsonschema import Draft7Validator

from tests.docs.pages import ROOT

SCHEMA: Final[dict[str, Any]] = json.loads((ROOT / "tests/docs/asyncapi/3.0.0.json").read_text())
TEXT: Final = (ROOT / "docs/reference/asyncapi.json").read_text()
DOCUMENT: Final[dict[str, Any]] = json.loads(TEXT)
REFERENCE: Final = re.compile(r'"\$ref": "#/([^"]+)"')


def complaint(document: dict[str, Any]) -> str | None:
    """What AsyncAPI's own schema has against it."""
    validator: Any = Draft7Validator(SCHEMA)  # its annotations are partial
    errors: list[Any] = list(validator.iter_errors(document))
    return str(errors[0].message) if errors else None


def test_the_document_is_asyncapi() -> None:
    assert complaint(DOCUMENT) is None


@pytest.mark.parametrize("missing", ["action", "channel"])
def test_an_operation_that_says_too_little_is_none(missing: str) -> None:
    """So the schema looks into the document."""
    document = deepcopy(DOCUMENT)
    del next(iter(document["operations"].values()))[missing]
    assert complaint(document) is not None


def test_every_reference_leads_somewhere() -> None:
    """Which the schema cannot tell."""
    references = REFERENCE.findall(TEXT)
    assert references
    for reference in references:
        place: Any = DOCUMENT
        for step in reference.split("/"):
            assert step in place, reference
            place = place[step]
