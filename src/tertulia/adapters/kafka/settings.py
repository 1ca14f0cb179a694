"""How topics are laid out on Kafka, and how one signs in there."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from tertulia.kit import tls_files
from tertulia.kit.settings import Settings


class KafkaSettings(Settings):
    """Kafka as the bus. What is said of topics holds when they are made."""

    section: ClassVar[str] = "kafka"

    partitions: int = Field(default=8, ge=1, le=1000)
    """Partitions of a topic that several processes share: at most so many of them work on it. Add
    some only while nothing waits, or messages of a key may overtake each other once."""

    replication: int = Field(default=3, ge=1, le=15)
    """How many nodes have a copy of each message; all but one of them confirm it. 1 where Kafka is
    a single node."""

    session_s: float = Field(default=6.0, ge=1)  # the least that Kafka allows as it comes
    """After how long a silent process's partitions go to the others, and a silent Kafka counts as
    lost. One that was killed makes its members wait as long for what they were before."""

    look_s: float = Field(default=15.0, gt=0)
    """How often to see whether a topic is still there, and to let Kafka drop what is done."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """How the user in `bus.url` signs in (SASL)."""

    authorities: Annotated[Path | None, AfterValidator(tls_files.authorities)] = None
    """For `kafkas://`: a file of the authorities (PEM) that have signed Kafka's certificate. Unset:
    those of the system."""

    certificate: Annotated[Path | None, AfterValidator(tls_files.own_certificate)] = None
    """For `kafkas://`: our own certificate and its key in a file (PEM), where Kafka asks for it."""
