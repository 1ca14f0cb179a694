"""Two versions side by side read what the other writes: each form has samples that stay."""

import importlib
import pkgutil
from typing import Final

import msgspec
import pytest

import tertulia.adapters
from tests.wires.all import WIRES
from tests.wires.wire import SAMPLES, Wire

BY_NAME: Final = {wire.name: wire for wire in WIRES}
OURS: Final = ("broker_bus", "kafka", "nats", "rabbitmq", "redis", "rpc", "sql", "cassandra")
"""Adapters whose structures other versions of Tertulia read. The others speak with models, and with
people's programs."""


@pytest.mark.parametrize("name", BY_NAME)
def test_what_is_written_has_a_sample(name: str) -> None:
    """Else this version writes something that no sample shows: `python -m tests.wires` adds one,
    next to those that earlier versions write."""
    assert BY_NAME[name].is_current()


@pytest.mark.parametrize(
    ("name", "number"), [(wire.name, number) for wire in WIRES for number in wire.samples]
)
def test_what_any_version_has_written_is_read(name: str, number: int) -> None:
    wire = BY_NAME[name]
    assert wire.read(wire.sample(number)) == wire.older.get(number, wire.value)


@pytest.mark.parametrize("name", [wire.name for wire in WIRES if wire.grown is not None])
def test_what_a_later_version_has_added_is_passed_over(name: str) -> None:
    wire = BY_NAME[name]
    assert wire.grown is not None
    grown = wire.grown(wire.write())
    assert grown != wire.write()
    assert wire.read(grown) == wire.value


def test_a_form_that_changes_needs_a_sample() -> None:
    """The check above can fail."""
    known = BY_NAME["rpc/counting"]
    changed = Wire(
        name=known.name,
        value=known.value,
        write=lambda: known.write().replace(b'"texts"', b'"lines"'),
        read=known.read,
        grown=None,
    )
    assert known.is_current()
    assert not changed.is_current()


def test_every_structure_between_processes_has_a_sample() -> None:
    sampled = {struct for wire in WIRES for struct in wire.structs}
    assert structs() == sampled


def test_every_sample_is_of_a_wire() -> None:
    known = {path for wire in WIRES for path in wire.samples.values()}
    assert set(SAMPLES.rglob("*.*.*")) == known


def structs() -> set[str]:
    """Those of the adapters, as `module.Name`."""
    prefix = f"{tertulia.adapters.__name__}."
    for module in pkgutil.walk_packages(tertulia.adapters.__path__, prefix):
        name = module.name.removeprefix(prefix)
        if (
            name.partition(".")[0] in OURS
            and ".versions." not in name
            and name != "sql.migrations.env"
        ):
            importlib.import_module(module.name)
    found = set(msgspec.Struct.__subclasses__())
    return {
        f"{kind.__module__.removeprefix(prefix)}.{kind.__name__}"
        for kind in found
        if kind.__module__.removeprefix(prefix).partition(".")[0] in OURS
        and kind.__module__.startswith(prefix)
    }
