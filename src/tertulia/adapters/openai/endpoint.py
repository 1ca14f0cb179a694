"""One endpoint: where its paths are, how a request is tried, and tried again."""

import asyncio
import ipaddress
import random
import re
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

import aiohttp
from yarl import URL

from tertulia.adapters.openai.breaker import Breaker, CircuitOpenError, RetryBudget
from tertulia.adapters.openai.settings import UpstreamSettings
from tertulia.adapters.openai.wire import Problem, problem_of, refusal
from tertulia.ports.chat_model import (
    ModelError,
    ModelRefusedError,
    ModelTimeoutError,
    ModelUnavailableError,
)

MAX_WAIT_S: Final = 5.0
"""An endpoint that asks for more patience than that gets none: the caller is told instead."""
_ERROR_BYTES: Final = 1 << 16
_VERSIONED: Final = re.compile(r"/(v\d+[a-z0-9]*|openai)$")


def api_root(url: str) -> URL:
    """The address below which `models` and `chat/completions` lie, given with or without `/v1`."""
    root = URL(url.rstrip("/").removesuffix("/chat/completions").removesuffix("/models"))
    path = root.path.rstrip("/")
    return root.with_path(path if _VERSIONED.search(path) else path + "/v1")


class RefusedBodyError(ModelRefusedError):
    """The endpoint refused the request as malformed."""

    def __init__(self, problem: Problem, status: int) -> None:
        self.problem = problem
        super().__init__(status=status, reason=problem.param)


class Endpoint:
    """Requests to one endpoint, with its breaker and its budget."""

    def __init__(self, root: URL, settings: UpstreamSettings, http: aiohttp.ClientSession) -> None:
        self._root = root
        self._settings = settings
        self._http = http
        self._budget = RetryBudget(settings.retry_budget)
        self.breaker = Breaker(
            failures=settings.breaker_failures,
            open_s=settings.breaker_open_s,
            monotonic=time.monotonic,
        )

    async def get(self, path: str) -> bytes:
        """The body of an answer; a ModelError otherwise."""
        response = await self._open("GET", path, None, self._settings.connect_timeout_s * 2)
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s * 2):
                return await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ModelUnavailableError from error
        finally:
            response.close()

    async def post(self, path: str, body: bytes, limit_s: float) -> aiohttp.ClientResponse:
        """The answer as soon as its head has come, which may take `limit_s`; whoever gets it
        closes it. Tried again only here, before the first byte of an answer."""
        self._budget.earn()
        tried = 0
        while True:
            tried += 1
            try:
                return await self._open("POST", path, body, limit_s)
            except ModelError as error:
                wait_s = self._wait_s(error, tried)
                if wait_s is None:
                    raise
            await asyncio.sleep(wait_s)

    def _wait_s(self, error: ModelError, tried: int) -> float | None:
        """How long to wait before the next attempt; None: there is none. A library's loop took
        an eighth of a relayed request's time, nearly always for one attempt."""
        if tried >= self._settings.attempts or not error.transient:
            return None
        if isinstance(error, (CircuitOpenError, ModelTimeoutError)):
            return None
        asked = error.data.get("retry_after")
        if isinstance(asked, int) and asked > MAX_WAIT_S:
            return None
        if not self._budget.take():
            return None
        if isinstance(asked, int):
            return float(asked)
        doubled_s = self._settings.retry_wait_s * 2 ** (tried - 1)
        jitter_s = random.uniform(0, self._settings.retry_wait_s)  # noqa: S311  not a secret
        return min(doubled_s + jitter_s, MAX_WAIT_S)

    async def _open(
        self, method: str, path: str, body: bytes | None, limit_s: float
    ) -> aiohttp.ClientResponse:
        self.breaker.check()
        try:
            async with asyncio.timeout(limit_s):
                # A redirect would carry the key and the conversation to whoever is named there.
                response = await self._http.request(
                    method, self._root / path, data=body, allow_redirects=False
                )
                if response.status != HTTPStatus.OK:
                    raise await _refused(response)
        except TimeoutError as error:
            self.breaker.failed()
            # aiohttp's own time limits are those of connecting.
            kind = (
                ModelUnavailableError
                if isinstance(error, aiohttp.ClientError)
                else ModelTimeoutError
            )
            raise kind from error
        except aiohttp.ClientError as error:
            self.breaker.failed()
            raise ModelUnavailableError from error
        except ModelUnavailableError as error:
            if error.data.get("status") != HTTPStatus.TOO_MANY_REQUESTS:
                self.breaker.failed()
            raise
        self.breaker.succeeded()
        return response


@asynccontextmanager
async def open_endpoint(url: str, settings: UpstreamSettings) -> AsyncGenerator[Endpoint, None]:
    """The endpoint at `url`, with connections that are kept."""
    root = api_root(url)
    key = settings.api_key.get_secret_value()
    async with aiohttp.ClientSession(
        headers={
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "tertulia",
            **({"Authorization": f"Bearer {key}"} if key else {}),
        },
        connector=aiohttp.TCPConnector(limit=settings.connections),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=settings.connect_timeout_s),
        # A proxy of the environment is for the world outside, not for this machine.
        trust_env=not _is_loopback(root.host or ""),
        # Cookies of an endpoint would tie its users together.
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as http:
        yield Endpoint(root, settings, http)


async def _refused(response: aiohttp.ClientResponse) -> ModelError:
    try:
        problem = problem_of(await response.content.read(_ERROR_BYTES))
    finally:
        response.close()
    error = refusal(response.status, problem, response.headers.get("Retry-After"))
    malformed = response.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}
    if malformed and type(error) is ModelRefusedError:
        return RefusedBodyError(problem, response.status)
    return error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
