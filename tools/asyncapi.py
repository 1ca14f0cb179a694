"""Writes docs/reference/asyncapi.json: what goes over a broker, made from the registry of events.

python tools/asyncapi.py           write it
python tools/asyncapi.py --check   exit code 1 when it differs from the code
"""

import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from tertulia import __version__
from tertulia.adapters.broker_bus.envelope import Envelope
from tertulia.adapters.broker_bus.settings import BusSettings
from tertulia.adapters.kafka.settings import KafkaSettings
from tertulia.adapters.kafka.topology import Topology
from tertulia.domain.events import EVENTS, Event

FILE: Final = Path(__file__).resolve().parent.parent / "docs" / "reference" / "asyncapi.json"
TOPIC: Final = re.compile(r"Topic `([^`]+)`")
KAFKA: Final = Topology(
    name=BusSettings().name,
    partitions=KafkaSettings().partitions,
    replication=KafkaSettings().replication,
)
KAFKA_BINDING: Final = {"bindingVersion": "0.5.0"}
KEY: Final = {"type": "string", "description": "What is handled in order: the conversation's id."}
SCHEMA: Final = "#/components/schemas/{name}"

SERVERS: Final = {
    "rabbitmq": {
        "host": "rabbitmq.example:5672",
        "protocol": "amqp",
        "description": "A topic is the quorum queues `tertulia.{topic}.{partition}`, a worker's is "
        "the queue `tertulia.{topic}`. Dead letters are in `tertulia.dead`.",
    },
    "kafka": {
        "host": "kafka.example:9092",
        "protocol": "kafka",
        "description": "A topic is the topic `tertulia.{topic}`, its consumers the group of that "
        "name, a record's key the message's. Dead letters are in `tertulia.dead`, compacted.",
    },
    "nats": {
        "host": "nats.example:4222",
        "protocol": "nats",
        "description": "JetStream: a topic is the subjects `tertulia.{topic}.{partition}` of the "
        "stream `tertulia`, dots within the topic written `=2E`. Dead letters are in the stream "
        "`tertulia_dead`.",
    },
}


def document() -> dict[str, Any]:
    """An AsyncAPI 3 document: a channel for each topic, a message for each kind of event."""
    topics: dict[str, list[type[Event]]] = {}
    for event in EVENTS.values():
        topics.setdefault(_topic(event), []).append(event)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tertulia on a broker",
            "version": __version__,
            "description": "What roles tell each other. Bodies hold ids only, never text. Every "
            "message may come more than once, in order per key; `id` stays the same.",
            "license": {"name": "Apache-2.0"},
        },
        "servers": SERVERS,
        "defaultContentType": "application/json",
        "channels": {_name(topic): _channel(topic, kinds) for topic, kinds in topics.items()},
        "operations": {
            f"{action}_{_name(topic)}": {
                "action": action,
                "channel": {"$ref": f"#/channels/{_name(topic)}"},
                **_bindings(action, topic),
            }
            for topic in topics
            for action in ("send", "receive")
        },
        "components": {
            "messages": {event.kind: _message(event) for event in EVENTS.values()},
            "schemas": _schemas(),
        },
    }


def _topic(event: type[Event]) -> str:
    found = TOPIC.search(inspect.getdoc(event) or "")
    assert found is not None, f"the docstring of {event.__name__} names its topic"  # noqa: S101
    return found[1]


def _name(topic: str) -> str:
    return topic.partition(".")[0]


def _channel(topic: str, kinds: list[type[Event]]) -> dict[str, Any]:
    channel: dict[str, Any] = {
        "address": topic,
        "messages": {e.kind: {"$ref": f"#/components/messages/{e.kind}"} for e in kinds},
    }
    parameters = re.findall(r"\{(\w+)\}", topic)
    if parameters:
        channel["parameters"] = {each: {"description": f"Id of the {each}."} for each in parameters}
    name = KAFKA.name_of(topic)
    of_kafka = {
        "topic": name,
        "partitions": KAFKA.count(name),
        "replicas": KAFKA.replication,
        "topicConfiguration": {
            "cleanup.policy": [KAFKA.options(name)["cleanup.policy"]],
            "retention.ms": int(KAFKA.options(name)["retention.ms"]),
        },
    }
    channel["bindings"] = {"kafka": of_kafka | KAFKA_BINDING}
    return channel


def _bindings(action: str, topic: str) -> dict[str, Any]:
    if action == "send":
        return {}
    group = {"groupId": {"type": "string", "const": KAFKA.name_of(topic)}}
    return {"bindings": {"kafka": group | KAFKA_BINDING}}


def _message(event: type[Event]) -> dict[str, Any]:
    of_this_kind = {
        "kind": {"const": event.kind},
        "version": {"const": event.version},
        "body": {"$ref": SCHEMA.format(name=event.__name__)},
    }
    return {
        "name": event.kind,
        "title": f"{event.kind}, version {event.version}",
        "bindings": {"kafka": {"key": KEY} | KAFKA_BINDING},
        "summary": " ".join((inspect.getdoc(event) or "").split()),
        "payload": {
            "allOf": [
                {"$ref": SCHEMA.format(name=Envelope.__name__)},
                {"type": "object", "properties": of_this_kind},
            ]
        },
    }


def _schemas() -> dict[str, Any]:
    kinds = [Envelope, *EVENTS.values()]
    _, schemas = msgspec.json.schema_components(kinds, ref_template=SCHEMA)
    return schemas


def written() -> str:
    """The document as it belongs into the file."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    if "--check" not in sys.argv:
        FILE.write_text(written(), "utf-8")
    elif not FILE.exists() or FILE.read_text("utf-8") != written():
        sys.exit("docs/reference/asyncapi.json differs from the code: run 'make reference'")


if __name__ == "__main__":
    main()
