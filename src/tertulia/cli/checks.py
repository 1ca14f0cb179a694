"""What `doctor` checks. Each check says what it found and, when it is wrong, how to mend it."""

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tertulia.assembly import inspection
from tertulia.assembly.home import Home, holder, open_home
from tertulia.assembly.places import database_name, home_path, key_path
from tertulia.cli.work import finish
from tertulia.kit.process_settings import ProcessSettings
from tertulia.kit.settings import SettingsInForce
from tertulia.ports.chat_model import ModelError

LITTLE_BYTES: Final = 500_000_000  # a model of 100 MB and years of chat fit into more
GB: Final = 1_000_000_000
OLDEST_REDIS: Final = 7
OTHERS: Final = 0o077
ANSWER_S: Final = 5.0
NOT_YET: Final = "not there yet; the first `tertulia up` makes it"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. `mend` says what to do when it is not `ok`."""

    check: str
    ok: bool = True
    finding: str = ""
    mend: str | None = None


def home(settings: SettingsInForce) -> Finding:
    path = home_path(settings)
    if not path.exists():
        return Finding("home", finding=f"{path} is {NOT_YET}")
    open_home(path)
    if path.stat().st_mode & OTHERS:
        mend = f"chmod 700 '{path}'"
        return Finding("home", ok=False, finding=f"others can look into {path}", mend=mend)
    return Finding("home", finding=f"{path} is ours and writable")


def disk(settings: SettingsInForce) -> Finding:
    path = _existing(home_path(settings))
    free = shutil.disk_usage(path).free
    found = f"{free / GB:,.1f} GB are free at {path}"
    if free >= LITTLE_BYTES:
        return Finding("disk", finding=found)
    mend = "make room, or move the home to another disk and name it with --home"
    return Finding("disk", ok=False, finding=found, mend=mend)


def key(settings: SettingsInForce) -> Finding:
    vault, path = inspection.vault(settings), key_path(settings)
    if vault is None:
        return Finding("key", finding=f"{path} is {NOT_YET}")
    where = f"in {path}, readable by its owner alone" if path else "given by the settings"
    return Finding("key", finding=f"version {vault.version} {where}")


def database(settings: SettingsInForce) -> Finding:
    path = database_name(settings)
    vault = inspection.vault(settings)
    found = inspection.database(settings, vault) if vault else None
    if found is None:
        return Finding("database", finding=f"{path} is {NOT_YET}")
    if found.problems:
        finding = f"{path} is not as it should be: {'; '.join(found.problems)}"
        return Finding("database", ok=False, finding=finding, mend=CHECKS["database"].mend)
    schema = f"schema {found.revision}"
    if not found.current:
        schema += ", which the next start upgrades"
    return Finding("database", finding=f"{path} is whole and fits the key; {schema}")


def model(settings: SettingsInForce) -> Finding:
    chosen = settings.of(ProcessSettings).model
    if chosen.startswith("echo"):
        return Finding("model", finding=f"{chosen} repeats what it is told; it needs nothing")
    if chosen == "embedded" and inspection.model_is_elsewhere(settings):
        return Finding("model", finding="that of the role inference, see peers")
    if chosen == "embedded":
        return _embedded(settings)
    try:
        offered = finish(lambda: inspection.endpoint(settings))
    except ModelError as error:
        finding = f"{chosen} does not answer: {error.message}"
        return Finding("model", ok=False, finding=finding, mend=CHECKS["model"].mend)
    if not offered:
        mend = "load a model there, or set upstream.model to the name of one"
        return Finding("model", ok=False, finding=f"{chosen} has no models", mend=mend)
    names = ", ".join(info.id for info in offered[:3])
    return Finding("model", finding=f"{chosen} answers with {len(offered)} models: {names}")


def redis(settings: SettingsInForce) -> Finding:
    version = finish(lambda: inspection.redis(settings))
    if version is None:
        return Finding("redis", finding="none; what processes share is in memory")
    if int(version.partition(".")[0]) < OLDEST_REDIS:
        finding = f"version {version} is too old"
        mend = f"install Redis {OLDEST_REDIS} or a later one"
        return Finding("redis", ok=False, finding=finding, mend=mend)
    return Finding("redis", finding=f"version {version} answers")


def bus(settings: SettingsInForce) -> Finding:
    shown = finish(lambda: inspection.broker(settings))
    if shown is None:
        return Finding("bus", finding="the database itself; no broker is asked for")
    return Finding("bus", finding=f"{shown} answers")


def blobs(settings: SettingsInForce) -> Finding:
    url = finish(lambda: inspection.blobs(settings))
    return Finding("blobs", finding=f"{url} answers")


def messages(settings: SettingsInForce) -> Finding:
    shown = finish(lambda: inspection.history(settings))
    if shown is None:
        return Finding("messages", finding="the database holds all of them")
    return Finding("messages", finding=f"older texts are in {shown}, which answers")


def address(settings: SettingsInForce) -> Finding:
    serving = holder(Home(home_path(settings)))
    if serving and serving.url:
        return _served(serving.url, serving.pid)
    inspection.try_address(settings)
    given = settings.of(ProcessSettings).address
    return Finding("address", finding=f"{given} is free; no server runs on this home")


def peers(settings: SettingsInForce) -> Finding:
    urls = inspection.peers(settings)
    if not urls:
        return Finding("peers", finding="none are set; every role runs in this process")
    for url in urls:
        missing = _missing(url)
        if missing:
            mend = "start it, or change peers.chat or peers.inference to where it is"
            return Finding("peers", ok=False, finding=f"{url}: {missing}", mend=mend)
    return Finding("peers", finding=f"{', '.join(urls)}: ready")


def page(_settings: SettingsInForce) -> Finding:
    start = inspection.page()
    if start.exists():
        return Finding("page", finding="built")
    mend = "in a source tree: make page; the interfaces work without it"
    return Finding("page", ok=False, finding=f"{start} is missing", mend=mend)


@dataclass(frozen=True, slots=True)
class Check:
    """`mend` is what to do when `run` raises."""

    run: Callable[[SettingsInForce], Finding]
    mend: str


CHECKS: Final[Mapping[str, Check]] = {
    "home": Check(home, "choose another with --home, or mend its rights"),
    "disk": Check(disk, "choose another home with --home"),
    "key": Check(key, "put the key file's copy back, readable by its owner alone (chmod 600)"),
    "database": Check(database, "stop the server, then: tertulia restore --replace FILE"),
    "model": Check(model, "start what answers there, or name another with --model"),
    "peers": Check(peers, "start it, or change peers.chat or peers.inference to where it is"),
    "redis": Check(redis, "start it, or mend redis.url; meanwhile all works without it"),
    "bus": Check(bus, "start the broker, or correct bus.url"),
    "blobs": Check(blobs, "mend blobs.url, or who we are there: [s3] in the settings"),
    "messages": Check(
        messages, "start Cassandra, or correct messages.url; older texts wait for it"
    ),
    "address": Check(address, "stop what listens there, or choose another with --address"),
    "page": Check(page, "install Tertulia anew"),
}


def _embedded(settings: SettingsInForce) -> Finding:
    found = inspection.models(settings)
    if not found.runtime:
        mend = "install tertulia[embedded], or name an endpoint with --model URL"
        return Finding("model", ok=False, finding="the runtime is not installed", mend=mend)
    if found.damaged:
        path = found.damaged[0]
        mend = f"rm '{path}', then: tertulia model pull NAME"
        return Finding("model", ok=False, finding=f"{path} is not what it should be", mend=mend)
    if found.in_use is None:
        mend = f"tertulia model pull {found.smallest}, or get one on the page"
        return Finding("model", ok=False, finding="no language model is here yet", mend=mend)
    return Finding("model", finding=f"{found.in_use} is here, whole and in use")


def _served(url: str, pid: int) -> Finding:
    missing = _missing(url)
    if missing:
        finding = f"process {pid} serves {url} but is not ready: {missing}"
        return Finding("address", ok=False, finding=finding, mend="see its log")
    return Finding("address", finding=f"process {pid} serves this home at {url} and is ready")


def _missing(url: str) -> str:
    """What a running server says that it lacks; empty when it is ready."""
    try:
        # Our own loopback address, from the lock file, or a peer's, from the settings.
        with urllib.request.urlopen(f"{url}/ready", timeout=ANSWER_S):  # noqa: S310
            return ""
    except urllib.error.HTTPError as error:
        with error:
            document: dict[str, Any] = json.load(error)
        return " ".join(document["missing"].values())
    except OSError as error:
        return f"it does not answer ({error})"


def _existing(path: Path) -> Path:
    return path if path.exists() or path == path.parent else _existing(path.parent)
