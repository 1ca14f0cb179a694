"""ChatModel and ModelCatalogue of the processes that run the role inference."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Final, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec

from tertulia.adapters.rpc import wire
from tertulia.adapters.rpc.line import Asked, GoneBeforeError, Line
from tertulia.adapters.rpc.settings import PeersSettings
from tertulia.ports.chat_model import (
    ChatRequest,
    Chunk,
    Finished,
    ModelCutError,
    ModelInfo,
    ModelUnavailableError,
)
from tertulia.ports.model_catalogue import CatalogueEntry
from tertulia.ports.peers import Pass, RoleUnavailableError

T = TypeVar("T")

PATH: Final = "/internal/models"
CATALOGUE: Final = "/internal/catalogue"
JSON: Final = {"content-type": "application/json"}
FAILED: Final = 300


class RemoteModel:
    """See ChatModel. `issuer`: the role that asks."""

    def __init__(self, line: Line, issuer: str, settings: PeersSettings) -> None:
        self._line = line
        self._issuer = issuer
        self._settings = settings

    async def models(self) -> Sequence[ModelInfo]:
        """See the port."""
        return await self._told("GET", PATH, None, list[ModelInfo])

    async def count_tokens(self, model: str, texts: Sequence[str]) -> Sequence[int]:
        """See the port."""
        counting = wire.Counting(model, list(texts))
        return await self._told("POST", f"{PATH}/tokens", counting, list[int])

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        """See the port. Closing hangs up, which stops the model."""
        asked = self._asked("POST", f"{PATH}/stream", request, self._settings.model_answer_s)
        try:
            async with self._line.ask(asked) as answer:
                if answer.status >= FAILED:
                    raise wire.error_in(await answer.read())
                async for line in answer.content:
                    chunk = wire.read(line)
                    yield chunk
                    if isinstance(chunk, Finished):
                        return
        except RoleUnavailableError as error:
            raise ModelUnavailableError from error
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise ModelCutError from error
        raise ModelCutError

    async def _told(self, method: str, path: str, body: object, kind: type[T]) -> T:
        asked = self._asked(method, path, body, self._settings.answer_s)
        try:
            return await _told(self._line, asked, kind)
        except RoleUnavailableError as error:
            raise ModelUnavailableError from error

    def _asked(self, method: str, path: str, body: object, within_s: float) -> Asked:
        return _asked(self._issuer, method, path, body, within_s)


class RemoteCatalogue:
    """See ModelCatalogue. Processes with models of their own are told one by one: `pull`, `use`
    and `remove` go to one of them, so they should share the directory of models."""

    def __init__(self, line: Line, issuer: str, settings: PeersSettings) -> None:
        self._line = line
        self._issuer = issuer
        self._settings = settings

    async def list(self) -> Sequence[CatalogueEntry]:
        return await self._told("GET", CATALOGUE)

    async def pull(self, name: str) -> None:
        await self._told("POST", f"{CATALOGUE}/{quote(name, safe='')}/pull")

    async def use(self, name: str) -> None:
        await self._told("POST", f"{CATALOGUE}/{quote(name, safe='')}/use")

    async def remove(self, name: str) -> None:
        with suppress(GoneBeforeError):
            await self._told("DELETE", f"{CATALOGUE}/{quote(name, safe='')}")

    async def _told(self, method: str, path: str) -> Sequence[CatalogueEntry]:
        asked = _asked(self._issuer, method, path, None, self._settings.answer_s)
        return await _told(self._line, asked, list[CatalogueEntry])


def _asked(issuer: str, method: str, path: str, body: object, within_s: float) -> Asked:
    return Asked(
        method=method,
        target=path,
        shown=Pass(issuer=issuer, principal=None, within_s=within_s),
        headers=JSON if body is not None else {},
        body=b"" if body is None else msgspec.json.encode(body),
    )


async def _told(line: Line, asked: Asked, kind: type[T]) -> T:
    """What the other process says, of that form; its error when it says one."""
    try:
        async with line.ask(asked) as answer:
            content = await answer.read()
            if answer.status >= FAILED:
                raise wire.error_in(content)
            return msgspec.json.decode(content, type=kind)
    except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as error:
        raise line.unavailable() from error
