"""`python -m tests.faults.nothing_lost --turns 10000 --kills 200`: the whole campaign."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import msgspec

from tertulia.kit.crash_points import CRASH_POINTS, ONLY_WITH_A_BROKER, ONLY_WITH_A_LOG
from tests.faults.nothing_lost.campaign import Campaign, Plan
from tests.faults.nothing_lost.report import summary


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.nothing_lost")
    parser.add_argument("--turns", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path, help="write the account as JSON to this file")
    parser.add_argument("--home", type=Path, help="keep the server's home here")
    given = parser.parse_args()
    plan = Plan(
        turns=given.turns,
        kills=given.kills,
        clients=given.clients,
        seed=given.seed,
        points=tuple(sorted(CRASH_POINTS - ONLY_WITH_A_BROKER - ONLY_WITH_A_LOG)),
    )
    with tempfile.TemporaryDirectory() as directory:
        account = asyncio.run(Campaign(plan, given.home or Path(directory)).run())
    if given.report is not None:
        given.report.write_bytes(msgspec.json.format(msgspec.json.encode(account)))
    sys.stdout.write(summary(account))
    return 1 if account.problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
