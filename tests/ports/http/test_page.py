"""The page and how it is cached."""

from pathlib import Path

import pytest

from tests.ports.http.edges import client, edge

SCRIPT = "console.log('tertulia');" * 50


@pytest.fixture
def built(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>Tertulia</title>")
    (tmp_path / "assets" / "index-Dk3_x9Qa.js").write_text(SCRIPT)
    (tmp_path / "icon.svg").write_text("<svg/>")
    return tmp_path


@pytest.mark.parametrize("path", ["/", "/signin", "/c/0190-abc", "/index.html"])
async def test_paths_without_a_dot_show_the_page(built: Path, path: str) -> None:
    async with client(edge(page=built)) as http:
        answer = await http.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.headers["cache-control"] == "no-cache"


async def test_hashed_files_are_kept_for_ever_and_others_asked_for_again(built: Path) -> None:
    async with client(edge(page=built)) as http:
        script = await http.get("/assets/index-Dk3_x9Qa.js")
        assert script.text == SCRIPT
        assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert script.headers["content-type"].startswith("text/javascript")
        icon = await http.get("/icon.svg")
        assert icon.headers["cache-control"] == "no-cache"
        again = await http.get("/icon.svg", headers={"if-none-match": icon.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


async def test_text_is_compressed_for_those_who_take_it(built: Path) -> None:
    async with client(edge(page=built)) as http:
        small = await http.get("/assets/index-Dk3_x9Qa.js", headers={"accept-encoding": "gzip"})
        assert small.headers["content-encoding"] == "gzip"
        assert int(small.headers["content-length"]) < len(SCRIPT)
        assert small.text == SCRIPT
        plain = await http.get("/assets/index-Dk3_x9Qa.js", headers={"accept-encoding": ""})
        assert "content-encoding" not in plain.headers
        tiny = await http.get("/icon.svg", headers={"accept-encoding": "gzip"})
        assert "content-encoding" not in tiny.headers


@pytest.mark.parametrize(
    "path", ["/missing.js", "/assets/../../etc/passwd.txt", "/%2e%2e/secret.txt", "/api/x", "/v1/x"]
)
async def test_what_is_not_there_is_a_problem_and_never_a_file_of_the_machine(
    built: Path, path: str
) -> None:
    async with client(edge(page=built)) as http:
        answer = await http.get(path)
        assert answer.status_code == 404
        assert answer.json()["code"] == "not_found"


async def test_page_that_is_not_built_says_so(tmp_path: Path) -> None:
    async with client(edge(page=tmp_path / "nothing")) as http:
        answer = await http.get("/")
        assert answer.status_code == 503
        assert "not built" in answer.text
        assert answer.headers["content-type"].startswith("text/plain")
