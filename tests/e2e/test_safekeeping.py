"""Backup, restore and rotation of the master key, beside a running server and without one."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.e2e.keeping import done, refusal, say
from tests.e2e.server import Server, tertulia

WORDS = "the walrus and the carpenter"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("served") / "home") as server:
        yield server


def test_a_backup_made_while_serving_is_restored_into_another_home(
    server: Server, tmp_path: Path
) -> None:
    conversation, file, home = str(uuid4()), tmp_path / "backup", tmp_path / "home"
    say(server, conversation, WORDS)
    assert str(server.home / "master.key") in done("backup", str(file), home=server.home)
    say(server, conversation, "said after the backup")

    home.mkdir()
    (home / "master.key").write_bytes((server.home / "master.key").read_bytes())
    (home / "master.key").chmod(0o600)
    done("restore", str(file), home=home)
    with Server(home) as restored:
        assert say(restored, conversation, "on we go") == [WORDS, WORDS, "on we go", "on we go"]


def test_a_backup_is_for_its_owner_alone_and_holds_no_words(server: Server, tmp_path: Path) -> None:
    say(server, str(uuid4()), WORDS)
    done("backup", str(tmp_path / "backup"), home=server.home)

    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o600
    assert WORDS.encode() not in (tmp_path / "backup").read_bytes()


def test_with_a_passphrase_the_key_goes_along(server: Server, tmp_path: Path) -> None:
    conversation, file, home = str(uuid4()), tmp_path / "backup", tmp_path / "home"
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text("correct horse battery staple\n")
    wrong.write_text("incorrect horse\n")
    say(server, conversation, WORDS)
    done("backup", str(file), "--passphrase-file", str(right), home=server.home)

    assert "passphrase" in refusal("restore", str(file), "--passphrase-file", str(wrong), home=home)
    assert not (home / "master.key").exists()
    done("restore", str(file), "--passphrase-file", str(right), home=home)
    with Server(home) as restored:
        assert say(restored, conversation, "again") == [WORDS, WORDS, "again", "again"]


def test_nothing_is_overwritten(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    done("backup", str(file), home=server.home)

    assert "exists" in refusal("backup", str(file), home=server.home)
    assert done("token", "create", home=tmp_path / "home")
    assert "--replace" in refusal("restore", str(file), home=tmp_path / "home")


def test_a_home_that_is_served_is_not_restored_into(server: Server, tmp_path: Path) -> None:
    done("backup", str(tmp_path / "backup"), home=server.home)

    told = refusal("restore", str(tmp_path / "backup"), "--replace", home=server.home)
    assert f"process {server.pid}" in told


def test_a_backup_without_its_key_is_refused(server: Server, tmp_path: Path) -> None:
    home = tmp_path / "home"
    done("backup", str(tmp_path / "backup"), home=server.home)

    assert str(home / "master.key") in refusal("restore", str(tmp_path / "backup"), home=home)
    done("token", "create", home=tmp_path / "other")
    home.mkdir(exist_ok=True)
    (tmp_path / "other" / "master.key").rename(home / "master.key")
    assert "key" in refusal("restore", str(tmp_path / "backup"), home=home)
    assert not (home / "tertulia.db").exists()


def test_a_damaged_backup_is_refused(server: Server, tmp_path: Path) -> None:
    file, home = tmp_path / "backup", tmp_path / "home"
    done("backup", str(file), home=server.home)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    home.mkdir()
    (home / "master.key").write_bytes((server.home / "master.key").read_bytes())
    (home / "master.key").chmod(0o600)

    assert "damaged" in refusal("restore", str(file), home=home)
    assert not (home / "tertulia.db").exists()


def test_a_replaced_database_is_kept_aside(server: Server, tmp_path: Path) -> None:
    passphrase, home = tmp_path / "passphrase", tmp_path / "home"
    passphrase.write_text("correct horse battery staple")
    options = ("--passphrase-file", str(passphrase))
    done("backup", str(tmp_path / "backup"), *options, home=server.home)
    done("restore", str(tmp_path / "backup"), *options, home=home)
    told = done("restore", str(tmp_path / "backup"), "--replace", home=home)

    kept = Path(told.rpartition("What was there is ")[2].removesuffix(" now.\n"))
    assert kept.parent == home
    assert kept.is_file()


def test_there_must_be_something_to_back_up(tmp_path: Path) -> None:
    told = refusal("backup", str(tmp_path / "backup"), home=tmp_path / "home")

    assert "There is no database" in told
    assert not (tmp_path / "backup").exists()


def test_the_key_is_rotated_while_a_conversation_goes_on(server: Server) -> None:
    conversation, before = str(uuid4()), (server.home / "master.key").read_text()
    say(server, conversation, WORDS)
    told = done("key", "rotate", "--retire", home=server.home)

    assert "Older ones are destroyed." in told
    assert (server.home / "master.key").read_text() != before
    assert say(server, conversation, "on we go") == [WORDS, WORDS, "on we go", "on we go"]
    assert say(server, str(uuid4()), WORDS) == [WORDS, WORDS]


def test_a_backup_from_before_a_rotation_can_still_be_restored(tmp_path: Path) -> None:
    conversation, home = str(uuid4()), tmp_path / "home"
    with Server(home) as server:
        say(server, conversation, WORDS)
    done("backup", str(tmp_path / "backup"), home=home)
    assert "Older ones are kept." in done("key", "rotate", home=home)
    done("restore", "--replace", str(tmp_path / "backup"), home=home)
    with Server(home) as server:
        assert say(server, conversation, "again") == [WORDS, WORDS, "again", "again"]


def test_after_a_rotation_the_home_opens_with_the_new_key_alone(tmp_path: Path) -> None:
    conversation, home = str(uuid4()), tmp_path / "home"
    with Server(home) as server:
        say(server, conversation, WORDS)
    old = (home / "master.key").read_text()
    done("key", "rotate", "--retire", home=home)
    with Server(home) as server:
        assert say(server, conversation, "again") == [WORDS, WORDS, "again", "again"]

    (home / "master.key").write_text(old)
    doctor = tertulia("doctor", home=home, variables={"TERTULIA_MODEL": "echo"})
    assert doctor.returncode == 1
    assert "WRONG  database" in doctor.stdout
