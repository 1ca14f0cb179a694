"""Kafka and Cassandra: the jars of `tools/jars.lock`, from Maven Central.

    python tools/jars.py              fetch and check what is missing
    python tools/jars.py lock         resolve them anew (needs Maven), write the lock file

They are kept in the user's cache, so that all clones share them. Maven's own local repository is
looked at first, and a mirror of Central that `~/.m2/settings.xml` names is used in its stead.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

LOCK: Final = Path(__file__).with_name("jars.lock")
CENTRAL: Final = "https://repo.maven.apache.org/maven2"
MAVEN: Final = Path.home() / ".m2"
AT_ONCE: Final = 8
TIMEOUT_S: Final = 60

# What each server is: Kafka's own jars leave it to the user where its log goes.
WANTED: Final = {
    "kafka": ("org.apache.kafka:kafka_2.13:4.3.1", "org.slf4j:slf4j-simple:1.7.36"),
    "cassandra": ("org.apache.cassandra:cassandra-all:5.0.9",),
}


class UnlikeLockError(OSError):
    """A jar's content is not what the lock file says."""

    def __str__(self) -> str:
        return f"{self.args[0]} is not what {LOCK.name} says"


@dataclass(frozen=True, slots=True, order=True)
class Jar:
    """`path` is that in every Maven repository."""

    server: str
    path: str
    sha256: str


def cache() -> Path:
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder) / "tertulia" / "jars"


def classpath(server: str) -> list[Path] | None:
    """The server's jars; None when one has not been fetched."""
    paths = [cache() / jar.path for jar in locked() if jar.server == server]
    return paths if all(path.is_file() for path in paths) else None


def locked() -> list[Jar]:
    lines = LOCK.read_text().splitlines()
    return [Jar(*line.split()) for line in lines if not line.startswith("#")]


def fetch_all() -> None:
    """Fetch all at once; the first error ends it, and what is complete stays."""
    missing = {jar.path: jar for jar in locked() if not (cache() / jar.path).is_file()}
    if not missing:
        return
    print(f"fetching {len(missing)} jars of Kafka and Cassandra")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(fetch, missing.values(), repeat(mirror() or CENTRAL)))


def fetch(jar: Jar, source: str) -> None:
    """Into the cache, whole and checked or not at all; OSError."""
    local = MAVEN / "repository" / jar.path
    if local.is_file() and sha256(local.read_bytes()) == jar.sha256:
        content = local.read_bytes()
    else:
        with urllib.request.urlopen(f"{source}/{jar.path}", timeout=TIMEOUT_S) as answer:  # noqa: S310
            content = answer.read()
    if sha256(content) != jar.sha256:
        raise UnlikeLockError(jar.path)
    kept = cache() / jar.path
    kept.parent.mkdir(parents=True, exist_ok=True)
    partial = kept.with_name(f"{kept.name}.{os.getpid()}")
    partial.write_bytes(content)
    partial.replace(kept)


def mirror(settings: Path = MAVEN / "settings.xml") -> str | None:
    """What stands in for Maven Central on this machine."""
    if not settings.is_file():
        return None
    for found in ET.parse(settings).iterfind(".//{*}mirror"):  # noqa: S314  the user's own
        if (found.findtext("{*}mirrorOf") or "").split(",")[0] in {"central", "*", "external:*"}:
            return (found.findtext("{*}url") or "").strip().rstrip("/") or None
    return None


def lock() -> None:
    with tempfile.TemporaryDirectory() as folder:
        jars = [jar for server in WANTED for jar in resolve(server, Path(folder))]
    head = "# Written by `python tools/jars.py lock`: server, path in a Maven repository, SHA-256\n"
    LOCK.write_text(head + lines(jars))


def lines(jars: Iterable[Jar]) -> str:
    return "".join(f"{jar.server} {jar.path} {jar.sha256}\n" for jar in sorted(jars))


def resolve(server: str, folder: Path) -> list[Jar]:
    """The jars that Maven would run the server with; CalledProcessError."""
    pom, repository, listed = folder / "pom.xml", folder / "repository", folder / "listed"
    pom.write_text(project(WANTED[server]))
    command = ["mvn", "--quiet", "--batch-mode", f"-Dmaven.repo.local={repository}"]
    command += ["dependency:list", "-DincludeScope=runtime", f"-DoutputFile={listed}"]
    subprocess.run(command, cwd=folder, check=True)
    rows = [line.split(" -- ")[0].strip() for line in listed.read_text().splitlines()]
    paths = [path_of(row) for row in rows if row.count(":") >= 4]  # noqa: PLR2004
    return [Jar(server, path, sha256((repository / path).read_bytes())) for path in paths]


def project(wanted: Iterable[str]) -> str:
    """A pom.xml that depends on these."""
    dependencies = ""
    for coordinates in wanted:
        group, artifact, version = coordinates.split(":")
        dependencies += (
            f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>"
            f"<version>{version}</version></dependency>"
        )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>tertulia</groupId><artifactId>servers</artifactId><version>1</version>"
        f"<dependencies>{dependencies}</dependencies></project>"
    )


def path_of(row: str) -> str:
    """Of `group:artifact:type[:classifier]:version:scope`."""
    group, artifact, kind, *classifier, version, _ = row.split(":")
    name = "-".join([artifact, version, *classifier])
    return f"{group.replace('.', '/')}/{artifact}/{version}/{name}.{kind}"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    try:
        lock() if sys.argv[1:] == ["lock"] else fetch_all()
    except OSError as error:
        sys.exit(f"not fetched: {error}")
