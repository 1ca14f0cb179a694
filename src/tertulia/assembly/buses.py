"""How roles tell each other: `bus.url` chooses the broker, or the outbox itself."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from tertulia.adapters.broker_bus.settings import EXTRAS, BusSettings
from tertulia.adapters.kafka.settings import KafkaSettings
from tertulia.adapters.nats.settings import NatsSettings
from tertulia.adapters.outbox_bus.settings import OutboxBusSettings
from tertulia.adapters.rabbitmq.settings import RabbitmqSettings
from tertulia.kit.clock import Clock
from tertulia.kit.errors import Kind, TertuliaError
from tertulia.ports.broker import Broker
from tertulia.ports.bus import Bus, Carrier
from tertulia.ports.leases import Leases
from tertulia.ports.signals import Signals
from tertulia.ports.store import Store


class DriverMissingError(TertuliaError):
    """What a setting asks for needs a driver that is not installed."""

    code = "driver_missing"
    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class ChosenBroker:
    """None: the outbox itself is the bus."""

    broker: Broker | None


@asynccontextmanager
async def chosen_broker(
    leases: Leases,
    settings: BusSettings,
    rabbitmq: RabbitmqSettings,
    nats: NatsSettings,
    kafka: KafkaSettings,
) -> AsyncGenerator[ChosenBroker]:
    """DriverMissingError when the driver for `bus.url` is not installed."""
    if not settings.address:
        yield ChosenBroker(None)
        return
    try:
        match EXTRAS[settings.scheme]:
            case "rabbitmq":
                opened = _rabbitmq(leases, settings, rabbitmq)
            case "nats":
                opened = _nats(leases, settings, nats)
            case "kafka":
                opened = _kafka(settings, kafka)
    except ImportError as error:
        extra = EXTRAS[settings.scheme]
        msg = f"{settings.scheme}:// needs {error.name}: install tertulia[{extra}]."
        raise DriverMissingError(msg) from error
    async with opened as broker:
        yield ChosenBroker(broker)


def _rabbitmq(
    leases: Leases, settings: BusSettings, rabbitmq: RabbitmqSettings
) -> AbstractAsyncContextManager[Broker]:
    from tertulia.adapters.rabbitmq.broker import open_rabbitmq

    return open_rabbitmq(
        settings.address,
        leases,
        rabbitmq,
        name=settings.name,
        returns=settings.returns,
        confirm_s=settings.confirm_s,
    )


def _nats(
    leases: Leases, settings: BusSettings, nats: NatsSettings
) -> AbstractAsyncContextManager[Broker]:
    from tertulia.adapters.nats.broker import open_nats

    return open_nats(
        settings.address, leases, nats, name=settings.name, confirm_s=settings.confirm_s
    )


def _kafka(settings: BusSettings, kafka: KafkaSettings) -> AbstractAsyncContextManager[Broker]:
    from tertulia.adapters.kafka.broker import open_kafka

    return open_kafka(settings.address, kafka, name=settings.name, confirm_s=settings.confirm_s)


@asynccontextmanager
async def bus(
    chosen: ChosenBroker,
    store: Store,
    signals: Signals,
    clock: Clock,
    settings: BusSettings,
    outbox: OutboxBusSettings,
) -> AsyncGenerator[Bus]:
    """Over the broker or over the outbox."""
    from tertulia.adapters.broker_bus.bus import BrokerBus
    from tertulia.adapters.outbox_bus.bus import OutboxBus

    if chosen.broker is None:
        yield OutboxBus(store, signals, clock, outbox)
    else:
        yield BrokerBus(chosen.broker, store, clock, settings)


@asynccontextmanager
async def carrier(chosen: ChosenBroker) -> AsyncGenerator[Carrier]:
    """To the broker, if there is one."""
    from tertulia.adapters.broker_bus.bus import BrokerCarrier
    from tertulia.adapters.outbox_bus.bus import NothingToCarry

    yield NothingToCarry() if chosen.broker is None else BrokerCarrier(chosen.broker)
