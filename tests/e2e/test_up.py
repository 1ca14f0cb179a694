"""`tertulia up`, `run` and `link`: how a server starts, what it says, how it ends."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from tests.e2e.server import Server, environment, tertulia
from tests.smollm2 import smollm2

__all__ = ["smollm2"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("served") / "home") as server:
        yield server


def up(home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """`up` that is expected to refuse."""
    address = () if "--address" in options else ("--address", "127.0.0.1:0")
    return tertulia("up", "--home", str(home), "--model", "echo", *address, *options, cwd=Path("/"))


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Exit code 2 and one sentence on stderr, with these words in it."""
    assert done.returncode == 2, done
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    for word in words:
        assert word in done.stderr


# What a server says and how one gets in.


def test_exactly_one_link_is_printed_and_it_signs_in(server: Server) -> None:
    assert [line for line in server.lines if "signin#" in line] == [f"Open {server.link}"]
    with httpx.Client(base_url=server.url) as browser:
        secret = urlsplit(server.link).fragment
        assert browser.post("/api/session", json={"token": secret}).status_code == 200
        assert browser.get("/api/session").json()["via"] == "session"
        again = browser.post("/api/session", json={"token": secret})
    assert again.status_code == 401
    assert again.json()["code"] == "link_invalid"


def test_every_other_line_is_a_json_log_without_secrets(server: Server) -> None:
    token = server.token()
    headers = {"Authorization": f"Bearer {token}"}
    httpx.get(f"{server.url}/api/session", headers=headers).raise_for_status()
    logs = [line for line in server.lines if not line.startswith("Open ")]
    for line in logs:
        assert isinstance(json.loads(line), dict)
    assert token not in "\n".join(logs)
    assert server.errors == []


def test_a_fresh_link_for_a_running_server(server: Server) -> None:
    made = tertulia("link", home=server.home)

    assert made.returncode == 0
    link = made.stdout.strip()
    assert link.startswith(f"{server.url}/signin#")
    assert link != server.link


def test_links_begin_with_where_people_come_in(tmp_path: Path) -> None:
    public = {"TERTULIA_GATEWAY_PUBLIC_URL": "https://chat.example.org"}
    with Server(tmp_path, variables=public) as server:
        made = tertulia("link", home=tmp_path, variables=public)
    for link in (server.link, made.stdout):
        assert link.startswith("https://chat.example.org/signin#")


@pytest.mark.parametrize("variables", [{}, {"TERTULIA_GATEWAY_PUBLIC_URL": "https://chat.example"}])
def test_there_is_no_link_without_a_server(tmp_path: Path, variables: dict[str, str]) -> None:
    made = tertulia("link", home=tmp_path, variables=variables)
    refused(made, "No server runs on the home", "tertulia up")


@pytest.mark.parametrize("url", ["chat.example.org", "ftp://a", "https://a/b", "https://u@a"])
def test_where_people_come_in_is_an_origin(tmp_path: Path, url: str) -> None:
    wrong = {"TERTULIA_GATEWAY_PUBLIC_URL": url}
    refused(tertulia("link", home=tmp_path, variables=wrong), "ateway.public_url", "https://")


def test_a_turn_is_answered(server: Server) -> None:
    conversation = str(uuid4())
    with server.client() as browser:
        browser.post("/api/conversations", json={"id": conversation}).raise_for_status()
        answer = browser.post(
            f"/api/conversations/{conversation}/turns",
            json={"id": str(uuid4()), "text": "hello there"},
            headers={"Accept": "text/event-stream"},
        )
        page = browser.get(f"/api/conversations/{conversation}/messages").json()

    assert answer.text.rstrip().splitlines()[-3] == "event: end"
    assert [message["text"] for message in page["items"]] == ["hello there", "hello there"]


def test_without_a_model_it_starts_and_says_how_to_get_one(tmp_path: Path) -> None:
    with Server(tmp_path / "home", model="embedded") as server:
        ready = httpx.get(f"{server.url}/ready")

    assert ready.status_code == 503
    assert "model" in ready.json()["missing"]
    assert ["tertulia model pull" in line for line in server.errors] == [True]


@pytest.fixture
def nowhere(unused_port: int) -> dict[str, str]:
    """Settings by which no model can be pulled."""
    index = f"http://127.0.0.1:{unused_port}"
    return {"TERTULIA_MODELS_SOURCES": '["index"]', "TERTULIA_MODELS_INDEX_URL": index}


def test_a_model_that_cannot_be_pulled_is_told_and_does_not_keep_it_from_starting(
    tmp_path: Path, nowhere: dict[str, str]
) -> None:
    home = tmp_path / "home"
    with Server(home, model="embedded", options=["--pull"], variables=nowhere) as server:
        assert httpx.get(f"{server.url}/health").status_code == 200
    assert any(line.startswith("No model could be pulled: ") for line in server.errors)


def test_nothing_is_pulled_when_there_is_a_model_or_another_answers(
    tmp_path: Path, nowhere: dict[str, str], smollm2: Path
) -> None:
    own = {**nowhere, "TERTULIA_MODELS_OWN": json.dumps([str(smollm2)])}
    for model, variables in (("embedded", own), ("echo", nowhere)):
        options = ["--pull"]
        with Server(tmp_path / model, model, options=options, variables=variables) as server:
            assert httpx.get(f"{server.url}/health").status_code == 200
        assert server.errors == []


def test_an_endpoint_that_is_down_is_told_and_does_not_keep_it_from_starting(
    tmp_path: Path, unused_port: int
) -> None:
    url = f"http://127.0.0.1:{unused_port}/v1"
    with Server(tmp_path / "home", model=url) as server:
        assert httpx.get(f"{server.url}/health").status_code == 200

    assert ["No language model answers yet" in line for line in server.errors] == [True]


def test_open_lets_programs_in_without_a_token(tmp_path: Path, server: Server) -> None:
    with Server(tmp_path / "home", options=["--open"]) as opened:
        assert httpx.get(f"{opened.url}/v1/models").status_code == 200
        assert httpx.get(f"{opened.url}/api/conversations").status_code in {401, 403}

    assert httpx.get(f"{server.url}/v1/models").status_code == 401


# How it ends.


def test_sigterm_finishes_what_is_being_written_and_ends_well(tmp_path: Path) -> None:
    home, conversation = tmp_path / "home", str(uuid4())
    with Server(home, model="echo/40/20") as server, server.token_client() as program:
        program.post("/api/conversations", json={"id": conversation}).raise_for_status()
        turn = {"id": str(uuid4()), "text": "word"}
        program.post(f"/api/conversations/{conversation}/turns", json=turn).raise_for_status()
        code = server.stop()
        events = [json.loads(line)["event"] for line in server.lines if line.startswith("{")]

    assert code == 0
    assert events[-1] == "stopped"
    with Server(home) as server, server.token_client() as program:
        page = program.get(f"/api/conversations/{conversation}/messages").json()
    assert page["items"][-1]["status"] in {"complete", "interrupted"}


def test_an_interrupt_ends_it_as_well(tmp_path: Path) -> None:
    with Server(tmp_path / "home") as server:
        os.kill(server.pid, signal.SIGINT)
        assert server.wait() == 0


def test_after_a_kill_the_same_home_serves_again(tmp_path: Path) -> None:
    with Server(tmp_path / "home") as server:
        server.kill()
        server.start()
        assert httpx.get(f"{server.url}/ready").status_code == 200


# What it refuses, in one sentence.


def test_a_home_in_use_names_the_process_that_has_it(server: Server) -> None:
    refused(up(server.home), "is used by process", str(server.pid), server.url)


def test_an_address_in_use(server: Server, tmp_path: Path) -> None:
    address = urlsplit(server.url).netloc
    refused(up(tmp_path / "home", "--address", address), address, "in use")


def test_an_address_that_others_can_reach(tmp_path: Path) -> None:
    refused(up(tmp_path / "home", "--address", "0.0.0.0:0"), "gateway.public_url")


def test_without_tokens_only_this_machine_is_let_in(tmp_path: Path) -> None:
    public = {"TERTULIA_GATEWAY_PUBLIC_URL": "https://chat.example.org"}
    command = ("up", "--address", "0.0.0.0:0", "--open", "--model", "echo")
    refused(tertulia(*command, home=tmp_path / "home", variables=public), "--open")


def test_an_address_that_is_none(tmp_path: Path) -> None:
    refused(up(tmp_path / "home", "--address", "nowhere"), "address", "--address", "HOST:PORT")


def test_a_model_that_is_none(tmp_path: Path) -> None:
    refused(up(tmp_path / "home", "--model", "gpt"), "model", "--model", "echo", "embedded", "http")


def test_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(up(tmp_path / "file" / "home"), "The home", "cannot be made")


def test_a_home_that_cannot_be_written() -> None:
    refused(up(Path("/proc/self")), "The home", "/proc/self")


def test_a_database_that_is_none(tmp_path: Path) -> None:
    assert tertulia("token", "create", home=tmp_path).returncode == 0
    (tmp_path / "tertulia.db").write_bytes(b"no database at all" * 1000)
    refused(up(tmp_path), "database")


def test_a_damaged_database(tmp_path: Path) -> None:
    assert tertulia("token", "create", home=tmp_path).returncode == 0
    database = tmp_path / "tertulia.db"
    content = bytearray(database.read_bytes())
    content[8192 : len(content) - 4096] = os.urandom(len(content) - 4096 - 8192)
    database.write_bytes(content)
    refused(up(tmp_path), "damaged", "restore")


def test_a_database_that_another_process_holds(tmp_path: Path) -> None:
    assert tertulia("token", "create", home=tmp_path).returncode == 0
    with closing(sqlite3.connect(tmp_path / "tertulia.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        (tmp_path / "tertulia.toml").write_text("[store]\nbusy_timeout_s = 0.1\n")
        refused(up(tmp_path), "database is locked by another process")


def test_a_database_of_a_newer_version(tmp_path: Path) -> None:
    assert tertulia("token", "create", home=tmp_path).returncode == 0
    with closing(sqlite3.connect(tmp_path / "tertulia.db", isolation_level=None)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.execute("UPDATE meta SET value = '9999' WHERE name = 'schema_floor'")
    refused(up(tmp_path), "newer")


def test_a_missing_key_file_beside_a_database(tmp_path: Path) -> None:
    assert tertulia("token", "create", home=tmp_path).returncode == 0
    (tmp_path / "master.key").unlink()
    refused(up(tmp_path), "key file", "master.key")


def test_a_key_file_that_others_can_read(tmp_path: Path) -> None:
    assert tertulia("token", "create", home=tmp_path).returncode == 0
    (tmp_path / "master.key").chmod(0o644)
    refused(up(tmp_path), "master.key", "chmod 600")


def test_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "tertulia.toml").write_text('[relay]\nevery_s = "often"\n')
    refused(up(tmp_path), "relay.every_s", str(tmp_path / "tertulia.toml"), "number")


def test_an_unknown_role(tmp_path: Path) -> None:
    done = tertulia("run", "relay", "rely", home=tmp_path)
    refused(done, "'rely'", "gateway, chat, relay, preprocess, inference")


def test_some_roles_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tertulia", "run", "relay", "preprocess"]
    variables = environment({"TERTULIA_HOME": str(tmp_path), "TERTULIA_MODEL": "echo"})
    with subprocess.Popen(
        command, cwd=tmp_path, env=variables, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["roles"] == ["relay", "preprocess"]
        refused(up(tmp_path), f"process {process.pid}")
        process.kill()


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
