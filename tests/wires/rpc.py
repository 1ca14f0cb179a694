"""What roles in different processes ask and answer each other."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from tertulia.adapters.keyfile import MemoryVault
from tertulia.adapters.rpc import passes, wire
from tertulia.adapters.rpc.passes import Said, SealedPasses
from tertulia.domain.access import Principal
from tertulia.domain.ids import UserId
from tertulia.domain.messages import Usage
from tertulia.kit.clock import to_us
from tertulia.kit.errors import TertuliaError
from tertulia.ports.chat_model import (
    ChatRequest,
    Chunk,
    Finished,
    ModelInfo,
    ModelTimeoutError,
    PromptMessage,
    Text,
    Waiting,
)
from tertulia.ports.model_catalogue import CatalogueEntry
from tertulia.ports.peers import Pass
from tests.ports.stores import HandClock
from tests.wires.store import KEYS
from tests.wires.wire import Wire, more_in_array, more_in_json

ASKED: Final = ("POST", "/internal/models/stream")
PASS: Final = Pass(
    issuer="gateway",
    principal=Principal(
        user_id=UserId("01981c3f-0000-7000-8000-000000000001"),
        via="token",
        credential_id="01981c3f-0000-7000-8000-000000000002",
    ),
    within_s=12.5,
)
SAID: Final = Said(
    to_us(datetime(2026, 11, 21, tzinfo=UTC)),
    "gateway",
    12.5,
    "01981c3f-0000-7000-8000-000000000001",
    "token",
    "01981c3f-0000-7000-8000-000000000002",
)
LINES: Final[dict[str, Chunk]] = {
    "text": Text("¿qué tal? "),
    "waiting": Waiting(4),
    "finished": Finished("length", Usage(prompt_tokens=9, completion_tokens=8, cached_tokens=7)),
    "finished-without-usage": Finished("stop"),
}
FORMS: Final[dict[str, object]] = {
    "counting": wire.Counting("model", ["one", "two words"]),
    "chat-request": ChatRequest(
        model="model",
        messages=(PromptMessage("system", "be kind"), PromptMessage("user", "hello")),
        max_tokens=100,
        temperature=0.5,
        top_p=0.9,
        stop=("\n",),
        seed=7,
        conversation_id="01981c3f-0000-7000-8000-00000000000a",
        background=True,
        whole=True,
    ),
    "model-info": ModelInfo(
        id="model",
        window_tokens=8192,
        owned_by="somebody",
        ready=False,
        note="it is being pulled",
    ),
    "catalogue-entry": CatalogueEntry(
        name="model",
        licence="Apache-2.0",
        size_bytes=10,
        memory_bytes=20,
        window_tokens=8192,
        state="pulling",
        done_bytes=5,
        problem="slow",
        available=False,
    ),
}


def _form(name: str, value: object) -> Wire:
    return Wire(
        name=f"rpc/{name}",
        value=value,
        write=lambda: msgspec.json.encode(value),
        read=lambda data: msgspec.json.decode(data, type=type(value)),
        grown=more_in_json,
        structs=("rpc.wire.Counting",) if isinstance(value, wire.Counting) else (),
    )


def _line(name: str, said: Chunk | TertuliaError, read: Callable[[bytes], Any]) -> Wire:
    return Wire(
        name=f"rpc/line-{name}",
        value=_told(said) if isinstance(said, TertuliaError) else said,
        write=lambda: wire.written(said),
        read=read,
        grown=more_in_json,
        structs=("rpc.wire._Line", "rpc.wire._Error"),
    )


def _told(error: TertuliaError) -> tuple[object, ...]:
    """What a caller knows an error by."""
    is_timeout = isinstance(error, ModelTimeoutError)
    return (is_timeout, error.code, error.kind, error.message, dict(error.data))


def _pass() -> str:
    return asyncio.run(SealedPasses(MemoryVault(KEYS), HandClock()).issue(PASS, *ASKED))


def _checked(data: bytes) -> Pass | None:
    text = data.decode()
    return asyncio.run(SealedPasses(MemoryVault(KEYS), HandClock()).check(text, *ASKED))


RPC: Final = (
    *(_form(name, value) for name, value in FORMS.items()),
    *(_line(name, chunk, wire.read) for name, chunk in LINES.items()),
    _line(
        "error",
        ModelTimeoutError("It took too long.", model="model", seconds=30.0),
        lambda data: _told(wire.error_in(data)),
    ),
    Wire(
        name="rpc/pass",
        value=SAID,
        write=lambda: passes.encode(SAID),
        read=passes.decode,
        grown=more_in_array,
        structs=("rpc.passes.Said",),
        text=False,
    ),
    Wire(
        name="rpc/pass-sealed",
        value=PASS,
        write=lambda: _pass().encode(),
        read=_checked,
        grown=None,
        sealed=True,
    ),
)
