"""Kafka, one node that is broker and controller (KRaft)."""

import base64
import uuid
from pathlib import Path
from typing import ClassVar, Final

from tests.servers import java
from tests.servers.identity import self_signed
from tests.servers.process import Run, Server

SETTINGS: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{address}:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{address}:{port},CONTROLLER://{address}:{controller}
advertised.listeners=PLAINTEXT://{address}:{port}
log.dirs=data
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=4
log.cleaner.threads=1
log.cleaner.dedupe.buffer.size=8388608
log.index.size.max.bytes=65536
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=2000
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
"""
SECURED: Final = """\
listeners=SASL_SSL://{address}:{port},CONTROLLER://{address}:{controller}
advertised.listeners=SASL_SSL://{address}:{port}
listener.security.protocol.map=SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=SASL_SSL
sasl.enabled.mechanisms=PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required \
username="us" password="secret" user_us="secret";
ssl.keystore.type=PEM
ssl.keystore.location=server.pem
ssl.truststore.type=PEM
ssl.truststore.location=authority.pem
"""
STARTED: Final = "Kafka Server started"


class Kafka(Server):
    """Topics are made by those who want them; one replica is all that there can be."""

    name = "kafka"
    needs = "Java and Kafka (make servers)"
    ports = 2
    start_s = 120.0
    settings: ClassVar = SETTINGS

    @classmethod
    def is_installed(cls) -> bool:
        return java.is_installed("kafka")

    @property
    def url(self) -> str:
        return f"kafka://{self.address}"

    def prefix(self) -> str:
        """What the names of one test's topics and groups may begin with."""
        return f"test-{uuid.uuid4().hex}"

    def prepare(self) -> None:
        port, controller = self.place.ports
        settings = self.settings.format(
            address=self.place.address, port=port, controller=controller
        )
        (self.place.folder / "server.properties").write_text(settings)
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        tool = java.command("kafka", "kafka.tools.StorageTool", heap_mb=64)
        self.run_as_user([*tool, "format", f"--cluster-id={cluster}", "-c", "server.properties"])

    def run(self) -> Run:
        options = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        options += ["-Dorg.slf4j.simpleLogger.log.kafka.server=info"]
        server = java.command("kafka", "kafka.Kafka", heap_mb=256, options=options)
        return Run(command=[*server, "server.properties"])

    def is_ready(self) -> bool:
        return self.accepts() and STARTED in self.said()


class SecuredKafka(Kafka):
    """With TLS, and the user `us` whose password is `secret`."""

    settings = SETTINGS + SECURED

    @property
    def url(self) -> str:
        return f"kafkas://us:secret@{self.address}"

    @property
    def authorities(self) -> Path:
        """Who has signed its certificate."""
        return self.place.folder / "authority.pem"

    def prepare(self) -> None:
        own = self_signed(self.place.address)
        (self.place.folder / "server.pem").write_bytes(own.key_pem + own.certificate_pem)
        self.authorities.write_bytes(own.certificate_pem)
        super().prepare()
