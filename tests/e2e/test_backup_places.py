"""Backups at an address: made beside a running server, found, restored into another home."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.e2e.keeping import done, refusal, say
from tests.e2e.server import Server, tertulia
from tests.ports.blob_places import address
from tests.servers.s3 import S3, SIGNED, Bucket

pytestmark = pytest.mark.server

WORDS = "the walrus and the carpenter"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    with Server(tmp_path_factory.mktemp("served") / "home") as server:
        yield server


@pytest.fixture
def bucket(s3: S3) -> Generator[Bucket]:
    with s3.bucket() as made:
        yield made


def signing_in(bucket: Bucket) -> dict[str, str]:
    return {
        "TERTULIA_S3_ACCESS_KEY_ID": bucket.access_key,
        "TERTULIA_S3_SECRET_ACCESS_KEY": bucket.secret_key,
        "TERTULIA_S3_RETRY_S": "1",
    }


def with_key_of(server: Server, home: Path) -> Path:
    home.mkdir(mode=0o700)
    (home / "master.key").write_bytes((server.home / "master.key").read_bytes())
    (home / "master.key").chmod(0o600)
    return home


def listed(url: str, home: Path, variables: dict[str, str]) -> list[dict[str, Any]]:
    return json.loads(done("backups", url, "--json", home=home, variables=variables))


def test_a_backup_goes_to_a_bucket_and_comes_back(
    server: Server, bucket: Bucket, tmp_path: Path
) -> None:
    conversation, variables = str(uuid4()), signing_in(bucket)
    url = address(bucket, "backups/friday.tertulia")
    say(server, conversation, WORDS)
    assert url in done("backup", url, home=server.home, variables=variables)
    say(server, conversation, "said after the backup")

    assert [each["url"] for each in listed(address(bucket, "backups"), server.home, variables)] == [
        url
    ]
    home = with_key_of(server, tmp_path / "home")
    done("restore", url, home=home, variables=variables)
    assert {path.name for path in home.iterdir()} >= {"master.key", "tertulia.db"}
    assert list(home.glob(".backup-*")) == []
    with Server(home) as restored:
        assert say(restored, conversation, "on we go") == [WORDS, WORDS, "on we go", "on we go"]


def test_the_bucket_sees_neither_words_nor_the_database(server: Server, bucket: Bucket) -> None:
    say(server, str(uuid4()), WORDS)
    url = address(bucket, "friday.tertulia")
    done("backup", url, home=server.home, variables=signing_in(bucket))
    seen = httpx.get(f"{bucket.endpoint}/{bucket.name}/friday.tertulia", headers=SIGNED).content
    assert len(seen) > 100_000
    for word in (WORDS.encode(), b"SQLite format", b"CREATE TABLE", b"TERTULIA BACKUP1"):
        assert word not in seen


def test_with_a_passphrase_the_key_goes_along(
    server: Server, bucket: Bucket, tmp_path: Path
) -> None:
    conversation, variables, home = str(uuid4()), signing_in(bucket), tmp_path / "home"
    url = address(bucket, "friday.tertulia")
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text("correct horse battery staple\n")
    wrong.write_text("incorrect horse\n")
    say(server, conversation, WORDS)
    done("backup", url, "--passphrase-file", str(right), home=server.home, variables=variables)

    [found] = listed(address(bucket, ""), server.home, variables)
    assert (found["url"], found["with_key"]) == (url, True)
    options = ("restore", url, "--passphrase-file")
    assert "passphrase" in refusal(*options, str(wrong), home=home, variables=variables)
    assert not (home / "master.key").exists()
    done(*options, str(right), home=home, variables=variables)
    with Server(home) as restored:
        assert say(restored, conversation, "again") == [WORDS, WORDS, "again", "again"]


def test_a_folder_takes_a_backup_by_its_time(server: Server, tmp_path: Path) -> None:
    folder = (tmp_path / "depot").as_uri()
    variables = {"TERTULIA_BLOBS_URL": folder}
    said = done("backup", home=server.home, variables=variables)

    [found] = json.loads(done("backups", "--json", home=server.home, variables=variables))
    assert found["url"] in said
    assert found["url"].startswith(f"{folder}/backups/20")
    assert found["url"] in done("backups", home=server.home, variables=variables)
    home = with_key_of(server, tmp_path / "home")
    assert "is restored" in done("restore", found["url"], home=home)


def test_nothing_is_overwritten(server: Server, bucket: Bucket, tmp_path: Path) -> None:
    variables, url = signing_in(bucket), address(bucket, "friday.tertulia")
    done("backup", url, home=server.home, variables=variables)
    before = listed(address(bucket, ""), server.home, variables)

    assert "exists" in refusal("backup", url, home=server.home, variables=variables)
    assert listed(address(bucket, ""), server.home, variables) == before
    assert done("token", "create", home=tmp_path / "home")
    home = tmp_path / "home"
    (home / "master.key").write_bytes((server.home / "master.key").read_bytes())
    assert "--replace" in refusal("restore", url, home=home, variables=variables)


def test_a_backup_that_was_changed_renamed_or_is_another_key_s_is_refused(
    server: Server, tmp_path: Path
) -> None:
    depot = tmp_path / "depot"
    url = (depot / "friday.tertulia").as_uri()
    done("backup", url, home=server.home)
    home = with_key_of(server, tmp_path / "home")
    whole = (depot / "friday.tertulia").read_bytes()

    (depot / "saturday.tertulia").write_bytes(whole)
    assert "renamed" in refusal("restore", (depot / "saturday.tertulia").as_uri(), home=home)
    assert done("token", "create", home=tmp_path / "other")
    assert "another key" in refusal("restore", url, "--replace", home=tmp_path / "other")
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 1
    (depot / "friday.tertulia").write_bytes(changed)
    assert "damaged" in refusal("restore", url, home=home)
    assert not (home / "tertulia.db").exists()


def test_what_is_not_there_or_does_not_answer_is_one_sentence(
    server: Server, bucket: Bucket, tmp_path: Path
) -> None:
    variables = signing_in(bucket)
    home = with_key_of(server, tmp_path / "home")
    missing = address(bucket, "none.tertulia")
    assert "no such blob" in refusal("restore", missing, home=home, variables=variables)
    away = "s3://some-bucket/friday.tertulia?endpoint=http://127.0.0.1:1"
    assert "S3 does not answer" in refusal("backup", away, home=server.home, variables=variables)
    assert "is s3://BUCKET" in refusal("backup", "s3://x", home=server.home, variables=variables)
    assert "blobs.url" in refusal("backup", home=server.home)
    assert list(server.home.glob(".backup-*")) == []


def test_doctor_looks_where_blobs_are_and_config_hides_the_key(
    bucket: Bucket, tmp_path: Path
) -> None:
    variables = {**signing_in(bucket), "TERTULIA_BLOBS_URL": address(bucket, "p")}
    variables["TERTULIA_S3_SECRET_ACCESS_KEY"] = "do-not-show"
    assert finding(tmp_path, variables)["ok"]
    away = {**variables, "TERTULIA_BLOBS_URL": "s3://some-bucket?endpoint=http://127.0.0.1:1"}
    assert finding(tmp_path, away)["finding"] == "S3 does not answer."
    shown = done("config", home=tmp_path, variables=variables)
    assert "s3.secret_access_key" in shown
    assert "do-not-show" not in shown


def finding(home: Path, variables: dict[str, str]) -> dict[str, Any]:
    done = tertulia("doctor", "--json", home=home, variables=variables)
    [found] = [each for each in json.loads(done.stdout) if each["check"] == "blobs"]
    return found
