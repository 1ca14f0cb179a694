"""A fake model endpoint that costs next to nothing: OpenAI chat completions, whole or streamed.

`python -m bench.upstream TOKENS PACE_MS` prints its port and serves on loopback until stdin closes.
"""

import asyncio
import sys
from typing import Final, cast

MODELS: Final = (
    b'{"object":"list","data":[{"id":"fake","object":"model","created":1,"owned_by":"bench"}]}'
)
CHUNK: Final = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"fake",'
    b'"choices":[{"index":0,"delta":{"content":"word%d "},"finish_reason":null}]}\n\n'
)
LAST: Final = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"fake",'
    b'"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)
STREAM_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def whole_answer(tokens: int) -> bytes:
    text = b" ".join(b"word%d" % n for n in range(tokens))
    body = (
        b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"fake","choices":'
        b'[{"index":0,"message":{"role":"assistant","content":"%s"},"finish_reason":"stop"}],'
        b'"usage":{"prompt_tokens":8,"completion_tokens":%d,"total_tokens":%d}}'
    ) % (text, tokens, tokens + 8)
    return _answer(body)


def _answer(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


def _framed(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body)


class Endpoint(asyncio.Protocol):
    """Answers each request of a connection in turn."""

    def __init__(self, tokens: int, pace_s: float) -> None:
        self.chunks = [_framed(CHUNK % n) for n in range(tokens)]
        self.pace_s = pace_s
        self.whole = whole_answer(tokens)
        self.received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.received += data
        head = self.received.find(b"\r\n\r\n")
        if head < 0:
            return
        top = bytes(self.received[:head]).lower()
        _, found, rest = top.partition(b"content-length:")
        length = int(rest.split(b"\r\n", 1)[0]) if found else 0
        if len(self.received) < head + 4 + length:
            return
        body = bytes(self.received[head + 4 : head + 4 + length])
        self.received.clear()
        self.respond(top, body)

    def respond(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"get"):
            self.transport.write(_answer(MODELS))
        elif b'"stream":true' in body or b'"stream": true' in body:
            self.transport.write(STREAM_HEAD)
            self.emit(0, asyncio.get_running_loop().time())
        else:
            self.transport.write(self.whole)

    def emit(self, n: int, started: float) -> None:
        """One chunk a write, as models do; late ones are not sent together."""
        if self.transport.is_closing():
            return
        while n < len(self.chunks):
            due = started + (n + 1) * self.pace_s
            if self.pace_s and asyncio.get_running_loop().time() < due:
                asyncio.get_running_loop().call_at(due, self.emit, n, started)
                return
            self.transport.write(self.chunks[n])
            n += 1
        self.transport.write(_framed(LAST) + b"0\r\n\r\n")


async def serve(tokens: int, pace_s: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Endpoint(tokens, pace_s), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    import uvloop

    uvloop.run(serve(int(sys.argv[1]), float(sys.argv[2]) / 1000))


if __name__ == "__main__":
    main()
