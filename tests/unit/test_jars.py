"""How the jars of the servers are found, fetched and checked; no network is asked."""

import hashlib
from pathlib import Path

import pytest

from tools import jars
from tools.jars import Jar, UnlikeLockError

CONTENT = b"a jar"
JAR = Jar("kafka", "org/one/1/one-1.jar", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A repository that holds the jar; the cache and Maven's own are empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(jars, "MAVEN", tmp_path / "m2")
    there = tmp_path / "central" / JAR.path
    there.parent.mkdir(parents=True)
    there.write_bytes(CONTENT)
    return (tmp_path / "central").as_uri()


def test_fetched_jar_is_kept_whole(source: str) -> None:
    jars.fetch(JAR, source)
    kept = jars.cache() / JAR.path
    assert kept.read_bytes() == CONTENT
    assert list(kept.parent.iterdir()) == [kept]


def test_other_content_than_locked_is_refused(source: str) -> None:
    other = Jar(JAR.server, JAR.path, "0" * 64)
    with pytest.raises(UnlikeLockError, match=r"one-1\.jar is not what jars\.lock says"):
        jars.fetch(other, source)
    assert not (jars.cache() / JAR.path).exists()


@pytest.mark.parametrize("found", [CONTENT, b"half a j"])
def test_maven_repository_is_looked_at_first_and_checked(source: str, found: bytes) -> None:
    local = jars.MAVEN / "repository" / JAR.path
    local.parent.mkdir(parents=True)
    local.write_bytes(found)
    jars.fetch(JAR, source if found != CONTENT else "file:///nowhere")
    assert (jars.cache() / JAR.path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("of", "mirror"), [("central", "https://mirror"), ("*", "https://mirror"), ("other", None)]
)
def test_mirror_of_central_is_honoured(of: str, mirror: str | None, tmp_path: Path) -> None:
    settings = tmp_path / "settings.xml"
    settings.write_text(
        '<settings xmlns="http://maven.apache.org/SETTINGS/1.2.0"><mirrors><mirror>'
        f"<mirrorOf>{of}</mirrorOf><url>https://mirror/</url></mirror></mirrors></settings>"
    )
    assert jars.mirror(settings) == mirror
    assert jars.mirror(tmp_path / "none.xml") is None


@pytest.mark.parametrize(
    ("row", "path"),
    [
        ("org.a.b:one:jar:1.0:runtime", "org/a/b/one/1.0/one-1.0.jar"),
        ("org:one:jar:linux-x86_64:1.0:compile", "org/one/1.0/one-1.0-linux-x86_64.jar"),
    ],
)
def test_rows_of_maven_become_paths(row: str, path: str) -> None:
    assert jars.path_of(row) == path


def test_lock_holds_both_servers() -> None:
    named = {
        server: [jar.path for jar in jars.locked() if jar.server == server]
        for server in jars.WANTED
    }
    for server, wanted in jars.WANTED.items():
        for coordinates in wanted:
            assert (
                jars.path_of("{}:{}:jar:{}:runtime".format(*coordinates.split(":")))
                in named[server]
            )
