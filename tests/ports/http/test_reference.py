"""The description of the interfaces is complete, and readable without another host."""

import json
import re

from tests.ports.http.edges import client, edge
from tools.openapi import written


def test_every_operation_says_who_may_call_it_and_how_errors_are_told() -> None:
    document = json.loads(written())
    for path, item in document["paths"].items():
        for method, operation in item.items():
            where = f"{method} {path}"
            assert "security" in operation, where
            assert operation.get("summary"), where
            assert "422" not in operation["responses"], where
            own_way = path.startswith(("/v1", "/chat"))
            assert own_way or "default" in operation["responses"], where


def test_operation_ids_are_unique() -> None:
    ids = re.findall(r'"operationId": "(.+?)"', written())
    assert len(ids) == len(set(ids))


def test_references_lead_somewhere() -> None:
    document = written()
    schemas = json.loads(document)["components"]["schemas"]
    used = set(re.findall(r"#/components/schemas/(\w+)", document))
    assert used <= set(schemas)
    assert set(schemas) <= used, "a shape that nothing speaks of"


async def test_docs_need_no_script_and_no_other_host() -> None:
    async with client(edge()) as http:
        page = (await http.get("/docs")).text
        assert "<script" not in page
        assert "style=" not in page
        assert not re.search(r'(?:src|href)="(?!/|#)', page)
        assert "/api/echo" in page
        assert (await http.get("/docs/style.css")).headers["content-type"].startswith("text/css")
        assert (await http.get("/openapi.json")).json()["openapi"].startswith("3.1")
