"""`tertulia doctor`: finds each thing that is wrong, says how to mend it, changes nothing."""

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.server import Server, tertulia
from tests.servers.redis import Redis


def findings(home: Path, *options: str, model: str = "echo") -> dict[str, dict[str, Any]]:
    """By check; the exit code must say whether anything is wrong."""
    address = () if "--address" in options else ("--address", "127.0.0.1:0")
    done = tertulia("doctor", "--json", "--model", model, *address, *options, home=home)
    found = {finding["check"]: finding for finding in json.loads(done.stdout)}
    # The page is built or not; that is not what is tested here.
    page = found.pop("page")
    assert done.returncode == (0 if page["ok"] and all(f["ok"] for f in found.values()) else 1)
    assert all(f["ok"] or f["mend"] for f in found.values())
    return found


def wrong(home: Path, *options: str, model: str = "echo") -> dict[str, str]:
    return {
        name: f["finding"]
        for name, f in findings(home, *options, model=model).items()
        if not f["ok"]
    }


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home that was used before."""
    path = tmp_path / "home"
    assert tertulia("token", "create", home=path).returncode == 0
    return path


def test_a_good_home_has_nothing_wrong(home: Path) -> None:
    found = findings(home)

    places = ["settings", "home", "disk", "key", "database", "model"]
    others = ["peers", "redis", "bus", "blobs", "messages", "address"]
    assert list(found) == places + others
    assert wrong(home) == {}


def test_before_the_first_start_nothing_is_wrong_and_nothing_is_made(tmp_path: Path) -> None:
    assert wrong(tmp_path / "home") == {}
    assert not (tmp_path / "home").exists()


def test_redis_that_does_not_answer_is_wrong_and_one_that_does_is_not(
    home: Path, redis: Redis
) -> None:
    (home / "tertulia.toml").write_text(f'[redis]\nurl = "{redis.url}"\n', "utf-8")
    assert findings(home)["redis"]["finding"].endswith("answers")
    redis.kill()
    assert wrong(home) == {"redis": "Redis does not answer (ConnectionError)."}


def test_it_is_told_for_people_too(home: Path) -> None:
    (home / "master.key").chmod(0o644)
    done = tertulia("doctor", "--model", "echo", "--address", "127.0.0.1:0", home=home)

    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert "ok     home: " in "\n".join(lines)
    at = next(number for number, line in enumerate(lines) if line.startswith("WRONG  key: "))
    assert lines[at + 1].startswith("       mend: ")


def test_a_running_server_is_recognised(tmp_path: Path) -> None:
    with Server(tmp_path / "home") as server:
        found = findings(server.home)

    assert found["address"]["ok"]
    assert f"process {server.pid} serves this home at {server.url}" in found["address"]["finding"]


def test_a_running_server_that_is_not_ready_says_what_it_lacks(tmp_path: Path) -> None:
    with Server(tmp_path / "home", model="embedded") as server:
        found = wrong(server.home)

    assert "not ready" in found["address"]


def test_an_address_that_others_use(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        found = wrong(home, "--address", address)

    assert list(found) == ["address"]
    assert address in found["address"]


def test_an_exposed_key_file(home: Path) -> None:
    (home / "master.key").chmod(0o644)

    assert "chmod 600" in wrong(home)["key"]


def test_a_missing_key_file(home: Path) -> None:
    (home / "master.key").unlink()

    assert "gone" in wrong(home)["key"]
    assert not (home / "master.key").exists()


def test_a_home_that_others_can_look_into(home: Path) -> None:
    home.chmod(0o755)

    assert list(wrong(home)) == ["home"]


def test_a_damaged_database(home: Path) -> None:
    database = home / "tertulia.db"
    content = bytearray(database.read_bytes())
    content[8192 : len(content) - 4096] = os.urandom(len(content) - 8192 - 4096)
    database.write_bytes(content)

    assert "damaged" in wrong(home)["database"]


def test_an_endpoint_that_does_not_answer(home: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/v1"
        found = wrong(home, model=url)

    assert url in found["model"]


def test_no_embedded_model(home: Path) -> None:
    assert "model" in wrong(home, model="embedded")


def test_a_model_file_that_is_not_what_it_should_be(home: Path) -> None:
    [smallest, *_] = json.loads(tertulia("model", "list", "--json", home=home).stdout)
    models = home / "models"
    models.mkdir()
    with (models / "SmolLM2-135M-Instruct.Q4_1.gguf").open("wb") as file:
        file.write(b"GGUF")
        file.truncate(smallest["size_bytes"])

    assert "not what it should be" in wrong(home, model="embedded")["model"]


def test_wrong_settings_are_a_finding(home: Path) -> None:
    (home / "tertulia.toml").write_text("[relay]\nevery = 3\n")
    done = tertulia("doctor", "--json", home=home)

    assert done.returncode == 1
    [finding] = json.loads(done.stdout)
    assert finding["check"] == "settings"
    assert "relay.every_s" in finding["finding"]
