"""A streamed chat completion.

This is the hot path: each chunk is put together from bytes that were encoded once.
"""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Final, assert_never

import msgspec
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from tertulia.domain.messages import Usage
from tertulia.kit.errors import TertuliaError
from tertulia.kit.ids import new_id
from tertulia.ports.chat_model import Chunk, Finished, ModelCutError, Text, Waiting
from tertulia.ports.http_leaving import Leaving
from tertulia.roles.chat.api.live import STREAM_HEADERS
from tertulia.roles.chat.api.openai_shapes import Completion, error_document, usage_json

Count = Callable[[str], Awaitable[Usage]]
"""What an answer cost, for models that do not say."""

ROLE: Final = b'{"role":"assistant","content":""}'
DONE: Final = b"data: [DONE]\n\n"

_encode = msgspec.json.Encoder().encode


class CompletionStream(Response):
    """Chunks as they come, `[DONE]` last. An answer that breaks off ends in an `error` and
    without `[DONE]`, so that no client takes it for whole."""

    media_type = "text/event-stream"

    def __init__(
        self,
        completion: Completion,
        first: Chunk,
        chunks: AsyncGenerator[Chunk, None],
        count: Count,
    ) -> None:
        super().__init__(None, 200, STREAM_HEADERS)
        del self.headers["content-length"]
        self._first = first
        self._chunks = chunks
        self._count = count
        self._with_usage = completion.include_usage
        usage = b',"usage":null' if self._with_usage else b""
        self._head = (
            b'data: {"id":"chatcmpl-%s","object":"chat.completion.chunk","created":%d,"model":%s'
            % (new_id().encode(), int(time.time()), _encode(completion.model))
        )
        self._before = self._head + usage + b',"choices":[{"index":0,"delta":'
        self._after = b',"finish_reason":null}]}\n\n'

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        start: Message = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        await send(start)
        async with Leaving(receive), aclosing(self._chunks):
            try:
                await self._relay(send)
            except TertuliaError as error:
                await _write(send, b"data: %s\n\n" % _encode(error_document(error, 500)))
            await _write(send, b"", more=False)

    async def _relay(self, send: Send) -> None:
        """ModelCutError also when the model stops without saying that it has finished."""
        said: list[str] = []
        whole = False
        out = self._delta(ROLE)
        chunk: Chunk | None = self._first
        while chunk is not None:
            match chunk:
                case Text(text):
                    out += self._delta(b'{"content":%s}' % _encode(text))
                    if self._with_usage:
                        said.append(text)
                case Finished(reason, usage):
                    out += await self._end(reason, usage, said)
                    whole = True
                case Waiting(ahead):
                    out += b": waiting, %d ahead\n\n" % ahead
                case _:
                    assert_never(chunk)
            await _write(send, out)
            out = b""
            chunk = await anext(self._chunks, None)
        if not whole:
            raise ModelCutError

    def _delta(self, delta: bytes) -> bytes:
        return self._before + delta + self._after

    async def _end(self, reason: str, usage: Usage | None, said: list[str]) -> bytes:
        last = self._before + b'{},"finish_reason":"%s"}]}\n\n' % reason.encode()
        if self._with_usage:
            usage = usage or await self._count("".join(said))
            last += self._head + b',"choices":[],"usage":%s}\n\n' % _encode(usage_json(usage))
        return last + DONE


async def _write(send: Send, chunk: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": chunk, "more_body": more})
