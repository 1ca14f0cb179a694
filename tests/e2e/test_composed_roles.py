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
import pytest
import yaml

from tests.deploy.composition import DEPLOY, Composition, health_command, image_host, make_variables
from tests.e2e.api import Api
from tests.e2e.keeping import done
from tests.e2e.role import RoleProcess
from tests.e2e.server import environment, tertulia
from tests.ports.blob_places import address
from tests.servers.fixtures import Private
from tests.servers.postgresql import PostgreSQL
from tests.servers.process import wait_until
from tests.servers.prometheus import Prometheus
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import Redis
from tests.servers.s3 import S3

pytestmark = pytest.mark.server

PEER: Final = re.compile(r"http://(\w+):8420")
METRIC: Final = re.compile(r"\b(tertulia_\w+?)(?:_bucket|_count|_sum)?\b")
SCRAPED_S: Final = 60.0


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


async def test_the_services_hold_turns_are_watched_and_are_backed_up(
    tmp_path: Path, places: dict[str, str], private: Private
) -> None:
    prometheus = private(Prometheus)
    configuration = (DEPLOY / "prometheus.yml").read_text()
    prometheus.configure(configuration)
    with composed(tmp_path, places) as up:
        prometheus.configure(aimed(configuration, up.processes))
        gateway, variables = up.processes["gateway"], up.variables["gateway"]
        await hold_turns(gateway, variables)
        assert {name: health(each) for name, each in up.processes.items()} == dict.fromkeys(
            up.processes, 0
        )
        hold_what_is_shown(prometheus)
        seen = {each["metric"]["role"]: each["value"][1] for each in prometheus.query("up")}
        assert seen == dict.fromkeys(up.processes, "1")

        url = done("backup", home=gateway.home, variables=variables).partition(" ")[0]
        assert url.startswith(places["TERTULIA_BLOBS_URL"].partition("?")[0] + "/backups/")
        listed = done("backups", "--json", home=gateway.home, variables=variables)
        assert [each["url"] for each in json.loads(listed)] == [url]

        gateway.end(signal.SIGKILL)
        assert health(gateway) == 1


async def hold_turns(gateway: RoleProcess, variables: Mapping[str, str]) -> None:
    made = tertulia("token", "create", home=gateway.home, variables=variables)
    assert made.returncode == 0, made.stderr
    async with aiohttp.ClientSession() as http:
        api = Api(http, gateway.url, made.stdout.strip())
        conversation = await api.create_conversation(str(uuid4()))
        for text in ("said over every server", "and said again"):
            turn = await api.send_turn(conversation.id, str(uuid4()), text)
            async with api.stream(turn.reply, None, "sse") as events:
                async for event in events:
                    if event.event == "end":
                        break
            reply = await api.message(turn.reply)
            assert (reply.status, reply.text) == ("complete", text)


def health(process: RoleProcess) -> int:
    """The exit code of the image's own check, in the process's place."""
    listens = {"TERTULIA_ADDRESS": urlsplit(process.url).netloc}
    command = health_command()
    ended = subprocess.run(command, env=environment(listens), capture_output=True, check=False)
    return ended.returncode


def hold_what_is_shown(prometheus: Prometheus) -> None:
    """Every query of the dashboard finds something, by names that there are."""

    def empty() -> set[str]:
        return {query for query in shown() if not prometheus.query(query)}

    assert wait_until(lambda: not empty(), SCRAPED_S), empty()
    assert set(METRIC.findall(" ".join(shown()))) <= prometheus.known()


def aimed(configuration: str, processes: Mapping[str, RoleProcess]) -> str:
    """Prometheus' configuration with the processes' addresses where it asks Compose for them."""
    aimed = yaml.safe_load(configuration)
    aimed["global"]["scrape_interval"] = "1s"
    [job] = aimed["scrape_configs"]
    del job["dns_sd_configs"]
    job["static_configs"] = [
        {"targets": [urlsplit(each.url).netloc], "labels": {"__meta_dns_name": name}}
        for name, each in processes.items()
    ]
    return yaml.safe_dump(aimed)


def shown() -> list[str]:
    """The queries of the dashboard."""
    dashboard = json.loads((DEPLOY / "grafana" / "dashboards" / "tertulia.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(queries) >= 15
    return queries
