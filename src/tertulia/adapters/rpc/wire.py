"""How what a ChatModel says travels between processes: lines of JSON, errors by their code."""

from collections.abc import Mapping
from typing import Final, Literal, cast

import msgspec

from tertulia.domain.messages import Usage
from tertulia.kit.errors import Kind, TertuliaError
from tertulia.ports.chat_model import (
    Chunk,
    Finished,
    ModelCutError,
    ModelError,
    ModelNotFoundError,
    ModelRefusedError,
    ModelTimeoutError,
    ModelUnavailableError,
    PromptTooLongError,
    Text,
    Waiting,
)

ERRORS: Final[Mapping[str, type[ModelError]]] = {
    kind.code: kind
    for kind in (
        ModelCutError,
        ModelError,
        ModelNotFoundError,
        ModelRefusedError,
        ModelTimeoutError,
        ModelUnavailableError,
        PromptTooLongError,
    )
}
FAMILIES: Final = frozenset(ERRORS.values())


class Counting(msgspec.Struct, frozen=True):
    """The body that asks for the tokens of each text."""

    model: str
    texts: list[str]


class _Error(msgspec.Struct, frozen=True):
    """`family`: the code of the port's error that it is a kind of; empty for another error."""

    code: str
    family: str
    kind: Kind
    message: str
    transient: bool
    data: dict[str, str | float | None]


class _Line(msgspec.Struct, frozen=True, omit_defaults=True):
    text: str | None = None
    ahead: int | None = None
    reason: Literal["stop", "length"] | None = None
    usage: Usage | None = None
    error: _Error | None = None


_encode: Final = msgspec.json.Encoder().encode
_decoder: Final = msgspec.json.Decoder(_Line)


def written(said: Chunk | TertuliaError) -> bytes:
    """One line."""
    match said:
        case Text(text):
            line = _Line(text=text)
        case Waiting(ahead):
            line = _Line(ahead=ahead)
        case Finished(reason, usage):
            line = _Line(reason=reason, usage=usage)
        case TertuliaError():
            line = _Line(error=_error(said))
    return _encode(line) + b"\n"


def read(line: bytes) -> Chunk:
    """What a line says; raises the error that it tells of, ModelCutError when it says nothing."""
    said = _decoded(line)
    if said.text is not None:
        return Text(said.text)
    if said.ahead is not None:
        return Waiting(said.ahead)
    if said.reason is not None:
        return Finished(said.reason, said.usage)
    raise _raised(said.error)


def error_in(line: bytes) -> TertuliaError:
    """The error that an answer tells of."""
    return _raised(_decoded(line).error)


def _decoded(line: bytes) -> _Line:
    try:
        return _decoder.decode(line)
    except msgspec.DecodeError as error:
        raise ModelCutError from error


def _error(error: TertuliaError) -> _Error:
    family = next((kind.code for kind in type(error).__mro__ if kind in FAMILIES), "")
    transient = isinstance(error, ModelError) and error.transient
    return _Error(error.code, family, error.kind, error.message, transient, dict(error.data))


def _raised(told: _Error | None) -> TertuliaError:
    """Of the class that callers know; with its own code where it had one."""
    if told is None:
        return ModelCutError()
    family = ERRORS.get(told.family, TertuliaError)
    if told.code == family.code:
        return family(told.message, **told.data)
    own = {"code": told.code, "kind": told.kind, "transient": told.transient}
    kind = cast("type[TertuliaError]", type("RemoteError", (family,), own))
    return kind(told.message, **told.data)
