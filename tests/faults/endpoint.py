"""A model endpoint that misbehaves as the last message of the prompt asks it to."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, cast

import msgspec

MODELS: Final = b'{"object":"list","data":[{"id":"wild","object":"model","owned_by":"test"}]}'
CHUNK: Final = (
    b'data: {"id":"1","model":"wild","choices":[{"index":0,"delta":{"content":"%s "}}]}\n\n'
)
LAST: Final = (
    b'data: {"id":"1","model":"wild","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
    b"\n\ndata: [DONE]\n\n"
)
ERROR: Final = b'data: {"error":{"message":"out of memory","type":"server_error"}}\n\n'


class WildEndpoint(ThreadingHTTPServer):
    """`silent` never answers, `stalls` stops after two words, `cuts` closes after them, `errs`
    says so in mid-stream; anything else is answered in three words."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hangs = threading.Semaphore(0)
        """Released whenever a caller gets an answer that hangs."""
        self.hung_up = threading.Semaphore(0)
        """Released whenever a caller leaves an answer that hangs."""

    def forget(self) -> None:
        """Who hung, or left, up to now."""
        for told in (self.hangs, self.hung_up):
            while told.acquire(blocking=False):
                pass

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._begin("application/json")
        self.wfile.write(MODELS)

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        request = cast("dict[str, Any]", msgspec.json.decode(self.rfile.read(length)))
        manner = str(request["messages"][-1]["content"])
        if manner == "silent":
            self._hang()
            return
        self._begin("text/event-stream")
        self._say("one", "two")
        match manner:
            case "stalls":
                self._hang()
            case "errs":
                self.wfile.write(ERROR)
            case "cuts":
                pass
            case _:
                self._say("three")
                self.wfile.write(LAST)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's name
        """Be quiet."""

    def _begin(self, media_type: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", media_type)
        self.end_headers()

    def _say(self, *words: str) -> None:
        for word in words:
            self.wfile.write(CHUNK % word.encode())

    def _hang(self) -> None:
        """Until the caller leaves."""
        endpoint = cast("WildEndpoint", self.server)
        endpoint.hangs.release()
        try:
            self.connection.recv(1)
        finally:
            endpoint.hung_up.release()


@contextmanager
def wild_endpoint() -> Generator[WildEndpoint]:
    """It serves in a thread for the length of the block."""
    with WildEndpoint() as endpoint:
        thread = threading.Thread(target=endpoint.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield endpoint
        finally:
            endpoint.shutdown()
            thread.join()
