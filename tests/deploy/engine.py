"""`python -m tests.deploy.engine`: Compose on an engine, from the image's build to a restart.

It builds the image, starts a profile, talks, backs up, takes all containers away and starts them
anew; what was said must be there, with `--cassandra` in Cassandra. Volumes and containers bear a
name of their own and are removed at the end. It needs an engine and its images, so it is a command
of its own and no test of a run.
"""

import argparse
import asyncio
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

import aiohttp

from tests.deploy.composition import COMPOSE, make_variables
from tests.e2e.api import Api, Message, ProblemError

PROJECT: Final = "tertulia-engine-check"
BUILT_S: Final = 3600.0
UP_S: Final = 900.0
READY_S: Final = 120.0
ANSWERED_S: Final = 60.0
BUSES: Final = {
    "kafka": "kafka://kafka:9092",
    "nats": "nats://tertulia:{NATS_PASSWORD}@nats:4222",
}
HISTORY: Final = "cassandra://cassandra:9042/tertulia"


class EngineError(AssertionError):
    """What the product did not do."""


@dataclass(frozen=True, slots=True)
class Engine:
    """Compose by one command line, such as `docker compose`, for one file of variables."""

    command: Sequence[str]
    files: Sequence[Path]
    variables: Path
    profiles: Sequence[str]

    def run(self, *arguments: str, timeout_s: float = UP_S) -> str:
        """What it wrote to stdout; CalledProcessError with what it wrote to stderr."""
        files = [part for each in self.files for part in ("--file", str(each))]
        done = subprocess.run(
            [
                *self.command,
                *files,
                f"--env-file={self.variables}",
                f"--project-name={PROJECT}",
                *(f"--profile={each}" for each in self.profiles),
                *arguments,
            ],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            timeout=timeout_s,
        )
        return done.stdout

    def tertulia(self, service: str, *arguments: str) -> str:
        """A command of the product in a service that runs."""
        return self.run("exec", "-T", service, "tertulia", *arguments).strip()


async def check(engine: Engine, url: str) -> None:
    """Raises at the first step that does not hold. The image is there."""
    with _step("everything starts in its order"):
        engine.run("up", "--detach")
        await _ready(url)
    token = engine.tertulia("gateway", "token", "create", "engine check").splitlines()[-1]
    with _step("a link signs in"):
        if not engine.tertulia("gateway", "link").startswith(url):
            raise EngineError
    async with aiohttp.ClientSession() as http:
        api = Api(http, url, token)
        conversation_id = str(uuid4())
        await api.create_conversation(conversation_id)
        with _step("a turn goes through all roles"):
            await _turn(api, conversation_id, "before the restart")
        if "cassandra" in engine.profiles:
            with _step("what was said is moved to Cassandra"):
                moved = engine.tertulia("relay", "messages", "move")
                found = engine.tertulia("relay", "messages", "check")
                sys.stdout.write(f"{moved}\n{found}\n")
        with _step("a backup is put into S3"):
            engine.tertulia("relay", "backup")
            sys.stdout.write(engine.tertulia("relay", "backups") + "\n")
        with _step("all containers are taken away, and come back"):
            engine.run("down")
            engine.run("up", "--detach")
            await _ready(url)
        with _step("what was said is there, and goes on"):
            reply = await _turn(api, conversation_id, "after it")
            said = [each.text for each in await api.messages(reply.conversation_id)]
            if said != ["before the restart"] * 2 + ["after it"] * 2:
                raise EngineError(said)


async def _turn(api: Api, conversation_id: str, text: str) -> Message:
    """The whole reply, which repeats what was said."""
    turn = await api.send_turn(conversation_id, str(uuid4()), text)
    async with asyncio.timeout(ANSWERED_S):
        reply = await api.finished(turn.reply)
    if (reply.status, reply.text) != ("complete", text):
        raise EngineError(reply)
    return reply


async def _ready(url: str) -> None:
    """Returns when the gateway, and through it all others, are ready."""
    async with aiohttp.ClientSession() as http, asyncio.timeout(READY_S):
        while True:
            with suppress(aiohttp.ClientError):
                async with http.get(f"{url}/ready") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.5)


@contextmanager
def _step(what: str) -> Generator[None]:
    """Says what holds, and how long it took."""
    began, holds = time.monotonic(), "FAIL"
    try:
        yield
        holds = "ok"
    finally:
        sys.stdout.write(f"{holds:4} {time.monotonic() - began:6.1f} s  {what}\n")
        sys.stdout.flush()


def _variables(folder: Path, profiles: Sequence[str], address: str) -> Path:
    """What `secrets.sh` makes, with an answer that needs no model."""
    made = make_variables(folder)
    own = {
        "COMPOSE_PROFILES": ",".join(profiles),
        "MODEL": "echo",
        "PUBLISH": address,
        "PUBLIC_URL": f"http://{address}",
    }
    if "cassandra" in profiles:
        own["MESSAGES_URL"] = HISTORY
    for profile in BUSES.keys() & set(profiles):
        own["BUS_URL"] = BUSES[profile].format_map(made)
    path = folder / "check.env"
    path.write_text("".join(f"{name}={value}\n" for name, value in {**made, **own}.items()))
    return path


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.deploy.engine")
    parser.add_argument("--compose", default="docker compose", help="the command line of Compose")
    parser.add_argument("--profile", choices=["core", *BUSES], default="core")
    parser.add_argument("--cassandra", action="store_true", help="and its profile")
    parser.add_argument("--address", default="127.0.0.1:18420", help="where the page is published")
    parser.add_argument("--built", action="store_true", help="the image is there already")
    parser.add_argument("--override", type=Path, action="append", default=[], metavar="FILE")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        profiles = [given.profile, *(["cassandra"] if given.cassandra else [])]
        variables = _variables(Path(directory), profiles, given.address)
        files = [COMPOSE, *given.override]
        engine = Engine(shlex.split(given.compose), files, variables, profiles)
        try:
            if not given.built:
                with _step("the image is built"):
                    engine.run("build", timeout_s=BUILT_S)
            asyncio.run(check(engine, f"http://{given.address}"))
        except (EngineError, ProblemError, TimeoutError, subprocess.SubprocessError) as error:
            sys.stdout.write(f"{type(error).__name__}: {error}\n")
            with suppress(subprocess.SubprocessError):
                sys.stdout.write(engine.run("logs", "--tail", "40"))
            return 1
        finally:
            with suppress(subprocess.SubprocessError):
                engine.run("down", "--volumes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
