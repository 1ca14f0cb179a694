"""The real servers of the stands, each of which can be killed."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Final, Protocol

from tests.ports.on_redis import Client
from tests.servers.cassandra import Cassandra, CassandraNode
from tests.servers.kafka import Kafka
from tests.servers.nats import NATS
from tests.servers.postgresql import PostgreSQL
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import Redis
from tests.servers.session import Session


class Running(Protocol):
    """A server, or a node of it that can be missed."""

    @property
    def url(self) -> str: ...

    @property
    def writes(self) -> Sequence[Path]:
        """Where all that it writes is: files and folders."""
        ...

    def kill(self) -> None: ...

    def start(self) -> None:
        """Return when it serves again."""
        ...


class Ring:
    """Cassandra, of which one node dies, always the same: what it was told in its last ten seconds
    it may forget, which a quorum survives once."""

    needs: ClassVar[str] = CassandraNode.needs

    def __init__(self, cluster: Cassandra, url: str) -> None:
        self._cluster = cluster
        self.url = url

    @classmethod
    def is_installed(cls) -> bool:
        return CassandraNode.is_installed()

    @classmethod
    @contextmanager
    def opened(cls, session: Session) -> "Generator[Ring]":
        """With a keyspace, and nobody else at it."""
        with (
            Cassandra.shared(session) as cluster,
            cluster.taken(),
            cluster.keyspace() as url,
        ):
            yield cls(cluster, url)
            cluster.mend()

    @property
    def writes(self) -> Sequence[Path]:
        return [path for node in self._cluster.nodes for path in node.writes]

    def kill(self) -> None:
        self._cluster.nodes[-1].kill()

    def start(self) -> None:
        self._cluster.mend()


Kind = type[PostgreSQL | RabbitMQ | Kafka | NATS | Redis | Ring]

STANDS: Final[Mapping[str, Mapping[str, Kind]]] = {
    "postgresql+rabbitmq+redis": {"store": PostgreSQL, "bus": RabbitMQ, "redis": Redis},
    "postgresql+kafka+redis+cassandra": {
        "store": PostgreSQL,
        "bus": Kafka,
        "redis": Redis,
        "messages": Ring,
    },
    "postgresql+nats+redis": {"store": PostgreSQL, "bus": NATS, "redis": Redis},
}
"""By name: which server each section's `url` leads to."""

VARIABLES: Final[Mapping[Kind, Mapping[str, str]]] = {
    Kafka: {"TERTULIA_KAFKA_REPLICATION": "1"},
    # Some texts are there, some are on their way, the last ones are in the store.
    Ring: {"TERTULIA_MESSAGES_MOVE_AFTER_S": "2", "TERTULIA_MESSAGES_ERASE_AFTER_S": "5"},
}
"""What the product is told beside the URL."""


@contextmanager
def opened(kind: Kind, session: Session) -> Generator[Running]:
    """One for this stand alone."""
    if issubclass(kind, Ring):
        with kind.opened(session) as ring:
            yield ring
    else:
        with session.private(kind) as server:
            yield server


def make_durable(server: Running) -> None:
    """RabbitMQ may forget a queue that it has not written down yet."""
    if isinstance(server, RabbitMQ):
        server.stop()
        server.start()


def empty(server: Running) -> bool:
    """Let it forget all that it has, if the product must bear that; whether it did."""
    if not isinstance(server, Redis):
        return False
    with Client(server) as client:
        client("FLUSHALL")
    return True
