"""`python -m tests.faults.rolling --restarts 10 --connections 500`: the whole campaign."""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import uvloop

from tests.e2e.fleet import fleet
from tests.faults.rolling.account import Account, Stop, summary
from tests.faults.rolling.campaign import THREE_DOORS, Plan, Rolling
from tests.servers.postgresql import PostgreSQL
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import Redis
from tests.servers.session import Session


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.rolling")
    parser.add_argument("--restarts", type=int, default=10)
    parser.add_argument("--connections", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--previous", type=Path, help="the Python of an earlier version")
    parser.add_argument("--report", type=Path, help="write the account as JSON to this file")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin nothing later")
    given = parser.parse_args()
    plan = Plan(
        restarts=given.restarts,
        connections=given.connections,
        previous=given.previous,
        seed=given.seed,
        within_s=60 * given.minutes,
    )
    account = _run(plan, _told)
    if given.report is not None:
        given.report.write_bytes(msgspec.json.format(msgspec.json.encode(account)))
    sys.stdout.write(summary(account))
    return 1 if account.problems else 0


def _run(plan: Plan, tell: Callable[[Stop], object]) -> Account:
    with tempfile.TemporaryDirectory(prefix="tertulia-rolling-") as directory:
        folder = Path(directory)
        session = Session(folder, os.getpid())
        with (
            session.private(PostgreSQL) as postgres,
            session.private(RabbitMQ) as rabbitmq,
            session.private(Redis) as redis,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            urls = {"store": postgres.url, "bus": rabbitmq.url, "redis": redis.url}
            program = plan.previous or Path(sys.executable)
            with fleet(folder, urls, THREE_DOORS, plan.variables, program) as made:
                return runner.run(Rolling(plan, made, redis, tell).run())


def _told(stop: Stop) -> None:
    sys.stdout.write(f"{stop.name} exchanged; ended with {stop.code} after {stop.after_s:.1f} s\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
