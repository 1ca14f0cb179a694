"""What goes between processes of two versions, or lies where another version finds it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

SAMPLES: Final = Path(__file__).parent / "samples"
OPEN: Final = "data"
"""A field of this name holds whatever it is given, so nothing in it is unknown."""

Bytes = Callable[[bytes], bytes]


@dataclass(frozen=True, kw_only=True)
class Wire:
    """One form, and a value in it.

    `write` is as today's code writes it, `read` as today's code reads it. `grown` is as a later
    version would write it that has added a field. `older` says what samples of that number hold
    where it is not `value`. What is `sealed` never comes out the same twice; `text` is readable.
    `structs` are the classes of the code behind it.
    """

    name: str
    value: object
    write: Callable[[], bytes]
    read: Callable[[bytes], object]
    grown: Bytes | None
    structs: tuple[str, ...] = ()
    older: Mapping[int, object] = field(default_factory=dict[int, object])
    sealed: bool = False
    text: bool = True

    @property
    def samples(self) -> Mapping[int, Path]:
        """By number, oldest first."""
        found = SAMPLES.glob(f"{self.name}.*.{self.suffix}")
        return dict(sorted((int(path.suffixes[-2][1:]), path) for path in found))

    @property
    def suffix(self) -> str:
        return "txt" if self.text else "hex"

    def sample(self, number: int) -> bytes:
        content = self.samples[number].read_text(encoding="utf-8")
        return content.encode() if self.text else bytes.fromhex(content)

    def is_current(self) -> bool:
        """Whether the newest sample is what today's code writes."""
        numbers = list(self.samples)
        return bool(numbers) and (self.sealed or self.sample(numbers[-1]) == self.write())

    def add_sample(self) -> Path:
        """Write the next one. Those that are there stay: some version writes them."""
        path = SAMPLES / f"{self.name}.{max(self.samples, default=0) + 1}.{self.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        written = self.write()
        path.write_text(written.decode() if self.text else written.hex() + "\n", encoding="utf-8")
        return path


def more_in_json(data: bytes) -> bytes:
    """A field more in each object."""
    return json.dumps(_more(json.loads(data))).encode()


def more_in_map(data: bytes) -> bytes:
    """The same, in MessagePack."""
    return msgspec.msgpack.encode(_more(msgspec.msgpack.decode(data)))


def more_in_array(data: bytes) -> bytes:
    """A field more behind the others."""
    return msgspec.msgpack.encode([*msgspec.msgpack.decode(data), {"of": "a later version"}])


def more_in_each_array(data: bytes) -> bytes:
    """The same, in each element."""
    each: list[list[Any]] = msgspec.msgpack.decode(data)
    return msgspec.msgpack.encode([[*fields, {"of": "a later version"}] for fields in each])


def more_words(data: bytes) -> bytes:
    """A word more."""
    return data + b" later"


def _more(value: Any) -> Any:
    match value:
        case dict():
            grown = {
                name: inner if name == OPEN else _more(inner)
                for name, inner in msgspec.convert(value, dict[str, Any]).items()
            }
            return {**grown, "of_a_later_version": [{"a": 1}]}
        case list():
            return [_more(inner) for inner in msgspec.convert(value, list[Any])]
        case _:
            return value
