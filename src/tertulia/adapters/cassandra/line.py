"""A process's line to the cluster: opened when it is first needed, and again when that failed."""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog

from tertulia.adapters.cassandra.driver import UNANSWERED, auth, cluster, errors, policies
from tertulia.adapters.cassandra.schema import STATEMENTS, Statement, make_schema
from tertulia.adapters.cassandra.settings import MessagesSettings
from tertulia.kit.clock import Clock
from tertulia.ports.history import HistoryUnavailableError

PROTOCOL: Final = 5  # Cassandra 4 and later
AGAIN_S: Final = 2.0
"""When to try again to reach a cluster that was not there at all; meanwhile callers are told."""

ASK_ANOTHER_S: Final = 0.25
"""When another node is asked as well: a healthy one has answered long before (p99 some 20 ms), and
one that hangs is not noticed."""

log = structlog.stdlib.get_logger(__name__)


class Line:
    """Runs statements; every one of them may be run twice."""

    def __init__(self, settings: MessagesSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._opening = asyncio.Lock()
        self._cluster: Any = None
        self._session: Any = None
        self._prepared: dict[Statement, Any] = {}
        self._closed_until = 0.0

    async def run(self, statement: Statement, values: Sequence[object]) -> list[Any]:
        """The rows, of at most one page. HistoryUnavailableError, or the driver's errors."""
        session = await self._open()
        bound = self._prepared[statement].bind(values)
        try:
            return await _answer(session.execute_async(bound))
        except UNANSWERED as error:
            raise unavailable(error) from error

    async def close(self) -> None:
        """Leave the cluster."""
        if self._cluster is not None:
            await asyncio.to_thread(self._cluster.shutdown)

    async def _open(self) -> Any:
        if self._session is None:
            async with self._opening:
                if self._session is None:
                    await self._connect()
        return self._session

    async def _connect(self) -> None:
        if self._clock.monotonic() < self._closed_until:
            raise HistoryUnavailableError
        opened = await asyncio.to_thread(self._made)  # it asks for the addresses of names
        try:
            session = await asyncio.to_thread(opened.connect)
            await asyncio.to_thread(make_schema, session, self._settings)
            self._prepared = {
                statement: await asyncio.to_thread(self._prepare, session, statement)
                for statement in STATEMENTS
            }
        except BaseException as error:
            await asyncio.to_thread(opened.shutdown)
            self._closed_until = self._clock.monotonic() + AGAIN_S
            if isinstance(error, UNANSWERED):
                log.warning("cassandra away", error=type(error).__name__)
                raise unavailable(error) from error
            raise
        self._cluster, self._session = opened, session

    def _prepare(self, session: Any, statement: Statement) -> Any:
        prepared = session.prepare(statement.text.format(self._settings.keyspace))
        prepared.is_idempotent = True
        return prepared

    def _made(self) -> Any:
        given = self._settings
        near = policies.DCAwareRoundRobinPolicy(given.datacenter)
        profile = cluster.ExecutionProfile(
            policies.TokenAwarePolicy(near),
            consistency_level=getattr(errors.ConsistencyLevel, given.consistency),
            request_timeout=given.timeout_s,
            speculative_execution_policy=policies.ConstantSpeculativeExecutionPolicy(
                ASK_ANOTHER_S, len(given.nodes)
            ),
        )
        return cluster.Cluster(
            given.nodes,
            protocol_version=PROTOCOL,
            compression=False,  # what is sealed does not get smaller
            execution_profiles={cluster.EXEC_PROFILE_DEFAULT: profile},
            auth_provider=auth.PlainTextAuthProvider(*given.user) if given.user else None,
            ssl_context=ssl.create_default_context(cafile=given.tls_ca) if given.tls else None,
            reconnection_policy=policies.ExponentialReconnectionPolicy(0.5, 10.0),
            connect_timeout=given.timeout_s,
            control_connection_timeout=given.timeout_s,
        )


def unavailable(error: BaseException) -> HistoryUnavailableError:
    """What it says to whoever asked; addresses and reasons stay in the cause."""
    refusals = (errors.AuthenticationFailed, errors.Unauthorized)
    said: Any = error
    causes = said.errors.values() if isinstance(said, cluster.NoHostAvailable) else [said]
    if any(isinstance(each, refusals) for each in causes):
        return HistoryUnavailableError("Cassandra refuses the user or the password.")
    return HistoryUnavailableError()


async def _answer(response: Any) -> list[Any]:
    """Of the driver's thread, on this loop."""
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[list[Any] | None] = loop.create_future()

    def settle(with_: Callable[[Any], None], value: Any) -> None:
        if not answered.done():  # else whoever asked has left
            with_(value)

    def answer(rows: Any) -> None:
        loop.call_soon_threadsafe(settle, answered.set_result, rows)

    def fail(error: Any) -> None:
        loop.call_soon_threadsafe(settle, answered.set_exception, error)

    response.add_callbacks(answer, fail)
    return await answered or []
