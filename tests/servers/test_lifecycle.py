"""Each server comes back from `stop` and `kill -9`, and leaves nothing behind."""

import subprocess

import pytest

from tests.servers.fixtures import Private
from tests.servers.kafka import Kafka
from tests.servers.nats import NATS
from tests.servers.postgresql import DurablePostgreSQL, PostgreSQL
from tests.servers.process import Server
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import Redis
from tests.servers.s3 import S3

pytestmark = pytest.mark.server

KINDS = [
    *(PostgreSQL, DurablePostgreSQL, Redis, NATS, S3),
    *(pytest.param(kind, marks=pytest.mark.slow) for kind in (RabbitMQ, Kafka)),
]
"""Of the slow ones an ordinary run sees that they come back after `kill`, in their own files."""


@pytest.mark.parametrize("kind", KINDS)
def test_server_comes_back_and_leaves_nothing(kind: type[Server], private: Private) -> None:
    server = private(kind)
    for end in (server.kill, server.stop):
        pid = server.pid
        end()
        assert not server.is_running
        assert not server.accepts()
        server.start()
        assert server.is_ready()
        assert server.pid != pid
    server.remove()
    assert not server.place.folder.exists()
    commands = subprocess.check_output(["ps", "-A", "-ww", "-o", "args="], text=True)
    assert str(server.place.folder) not in commands
    assert str(server.port) not in commands
