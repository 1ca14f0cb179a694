"""A history log whose calls are timed and counted."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter

from tertulia.kit.metrics import HISTORY_ERRORS, HISTORY_S
from tertulia.ports.history import HistoryLog, HistoryUnavailableError, TextKey


class MeasuredHistory:
    """HistoryLog (ports/history.py)."""

    def __init__(self, log: HistoryLog) -> None:
        self._log = log

    async def keep(self, texts: Mapping[TextKey, bytes]) -> frozenset[TextKey]:
        with _measured("keep"):
            return await self._log.keep(texts)

    async def fetch(self, keys: Sequence[TextKey]) -> Mapping[TextKey, bytes]:
        with _measured("fetch"):
            return await self._log.fetch(keys)

    async def erase(self, conversation_id: str, last_seq: int) -> None:
        with _measured("erase"):
            await self._log.erase(conversation_id, last_seq)

    async def check(self) -> None:
        await self._log.check()


@contextmanager
def _measured(call: str) -> Generator[None]:
    began = perf_counter()
    try:
        yield
    except HistoryUnavailableError:
        HISTORY_ERRORS.labels(call).inc()
        raise
    finally:
        HISTORY_S.labels(call).observe(perf_counter() - began)
