"""Which broker, and how messages are retried on it."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from tertulia.kit.settings import Settings

Extra = Literal["rabbitmq", "nats", "kafka"]

EXTRAS: Final[Mapping[str, Extra]] = {
    "amqp": "rabbitmq",
    "amqps": "rabbitmq",
    "nats": "nats",
    "tls": "nats",
    "kafka": "kafka",
    "kafkas": "kafka",
}
"""By the scheme of `url`: what has to be installed for it."""


def _known(url: SecretStr) -> SecretStr:
    address = url.get_secret_value()
    if address and (urlsplit(address).scheme not in EXTRAS or not urlsplit(address).hostname):
        msg = f"should be empty, or begin with one of {', '.join(f'{e}://' for e in EXTRAS)}"
        raise ValueError(msg)
    return url


class BusSettings(Settings):
    """The broker between roles; without one the outbox itself is the bus ([outbox_bus])."""

    section: ClassVar[str] = "bus"

    url: Annotated[SecretStr, AfterValidator(_known)] = SecretStr("")
    """Empty: no broker. Else `amqp://` or `amqps://` (RabbitMQ), `nats://` or `tls://` (NATS),
    `kafka://` or `kafkas://` (Kafka, several nodes separated by commas), with user and password
    where there are any."""

    name: str = Field(default="tertulia", pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    """What queues, streams and topics on the broker begin with; another for each installation
    that shares it."""

    confirm_s: float = Field(default=10.0, gt=0, le=25)
    """How long the broker may take to answer."""

    handling_max_s: float = Field(default=1500.0, gt=0)
    """A handler that takes longer is taken for hung: cancelled, counted as a failed attempt.
    RabbitMQ takes a message away after 1800 seconds."""

    attempts: int = Field(default=6, ge=1)
    """Failed attempts until a message becomes a dead letter."""

    returns: int = Field(default=20, ge=1)
    """How often a message may come back without a verdict, because its process died or ended,
    until it counts as poison and becomes a dead letter."""

    backoff_s: float = Field(default=0.5, gt=0)
    """Pause after the first failed attempt; doubles with each one, give or take a quarter."""

    backoff_max_s: float = Field(default=60.0, gt=0)
    """The longest such pause."""

    store_pause_s: float = Field(default=1.0, gt=0)
    """Pause when the store is in trouble: a full or busy disk seldom recovers sooner."""

    unknown_s: float = Field(default=1200.0, ge=0)
    """How old a message gets that this version does not know, so that another version may take
    it over in a rolling update, until it becomes a dead letter; those of its key wait behind it.
    RabbitMQ takes a message away after 1800 seconds."""

    @property
    def address(self) -> str:
        """The URL, for the driver alone."""
        return self.url.get_secret_value()

    @property
    def scheme(self) -> str:
        """That of the URL; empty without a broker."""
        return urlsplit(self.address).scheme

    @property
    def shown(self) -> str:
        """The URL without what signs in."""
        parts = urlsplit(self.address)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
