"""A history log that lasts as long as the process: for tests."""

from collections.abc import Mapping, Sequence

from tertulia.ports.history import HistoryUnavailableError, TextKey


class MemoryHistory:
    """HistoryLog (ports/history.py). `away` makes it answer nothing."""

    def __init__(self) -> None:
        self.texts: dict[TextKey, bytes] = {}
        self.away = False

    async def keep(self, texts: Mapping[TextKey, bytes]) -> frozenset[TextKey]:
        await self.check()
        self.texts.update(texts)
        return frozenset(texts)

    async def fetch(self, keys: Sequence[TextKey]) -> Mapping[TextKey, bytes]:
        await self.check()
        return {key: self.texts[key] for key in keys if key in self.texts}

    async def erase(self, conversation_id: str, last_seq: int) -> None:
        await self.check()
        for key in [*self.texts]:
            if key.conversation_id == conversation_id and key.seq <= last_seq:
                del self.texts[key]

    async def check(self) -> None:
        if self.away:
            raise HistoryUnavailableError
