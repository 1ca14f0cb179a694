"""The roles as `deploy/compose.yaml` has them, over real servers, without its engine."""

import json
import re
import signal
import subprocess
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp
import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.deploy.composition import DEPLOY, Composition, health_command, image_host, make_variables
from tests.e2e.api import Api
from tests.e2e.keeping import done
from tests.e2e.role import RoleProcess
from tests.e2e.server import environment, tertulia
from tests.ports.blob_places import address
from tests.servers.postgresql import PostgreSQL
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import Redis
from tests.servers.s3 import S3

pytestmark = pytest.mark.server

PEER: Final = re.compile(r"http://(\w+):8420")
METRIC: Final = re.compile(r"\b(tertulia_\w+?)(?:_bucket|_count|_sum)?\b(?=[\[{)\s]|$)")


@dataclass
class Composed:
    """One process of each role; `variables` are those of each service."""

    processes: dict[str, RoleProcess]
    variables: dict[str, Mapping[str, str]]


@contextmanager
def composed(folder: Path, places: Mapping[str, str]) -> Generator[Composed]:
    """Start the services in the order that their dependencies ask for. Their variables are the
    file's; only where servers and peers are, and the echo in place of a model file, are ours."""
    composition = Composition.read(make_variables(folder))
    up = Composed({}, {})
    with ExitStack() as stack:
        waiting = dict(composition.roles)
        while waiting:
            name = next(
                n for n, each in waiting.items() if not set(each["depends_on"]) & set(waiting)
            )
            service = waiting.pop(name)
            variables = {**service["environment"], **places}
            variables["TERTULIA_ADDRESS"] = f"{image_host()}:0"
            assert set(places) <= set(service["environment"])
            for variable, value in variables.items():
                peer = PEER.fullmatch(value)
                variables[variable] = up.processes[peer[1]].url if peer else value
            if name == "inference":
                variables["TERTULIA_MODEL"] = "echo"
            home = folder / name
            home.mkdir()
            program, *roles = service["command"]
            assert program == "run"
            process = RoleProcess(tuple(roles), home, variables)
            up.processes[name] = stack.enter_context(process)
            up.variables[name] = variables
        yield up


@pytest.fixture
def places(
    postgres: PostgreSQL, rabbitmq: RabbitMQ, redis: Redis, s3: S3
) -> Generator[dict[str, str]]:
    with postgres.database() as store, rabbitmq.vhost() as bus, s3.bucket() as bucket:
        yield {
            "TERTULIA_STORE_URL": store,
            "TERTULIA_BUS_URL": bus,
            "TERTULIA_REDIS_URL": redis.url,
            "TERTULIA_BLOBS_URL": address(bucket, "blobs"),
            "TERTULIA_S3_ACCESS_KEY_ID": bucket.access_key,
            "TERTULIA_S3_SECRET_ACCESS_KEY": bucket.secret_key,
        }


async def test_the_services_hold_a_turn_are_seen_to_live_and_are_backed_up(
    tmp_path: Path, places: dict[str, str]
) -> None:
    with composed(tmp_path, places) as up:
        gateway, variables = up.processes["gateway"], up.variables["gateway"]
        await hold_a_turn(gateway, variables)
        assert {name: health(each) for name, each in up.processes.items()} == dict.fromkeys(
            up.processes, 0
        )
        told = {
            n: each for process in up.processes.values() for n, each in metrics(process).items()
        }
        for name, labels in shown():
            assert name in told
            known = [set(sample.labels) for sample in told[name].samples]
            assert not known or any(labels <= each | {"role", "job"} for each in known)

        url = done("backup", home=gateway.home, variables=variables).partition(" ")[0]
        assert url.startswith(places["TERTULIA_BLOBS_URL"].partition("?")[0] + "/backups/")
        listed = done("backups", "--json", home=gateway.home, variables=variables)
        assert [each["url"] for each in json.loads(listed)] == [url]

        gateway.end(signal.SIGKILL)
        assert health(gateway) == 1


async def hold_a_turn(gateway: RoleProcess, variables: Mapping[str, str]) -> None:
    made = tertulia("token", "create", home=gateway.home, variables=variables)
    assert made.returncode == 0, made.stderr
    async with aiohttp.ClientSession() as http:
        api = Api(http, gateway.url, made.stdout.strip())
        conversation = await api.create_conversation(str(uuid4()))
        turn = await api.send_turn(conversation.id, str(uuid4()), "said over every server")
        async with api.stream(turn.reply, None, "sse") as events:
            async for event in events:
                if event.event == "end":
                    break
        reply = await api.message(turn.reply)
        assert (reply.status, reply.text) == ("complete", "said over every server")


def health(process: RoleProcess) -> int:
    """The exit code of the image's own check, in the process's place."""
    listens = {"TERTULIA_ADDRESS": urlsplit(process.url).netloc}
    command = health_command()
    ended = subprocess.run(command, env=environment(listens), capture_output=True, check=False)
    return ended.returncode


def metrics(process: RoleProcess) -> dict[str, Metric]:
    """What a process tells of itself, by the names that queries have."""
    text = httpx.get(f"{process.url}/metrics").raise_for_status().text
    return {
        f"{each.name}_total" if each.type == "counter" else each.name: each
        for each in text_string_to_metric_families(text)
    }


def shown() -> list[tuple[str, set[str]]]:
    """The metrics of the dashboard, with the labels that it divides each by."""
    dashboard = json.loads((DEPLOY / "grafana" / "dashboards" / "tertulia.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(queries) >= 15
    found: list[tuple[str, set[str]]] = []
    for query in queries:
        by = re.search(r"by \(([^)]*)\)", query)
        labels = {each.strip() for each in by[1].split(",")} - {"le"} if by else set[str]()
        found += [(name, labels) for name in METRIC.findall(query)]
    assert len(found) >= 15
    return found
