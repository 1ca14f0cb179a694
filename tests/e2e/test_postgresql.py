"""Processes over PostgreSQL: everything that works on a file works there, and two work at once."""

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.e2e.keeping import done, refusal, say
from tests.e2e.role import RoleProcess
from tests.e2e.server import Server, tertulia
from tests.servers.postgresql import PostgreSQL

pytestmark = pytest.mark.server

WORDS = "the walrus and the carpenter"


@dataclass(frozen=True)
class Installation:
    """A home and a database that was empty."""

    home: Path
    url: str

    @property
    def variables(self) -> Mapping[str, str]:
        return {"TERTULIA_STORE_URL": self.url}

    def server(self) -> Server:
        return Server(self.home, variables=self.variables)

    def done(self, *arguments: str) -> str:
        return done(*arguments, home=self.home, variables=self.variables)

    def refusal(self, *arguments: str) -> str:
        return refusal(*arguments, home=self.home, variables=self.variables)


@pytest.fixture
def installation(postgres: PostgreSQL, tmp_path: Path) -> Generator[Installation]:
    with postgres.database() as url:
        yield Installation(tmp_path / "home", url)


def test_what_was_said_is_there_after_a_restart(installation: Installation) -> None:
    conversation = str(uuid4())
    with installation.server() as server:
        assert say(server, conversation, WORDS) == [WORDS, WORDS]
    with installation.server() as server:
        assert say(server, conversation, "on") == [WORDS, WORDS, "on", "on"]
    assert not (installation.home / "tertulia.db").exists()


def test_two_processes_serve_one_database(installation: Installation, tmp_path: Path) -> None:
    conversation = str(uuid4())
    with installation.server() as one:
        other = Installation(tmp_path / "other", installation.url)
        other.home.mkdir(mode=0o700)
        key = other.home / "master.key"
        key.write_bytes((installation.home / "master.key").read_bytes())
        key.chmod(0o600)
        with other.server() as two:
            say(one, conversation, WORDS)
            assert say(two, conversation, "on") == [WORDS, WORDS, "on", "on"]


def test_a_link_is_made_where_nobody_serves_when_it_is_known_where_people_come_in(
    installation: Installation, tmp_path: Path
) -> None:
    """As in a container beside those of the roles."""
    away = {**installation.variables, "TERTULIA_PEERS_CHAT": "http://127.0.0.1:9"}
    installation.home.mkdir(mode=0o700)
    with RoleProcess(("gateway",), installation.home, away) as gateway:
        beside = Installation(tmp_path / "beside", installation.url)
        key = {"TERTULIA_MASTER_FILE": str(installation.home / "master.key")}
        variables = {**beside.variables, **key}
        assert "gateway.public_url" in refusal("link", home=beside.home, variables=variables)
        variables["TERTULIA_GATEWAY_PUBLIC_URL"] = f"{gateway.url}/"
        link = done("link", home=beside.home, variables=variables).strip()
        url, _, secret = link.partition("/signin#")
        assert url == gateway.url
        answer = httpx.post(f"{url}/api/session", json={"token": secret}, trust_env=False)
        assert answer.status_code == 200


def test_another_master_key_is_refused(installation: Installation, tmp_path: Path) -> None:
    with installation.server():
        pass
    stranger = Installation(tmp_path / "stranger", installation.url)
    up = ("up", "--model", "echo", "--address", "127.0.0.1:0")
    assert "key file" in stranger.refusal(*up)
    assert not (stranger.home / "master.key").exists()
    variables = {**installation.variables, "TERTULIA_MASTER_KEY": "0" * 64}
    assert "another master key" in refusal(*up, home=stranger.home, variables=variables)


def test_doctor_and_config_speak_of_the_database_without_its_password(
    installation: Installation,
) -> None:
    with installation.server():
        pass
    secret = installation.url.replace("postgres@", "postgres:s3cret-word@")
    variables = {"TERTULIA_STORE_URL": secret}
    config = done("config", home=installation.home, variables=variables)
    doctor = tertulia("doctor", "--json", home=installation.home, variables=variables)
    [database] = [f for f in json.loads(doctor.stdout) if f["check"] == "database"]
    assert "fsync = off" in database["finding"]
    assert "s3cret" not in config + doctor.stdout + doctor.stderr
    assert "postgres:********@" in config


def test_a_backup_made_while_serving_is_restored_into_either_database(
    installation: Installation, postgres: PostgreSQL, tmp_path: Path
) -> None:
    conversation, file = str(uuid4()), tmp_path / "backup"
    with installation.server() as server:
        say(server, conversation, WORDS)
        installation.done("backup", str(file))
    key = (installation.home / "master.key").read_bytes()

    with postgres.database() as url:
        for name, variables in (("file", {}), ("server", {"TERTULIA_STORE_URL": url})):
            home = tmp_path / name
            home.mkdir(mode=0o700)
            (home / "master.key").write_bytes(key)
            (home / "master.key").chmod(0o600)
            done("restore", str(file), home=home, variables=variables)
            with Server(home, variables=variables) as restored:
                assert say(restored, conversation, "on") == [WORDS, WORDS, "on", "on"]
    assert "holds something" in installation.refusal("restore", str(file))


def test_the_master_key_is_rotated_beside_a_server(installation: Installation) -> None:
    conversation = str(uuid4())
    with installation.server() as server:
        say(server, conversation, WORDS)
        assert "Version 2" in installation.done("key", "rotate", "--retire")
        assert say(server, conversation, "on") == [WORDS, WORDS, "on", "on"]


def test_migrate_moves_a_file_to_a_server_and_back(
    installation: Installation, tmp_path: Path
) -> None:
    conversation, home = str(uuid4()), installation.home
    file, back = f"sqlite:///{home / 'tertulia.db'}", f"sqlite:///{tmp_path / 'back.db'}"
    with Server(home) as server:
        say(server, conversation, WORDS)
        move = ("migrate", "--from", file, "--to", installation.url)
        assert "in use" in refusal(*move, home=home)
    done(*move, home=home)
    with installation.server() as server:
        assert say(server, conversation, "on") == [WORDS, WORDS, "on", "on"]
        again = ("migrate", "--from", installation.url, "--to", back)
        assert "in use" in refusal(*again, home=home)
    done(*again, home=home)
    with Server(home, variables={"TERTULIA_STORE_URL": back}) as server:
        assert len(say(server, conversation, "and on")) == 6


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("/test_", "/untold_"), "There is no database"),
        (("127.0.0.1:", "127.0.0.2:"), "cannot be reached"),
        (("postgres@", "nobody@"), "knows no user"),
    ],
)
def test_what_is_wrong_with_the_address_is_said_in_one_sentence(
    installation: Installation, change: tuple[str, str], words: str
) -> None:
    variables = {"TERTULIA_STORE_URL": installation.url.replace(*change)}
    assert words in refusal("token", "list", home=installation.home, variables=variables)
