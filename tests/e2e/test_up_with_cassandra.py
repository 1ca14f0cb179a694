"""The whole product with its older texts in Cassandra."""

import json
from collections.abc import Generator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.e2e.history import erased, export, in_store, moved, with_history
from tests.e2e.keeping import done, refusal, say
from tests.e2e.server import Server, tertulia
from tests.servers.cassandra import Cassandra

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def keyspace(cassandra: Cassandra) -> Generator[str]:
    with cassandra.keyspace() as url:
        yield url


def rows(cassandra: Cassandra, keyspace: str) -> set[str]:
    """The conversations that Cassandra has texts of."""
    name = keyspace.rpartition("/")[2]
    return {row[0] for row in cassandra.execute(f"SELECT conversation_id FROM {name}.messages")}  # noqa: S608


def test_a_conversation_is_the_same_wherever_its_texts_are(
    cassandra: Cassandra, keyspace: str, tmp_path: Path
) -> None:
    home, variables = tmp_path / "home", with_history(keyspace)
    conversation = str(uuid4())
    with Server(home) as server:
        say(server, conversation, "from before")
        before = export(server, conversation)
        assert in_store(home) == 2
    assert done("messages", "move", home=home, variables=variables) == "2 texts are moved.\n"
    with Server(home, variables=variables) as server:
        assert export(server, conversation) == before
        texts = say(server, conversation, "and now")
        assert len(texts) == 4
        assert moved(home)
        whole = export(server, conversation)
        assert [message["text"] for message in whole["messages"]] == texts
        assert conversation in rows(cassandra, keyspace)
        report = json.loads(done("messages", "check", "--json", home=home, variables=variables))
        assert report == {"texts": 4, "mended": 0, "missing": {}}
    with Server(home, variables=variables) as server:
        assert export(server, conversation) == whole
        with server.token_client() as program:
            assert program.delete(f"/api/conversations/{conversation}").status_code == 204
        assert erased(home)
    assert conversation not in rows(cassandra, keyspace)


def test_a_backup_a_copy_and_a_repair_hold_what_was_moved(
    cassandra: Cassandra, keyspace: str, tmp_path: Path
) -> None:
    home, other, copied = tmp_path / "home", tmp_path / "other", tmp_path / "copied"
    variables, conversation = with_history(keyspace), str(uuid4())
    passphrase, backup = tmp_path / "passphrase", tmp_path / "backup"
    passphrase.write_text("a long passphrase")
    with Server(home, variables=variables) as server:
        say(server, conversation, "hello")
        assert moved(home)
        whole = export(server, conversation)
        sealed = ("--passphrase-file", str(passphrase))
        done("backup", str(backup), *sealed, home=home, variables=variables)

    done("restore", str(backup), *sealed, home=other)
    with Server(other) as server:
        assert export(server, conversation) == whole

    copied.mkdir()
    (copied / "master.key").write_bytes((home / "master.key").read_bytes())
    (copied / "master.key").chmod(0o600)
    urls = [f"--{end}=sqlite:///{at}/tertulia.db" for end, at in (("from", home), ("to", copied))]
    refused = tertulia("migrate", *urls, home=home)
    assert (refused.returncode, "messages.url does not name" in refused.stderr) == (2, True)
    done("migrate", *urls, home=home, variables=variables)
    assert in_store(copied) == 2

    name = keyspace.rpartition("/")[2]
    cassandra.execute(f"TRUNCATE {name}.messages")
    looked = tertulia("messages", "check", home=home, variables=variables)
    assert (looked.returncode, f"{conversation}: 2 missing" in looked.stdout) == (1, True)
    said = done("messages", "repair", str(backup), home=home, variables=variables)
    assert "2 texts were moved; 2 put back, 0 missing." in said
    with Server(home, variables=variables) as server:
        assert export(server, conversation) == whole


def test_doctor_asks_cassandra_and_config_hides_its_password(keyspace: str, tmp_path: Path) -> None:
    def doctor(url: str) -> str:
        return tertulia("doctor", home=tmp_path, variables={"TERTULIA_MESSAGES_URL": url}).stdout

    assert f"ok     messages: older texts are in {keyspace}, which answers" in doctor(keyspace)
    secret = "cassandra://somebody:a-password@127.0.0.1:1/nowhere"
    said = doctor(secret)
    assert "WRONG  messages: Older texts cannot be read now" in said
    shown = done("config", home=tmp_path, variables={"TERTULIA_MESSAGES_URL": secret})
    assert "a-password" not in said + shown


def test_without_a_log_its_commands_say_so(tmp_path: Path) -> None:
    assert "messages.url names none" in refusal("messages", "check", home=tmp_path)
