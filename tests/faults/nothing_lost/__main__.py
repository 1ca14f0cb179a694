"""`python -m tests.faults.nothing_lost --turns 10000 --kills 200 --stand …`: the whole campaign."""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tests.faults.nothing_lost.campaign import Campaign, Plan
from tests.faults.nothing_lost.fleet import fleet_stand
from tests.faults.nothing_lost.report import summary
from tests.faults.nothing_lost.servers import STANDS
from tests.faults.nothing_lost.stand import Stand
from tests.faults.nothing_lost.up import UpStand
from tests.servers.session import Session


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.nothing_lost")
    parser.add_argument("--turns", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--stand", choices=["up", *STANDS], default="up")
    parser.add_argument(
        "--servers",
        default="",
        metavar="SECTION=COUNT,…",
        help="how often servers die, such as bus=20,store=20,redis=100",
    )
    parser.add_argument("--points", type=int, help="walk through so many crash points; else all")
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path, help="write the account as JSON to this file")
    parser.add_argument("--home", type=Path, help="keep the homes here")
    given = parser.parse_args()
    plan = Plan(
        turns=given.turns,
        kills=given.kills,
        clients=given.clients,
        seed=given.seed,
        points=given.points,
        servers=_counts(given.servers),
    )
    with tempfile.TemporaryDirectory() as directory:
        place = given.home or Path(directory)
        with _stand(given.stand, place, given.seed) as stand:
            account = asyncio.run(Campaign(plan, stand, sys.stderr.write).run())
    if given.report is not None:
        given.report.write_bytes(msgspec.json.format(msgspec.json.encode(account)))
    sys.stdout.write(summary(account))
    return 1 if account.problems else 0


@contextmanager
def _stand(name: str, place: Path, seed: int) -> Generator[Stand]:
    if name == "up":
        yield UpStand(place)
        return
    folder = place / "servers"
    folder.mkdir(parents=True, exist_ok=True)
    with fleet_stand(name, place, Session(folder, os.getpid()), seed) as stand:
        yield stand


def _counts(given: str) -> dict[str, int]:
    pairs = (part.split("=") for part in given.split(",") if part)
    return {section: int(count) for section, count in pairs}


if __name__ == "__main__":
    raise SystemExit(main())
