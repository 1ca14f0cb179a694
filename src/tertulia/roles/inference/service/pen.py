"""Writes one reply: readers see its text at once, the store gets it right behind them.

Three offsets into the text move on: received ≥ shown, and saved. Showing never waits for the
store, unless text that was shown `unsaved_max_s` ago is not saved: then what comes next is held
back until it is. So a crash takes at most what was shown within that time, on any disk, and a
store that saves within `unsaved_max_s - checkpoint_s` delays nothing. Nothing is shown before the
first text is durable, together with the state `streaming`.
"""

import asyncio
from typing import Final

from tertulia.domain.ids import ConversationId, MessageId
from tertulia.domain.messages import Message, Status
from tertulia.domain.streams import Position
from tertulia.kit.clock import Clock
from tertulia.kit.crash_points import crash_point
from tertulia.kit.metrics import CHECKPOINT_S
from tertulia.kit.tasks import uninterrupted
from tertulia.ports.store import MessageChange, StaleEpochError, Store, StoreUnavailableError, Tx
from tertulia.ports.token_stream import TokenStream
from tertulia.roles.inference.settings import InferenceSettings

SAVE_AGAIN_S: Final = 0.1  # after the store was in trouble


class Pen:
    """`start` with the first text, `write` what follows; `show` and `save` run beside it for as
    long as it is written. `text` is all that was received, what was kept of earlier attempts
    included."""

    def __init__(
        self,
        store: Store,
        stream: TokenStream,
        clock: Clock,
        settings: InferenceSettings,
        reply: Message,
    ) -> None:
        self._store = store
        self._stream = stream
        self._clock = clock
        self._settings = settings
        self._conversation_id: ConversationId = reply.conversation_id
        self._reply_id: MessageId = reply.id
        self._epoch = reply.epoch
        self._begun_with = len(reply.text)
        self._parts = [reply.text]
        self._fresh: list[str] = []  # received, not yet shown
        self._unsaved: list[str] = []  # received, not yet on its way to the store
        self._received = self._shown = self._saved = len(reply.text)
        self._unsaved_since: float | None = None  # when the oldest unsaved text was shown
        self._shown_meanwhile: float | None = None  # the same, of text after the last checkpoint
        self.starting = False
        """Whether the first text is stored, or on its way there."""
        self.answers = 0
        """How often a checkpoint has told whether to stop."""
        self._to_show = asyncio.Event()
        self._to_save = asyncio.Event()
        self._just_saved = asyncio.Event()

    @property
    def text(self) -> str:
        """All that was received."""
        return "".join(self._parts)

    @property
    def length(self) -> int:
        """Its characters."""
        return self._received

    @property
    def saved(self) -> int:
        """How many of its characters are known to be stored."""
        return self._saved

    @property
    def begun(self) -> bool:
        """Whether this attempt has text."""
        return self._received > self._begun_with

    async def start(self, text: str, model: str) -> None:
        """The first text: `streaming` from here on. StaleEpochError when another attempt has
        begun or the reply was ended. A cancellation waits until it is known how it came out."""
        self.starting = True
        await uninterrupted(self._start(text, model))

    def write(self, text: str) -> None:
        """More text, which readers see within `batch_s`."""
        self._take(text)
        self._to_show.set()

    async def show(self) -> None:
        """Pass text on to readers, until cancelled."""
        while True:
            await self._to_show.wait()
            await self._held_back()
            self._to_show.clear()
            await self._show()
            await asyncio.sleep(self._settings.batch_s)

    async def save(self) -> bool:
        """Save text that is shown, until a stop is requested: then True. What the store raises,
        once it was in trouble for `store_patience_s`; StaleEpochError and MissingError at once."""
        troubled_since: float | None = None
        while True:
            await self._to_save.wait()
            await asyncio.sleep(max(self._settings.checkpoint_s - self._unsaved_s(), 0))
            self._to_save.clear()
            try:
                if await self._save():
                    return True
            except StoreUnavailableError:
                now = self._clock.monotonic()
                troubled_since = now if troubled_since is None else troubled_since
                if now - troubled_since >= self._settings.store_patience_s:
                    raise
                self._to_save.set()
                await asyncio.sleep(SAVE_AGAIN_S)
            else:
                troubled_since = None

    async def show_rest(self) -> None:
        """Pass on what is left, once all of it is saved."""
        self._unsaved_since = None
        await self._show()

    async def stop_requested(self) -> bool:
        """What the store says. StaleEpochError when the reply is in a final state or in another
        attempt, MissingError when it is gone."""
        return await self._store.read(lambda tx: self._checkpoint(tx, 0, ""), brief=True)

    async def _start(self, text: str, model: str) -> None:
        def work(tx: Tx) -> None:
            reply = tx.messages.get(self._conversation_id, self._reply_id)
            if reply is None or reply.epoch != self._epoch or reply.status is not Status.QUEUED:
                raise StaleEpochError(message_id=self._reply_id)
            change = MessageChange(epoch=self._epoch, status=Status.STREAMING, model=model)
            tx.messages.change(self._conversation_id, self._reply_id, change)
            self._checkpoint(tx, self._begun_with, text)

        crash_point("inference.before_start_commit")
        await self._store.write(work)
        crash_point("inference.after_start_commit")
        self._take(text)
        self._unsaved.clear()
        self._saved = self._received
        await self._show()
        crash_point("inference.after_first_text")

    def _take(self, text: str) -> None:
        self._parts.append(text)
        self._fresh.append(text)
        self._unsaved.append(text)
        self._received += len(text)

    async def _show(self) -> None:
        text = "".join(self._fresh)
        if not text:
            return
        self._fresh.clear()
        at = Position(self._epoch, self._shown)
        self._shown += len(text)
        if self._shown > self._saved:
            now = self._clock.monotonic()
            if self._unsaved_since is None:
                self._unsaved_since = now
            if self._shown_meanwhile is None:
                self._shown_meanwhile = now
            self._to_save.set()
        await self._stream.append(self._reply_id, at, text)

    async def _held_back(self) -> None:
        while self._unsaved_since is not None:
            if self._unsaved_s() < self._settings.unsaved_max_s:
                return
            self._just_saved.clear()
            await self._just_saved.wait()

    async def _save(self) -> bool:
        """One checkpoint. It takes along what is received but not shown yet."""
        self._shown_meanwhile = None
        offset, text = self._saved, "".join(self._unsaved)
        count = len(self._unsaved)
        crash_point("inference.before_checkpoint")
        stop = await self._store.write(lambda tx: self._checkpoint(tx, offset, text))
        crash_point("inference.after_checkpoint")
        self.answers += 1
        del self._unsaved[:count]
        self._saved += len(text)
        CHECKPOINT_S.observe(self._unsaved_s())
        # What is shown and not saved was shown after this checkpoint took its text.
        self._unsaved_since = self._shown_meanwhile if self._shown > self._saved else None
        self._just_saved.set()
        if self._shown > self._saved:
            self._to_save.set()
        return stop

    def _unsaved_s(self) -> float:
        """How long the oldest text that is shown and not saved has been shown."""
        if self._unsaved_since is None:
            return 0.0
        return self._clock.monotonic() - self._unsaved_since

    def _checkpoint(self, tx: Tx, offset: int, text: str) -> bool:
        """Without text it is only the question whether to stop."""
        return tx.messages.checkpoint(
            self._conversation_id, self._reply_id, epoch=self._epoch, offset=offset, text=text
        )
