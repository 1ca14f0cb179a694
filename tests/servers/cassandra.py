"""Cassandra, three nodes on addresses of their own."""

import fcntl
import json
import os
import socket
import uuid
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from tests.servers import java
from tests.servers.identity import self_signed
from tests.servers.process import Place, Run, Server, ServerDiedError, find_program, wait_until
from tests.servers.session import Lock, Session

driver: Any = import_module("cassandra")  # it has no types
for part in ("cluster", "policies", "query"):
    import_module(f"cassandra.{part}")

ADDRESSES: Final = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
STARTED: Final = "Startup complete"
USER_MADE: Final = "Created default superuser role"
SEEDS: Final = "org.apache.cassandra.locator.SimpleSeedProvider"
KEYSTORE: Final = "keystore.p12"
PASSWORD: Final = "keystore"  # of a key that is made for a test
WHOLE_S: Final = 60.0
COPIES: Final = "{{'class': 'NetworkTopologyStrategy', 'replication_factor': {}}}"
SCHEMA: Final = "SELECT schema_version FROM system.local"
WHOLE: Final = (
    f"CREATE KEYSPACE IF NOT EXISTS whole WITH replication = {COPIES.format(len(ADDRESSES))}",
    "CREATE TABLE IF NOT EXISTS whole.whole (id int PRIMARY KEY)",
)

# What its jvm17-server.options gives it; without JMX, which the tests do not use.
EXPORTS: Final = (
    "java.base/java.lang.ref",
    "java.base/jdk.internal.misc",
    "java.base/jdk.internal.ref",
    "java.base/sun.nio.ch",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.rmi/sun.rmi.transport.tcp",
    "java.sql/java.sql",
    "jdk.attach/sun.tools.attach",
    "jdk.compiler/com.sun.tools.javac.file",
    "jdk.unsupported/sun.misc",
)
OPENS: Final = (
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.lang.module",
    "java.base/java.lang.reflect",
    "java.base/java.math",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.util.jar",
    "java.base/sun.nio.ch",
    "jdk.management/com.sun.management.internal",
)
LOGGING: Final = """\
<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%-5level %date{ISO8601} %logger{0} %msg%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="OUT"/></root>
  <logger name="org.apache.cassandra.service.CassandraDaemon" level="INFO"/>
  <logger name="org.apache.cassandra.auth.CassandraRoleManager" level="INFO"/>
</configuration>
"""


class CassandraNode(Server):
    """One of the three; `ports` are the same for all: of CQL, and of the nodes among themselves.

    Killed, it may lose what it was told in its last ten seconds, as in production; a quorum does
    not.
    """

    name = "cassandra"
    needs = "Java and Cassandra (make servers)"
    ports = 2
    start_s = 180.0

    @classmethod
    def is_installed(cls) -> bool:
        return java.is_installed("cassandra") and all(map(_is_ours, ADDRESSES))

    def prepare(self) -> None:
        (self.place.folder / "cassandra.yaml").write_text(json.dumps(self.settings(), indent=1))
        (self.place.folder / "logback.xml").write_text(LOGGING)

    def run(self) -> Run:
        folder = self.place.folder
        exports = [f"--add-exports={package}=ALL-UNNAMED" for package in EXPORTS]
        opens = [f"--add-opens={package}=ALL-UNNAMED" for package in OPENS]
        settings = {
            "cassandra.config": (folder / "cassandra.yaml").as_uri(),
            "cassandra.storagedir": folder,
            "logback.configurationFile": folder / "logback.xml",
            "cassandra-foreground": "yes",
            "cassandra.skip_wait_for_gossip_to_settle": "0",
            "cassandra.ring_delay_ms": "10000",
            "cassandra.shutdown_announce_in_ms": "0",
            "cassandra.memtable.row_overhead_size": "180",
            "cassandra.superuser_setup_delay_ms": "0",
            "jdk.attach.allowAttachSelf": "true",
            "io.netty.transport.noNative": "true",
        }
        options = [
            *exports,
            *opens,
            f"-javaagent:{java.jar('cassandra', 'jamm')}",
            *(f"-D{name}={value}" for name, value in settings.items()),
        ]
        main = "org.apache.cassandra.service.CassandraDaemon"
        server = java.command("cassandra", main, heap_mb=320, options=options)
        return Run(command=[*_unlocked(), *server])

    def is_ready(self) -> bool:
        return self.accepts() and STARTED in self.said()

    def settings(self) -> dict[str, Any]:
        """Its `cassandra.yaml`."""
        port, storage = self.place.ports
        number = ADDRESSES.index(self.place.address)
        seeds = ",".join(f"{address}:{storage}" for address in ADDRESSES)
        return {
            "cluster_name": f"test {port}",
            "num_tokens": 1,
            "initial_token": str(-(2**63) + number * (2**64 // len(ADDRESSES))),
            "auto_bootstrap": False,
            "seed_provider": [
                {"class_name": SEEDS, "parameters": [{"seeds": seeds}]},
            ],
            "listen_address": self.place.address,
            "rpc_address": self.place.address,
            "storage_port": storage,
            "native_transport_port": port,
            "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
            "endpoint_snitch": "SimpleSnitch",
            "commitlog_sync": "periodic",
            "commitlog_sync_period": "10s",
            "commitlog_segment_size": "4MiB",
            "memtable_heap_space": "32MiB",
            "memtable_offheap_space": "32MiB",
            "key_cache_size": "0MiB",
            "file_cache_size": "32MiB",
            "concurrent_reads": 8,
            "concurrent_writes": 8,
            "concurrent_compactors": 1,
            "auto_snapshot": False,
            "cdc_enabled": False,
        }


class SecuredCassandraNode(CassandraNode):
    """One alone, with TLS, and the user `cassandra` whose password is that too."""

    name = "cassandra-tls"

    @property
    def url(self) -> str:
        """A keyspace that is not there yet."""
        return f"cassandra://cassandra:cassandra@{self.address}/secured"

    @property
    def authorities(self) -> Path:
        """Who has signed its certificate."""
        return self.place.folder / "authority.pem"

    def prepare(self) -> None:
        own = self_signed(self.place.address)
        (self.place.folder / KEYSTORE).write_bytes(own.keystore(PASSWORD))
        self.authorities.write_bytes(own.certificate_pem)
        super().prepare()

    def is_ready(self) -> bool:
        return super().is_ready() and USER_MADE in self.said()

    def settings(self) -> dict[str, Any]:
        alone = {"seeds": f"{self.place.address}:{self.place.ports[1]}"}
        return super().settings() | {
            "seed_provider": [{"class_name": SEEDS, "parameters": [alone]}],
            "authenticator": "PasswordAuthenticator",
            "client_encryption_options": {
                "enabled": True,
                "keystore": KEYSTORE,
                "keystore_password": PASSWORD,
                "store_type": "PKCS12",
            },
        }


class Cassandra:
    """The cluster. Who has taken it may kill, stop, freeze and start its nodes."""

    def __init__(self, places: Sequence[Place], lock: Lock) -> None:
        self.nodes: Final = [CassandraNode(place) for place in places]
        self._lock = lock
        self._session: Any = None

    @classmethod
    @contextmanager
    def shared(cls, session: Session) -> "Generator[Cassandra]":
        """The one of this run of the tests; ServerDiedError when it did not start."""
        with closing(session.lock("cassandra-use")) as lock:
            places = session.once("cassandra", lambda: cls._start(session, lock))
            with closing(cls(places, lock)) as cluster:
                yield cluster

    @contextmanager
    def used(self) -> Generator[None]:
        """No node goes away meanwhile."""
        with self._lock.held(fcntl.LOCK_SH):
            yield

    @contextmanager
    def taken(self) -> Generator[None]:
        """Nobody else uses it meanwhile; afterwards all nodes are there again."""
        with self._lock.held(fcntl.LOCK_EX):
            yield
            self.mend()

    @classmethod
    def _start(cls, session: Session, lock: Lock) -> list[Place]:
        first, *others = [session.place(CassandraNode) for _ in ADDRESSES]
        places = [
            replace(place, address=address, ports=first.ports)
            for place, address in zip([first, *others], ADDRESSES, strict=True)
        ]
        cluster = cls(places, lock)
        try:
            for node in cluster.nodes:
                node.prepare()
            cluster.mend()
        except BaseException:
            for node in cluster.nodes:
                node.remove()
            raise
        finally:
            cluster.close()
        return places

    @property
    def url(self) -> str:
        """All nodes, no keyspace."""
        return self.url_of("")

    def url_of(self, keyspace: str) -> str:
        return f"cassandra://{','.join(node.address for node in self.nodes)}/{keyspace}"

    @contextmanager
    def keyspace(self, copies: int = 3) -> Generator[str]:
        """The URL of a fresh keyspace, dropped at the end.

        All nodes come to know of it, of each table and of the end within about a second, as they
        tell each other once a second: one for a file's tests, rather than one for each.
        """
        name = f"test_{uuid.uuid4().hex}"
        self.execute(f"CREATE KEYSPACE {name} WITH replication = {COPIES.format(copies)}")
        try:
            yield self.url_of(name)
        finally:
            self.execute(f"DROP KEYSPACE {name}")

    def execute(self, statement: str) -> list[Any]:
        """Run one statement, agreed on by a quorum; the rows that it gives."""
        if self._session is None:
            self._session = self._connect()
        return list(self._session.execute(statement))

    def mend(self) -> None:
        """Start the nodes that do not run, and return when each reaches all others."""
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            list(pool.map(_start_if_down, self.nodes))
        self.close()
        if not wait_until(self._is_whole, within_s=WHOLE_S):
            raise ServerDiedError(self.nodes[0].complaint("does not reach all nodes"))

    def close(self) -> None:
        """Leave the cluster; it goes on."""
        if self._session is not None:
            self._session.cluster.shutdown()
            self._session = None

    def _is_whole(self) -> bool:
        """Whether a read of all copies is answered, and the schema is the same, whichever node
        is asked.
        """
        everywhere = driver.query.SimpleStatement(
            "SELECT * FROM whole.whole WHERE id = 0",
            consistency_level=driver.ConsistencyLevel.ALL,
        )
        try:
            for statement in WHOLE:
                self.execute(statement)
            hosts = self._session.cluster.metadata.all_hosts()
            for host in hosts:
                self._session.execute(everywhere, host=host)
            schemas = {self._session.execute(SCHEMA, host=host).one() for host in hosts}
        except (driver.DriverException, driver.cluster.NoHostAvailable):
            self.close()
            return False
        return len(hosts) == len(self.nodes) and len(schemas) == 1

    def _connect(self) -> Any:
        addresses = [node.place.address for node in self.nodes]
        policy = driver.policies.WhiteListRoundRobinPolicy(addresses)
        quorum = driver.ConsistencyLevel.LOCAL_QUORUM
        profile = driver.cluster.ExecutionProfile(
            policy, consistency_level=quorum, request_timeout=30
        )
        cluster = driver.cluster.Cluster(
            addresses,
            port=self.nodes[0].port,
            protocol_version=5,
            execution_profiles={driver.cluster.EXEC_PROFILE_DEFAULT: profile},
        )
        return cluster.connect()


def _start_if_down(node: CassandraNode) -> None:
    if not node.is_running:
        node.start()


def _is_ours(address: str) -> bool:
    """Not so on macOS, until it is told of any but the first."""
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _unlocked() -> list[str]:
    """As root it would lock all of its memory, and touch it for that."""
    setpriv = find_program("setpriv")
    return [setpriv, "--bounding-set=-ipc_lock"] if setpriv and os.geteuid() == 0 else []
