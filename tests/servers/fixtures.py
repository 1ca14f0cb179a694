"""The servers as fixtures; each test that asks for one skips, or fails in CI, where it is missing.

The servers of a session are shared by all tests, in all processes: take a database, a virtual
host, a bucket of your own there, and break nothing. What breaks a server takes a `private` one.
"""

from collections.abc import Callable, Generator
from contextlib import ExitStack
from typing import Protocol, TypeVar

import pytest

from tests.servers.cassandra import Cassandra, CassandraNode
from tests.servers.kafka import Kafka
from tests.servers.nats import NATS
from tests.servers.postgresql import PostgreSQL
from tests.servers.process import Server
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import Redis
from tests.servers.s3 import S3
from tests.servers.session import Session

S = TypeVar("S", bound=Server)

Requires = Callable[[object, str], None]


class Private(Protocol):
    """`private(Redis)`: a server for this test alone, killed and removed when it is over."""

    def __call__(self, kind: type[S]) -> S: ...


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Session:
    return Session.of(request.config, tmp_path_factory)


@pytest.fixture
def private(servers: Session, requires: Requires) -> Generator[Private]:
    with ExitStack() as stack:

        def start(kind: type[S]) -> S:
            requires(kind.is_installed(), kind.needs)
            return stack.enter_context(servers.private(kind))

        yield start


@pytest.fixture(scope="session")
def postgres(servers: Session, requires: Requires) -> PostgreSQL:
    """Take `with postgres.database() as url`."""
    return _shared(PostgreSQL, servers, requires)


@pytest.fixture(scope="session")
def rabbitmq(servers: Session, requires: Requires) -> RabbitMQ:
    """Take `with rabbitmq.vhost() as url`."""
    return _shared(RabbitMQ, servers, requires)


@pytest.fixture(scope="session")
def kafka(servers: Session, requires: Requires) -> Kafka:
    """Begin the names of topics and groups with `kafka.prefix()`."""
    return _shared(Kafka, servers, requires)


@pytest.fixture(scope="session")
def s3(servers: Session, requires: Requires) -> S3:
    """Take `with s3.bucket() as bucket`."""
    return _shared(S3, servers, requires)


@pytest.fixture(scope="session")
def cassandra_cluster(servers: Session, requires: Requires) -> Generator[Cassandra]:
    """Ask for `cassandra` or `cassandra_alone` instead."""
    requires(CassandraNode.is_installed(), CassandraNode.needs)
    with Cassandra.shared(servers) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def cassandra(cassandra_cluster: Cassandra) -> Generator[Cassandra]:
    """Take `with cassandra.keyspace() as url`, best once for a file; all nodes are there."""
    with cassandra_cluster.used():
        yield cassandra_cluster


@pytest.fixture
def cassandra_alone(cassandra_cluster: Cassandra) -> Generator[Cassandra]:
    """The same cluster, and nobody else at it: its nodes may be killed, and are back at the end."""
    with cassandra_cluster.taken():
        yield cassandra_cluster


@pytest.fixture
def redis(private: Private) -> Redis:
    """The test's own, as it starts in no time."""
    return private(Redis)


@pytest.fixture
def nats(private: Private) -> NATS:
    """The test's own, as it starts in no time."""
    return private(NATS)


def _shared(kind: type[S], servers: Session, requires: Requires) -> S:
    requires(kind.is_installed(), kind.needs)
    return servers.shared(kind)
