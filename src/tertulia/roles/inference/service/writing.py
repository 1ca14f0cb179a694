"""One attempt at a reply: the model speaks, the pen writes, a stop is heard."""

import asyncio
from collections.abc import Coroutine
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, Final

import structlog

from tertulia.domain.conversations import Conversation
from tertulia.domain.ids import MessageId
from tertulia.domain.messages import Message, Status, Usage
from tertulia.kit.clock import Clock
from tertulia.kit.metrics import FIRST_TEXT_S
from tertulia.ports.chat_model import ChatModel, Finished, ModelCutError, ModelError, Text, Waiting
from tertulia.ports.signals import Signals, Subscription
from tertulia.ports.store import (
    MissingError,
    StaleEpochError,
    StorageFullError,
    StoreUnavailableError,
)
from tertulia.ports.token_stream import TokenStream
from tertulia.roles.inference.errors import EMPTY_REPLY, INTERNAL_ERROR, PROCESS_ENDED, REPLY_LIMIT
from tertulia.roles.inference.service.pen import Pen
from tertulia.roles.inference.service.prompt import Prompt, Prompts
from tertulia.roles.inference.settings import InferenceSettings

LOOK_AGAIN_S: Final = 5.0  # a safety net: a stop is signalled
ANSWER_S: Final = 0.2  # while text flows there is a checkpoint by then; asking takes 0.25 ms CPU
MODEL_AGAIN_S: Final = 0.5
MOST_CHARACTERS: Final = 400_000  # a hundred times a long answer: the model runs in circles

StoreTrouble = StoreUnavailableError | StorageFullError

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A reply that is to be written, as it was when its writing began."""

    conversation: Conversation
    message_id: MessageId
    reply: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How an attempt came out. None of `status`: the reply was ended, erased or begun anew by
    somebody else, and there is nothing to store. `local`: for a reason of this process."""

    status: Status | None
    error_code: str | None = None
    usage: Usage | None = None
    local: bool = False


LEFT: Final = Ending(status=Status.INTERRUPTED, error_code=PROCESS_ENDED)
"""Its process was asked to stop."""


class Writing:
    """`run` gives the ending; it raises only what the store raised before there was any text,
    and CancelledError then: nothing has happened, the turn can be taken again."""

    def __init__(
        self,
        turn: Turn,
        pen: Pen,
        prompts: Prompts,
        model: ChatModel,
        signals: Signals,
        stream: TokenStream,
        clock: Clock,
        settings: InferenceSettings,
    ) -> None:
        self._turn = turn
        self._pen = pen
        self._prompts = prompts
        self._model = model
        self._signals = signals
        self._stream = stream
        self._clock = clock
        self._settings = settings
        # An error is a result too, so that one nobody waits for any more is no stray exception.
        self._ending: asyncio.Future[Ending | StoreTrouble]
        self._ending = asyncio.get_running_loop().create_future()
        self.prompt: Prompt | None = None
        """What the model was asked, once it was."""

    async def run(self) -> Ending:
        """Whichever part ends first ends the attempt; the others are stopped, the model too."""
        parts = (self._generate(), self._listen(), self._save(), self._pen.show())
        ending: Ending | StoreTrouble = LEFT
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._part(part)) for part in parts]
                try:
                    ending = await self._end()
                finally:
                    for task in tasks:
                        task.cancel()
        except asyncio.CancelledError:
            if ending is LEFT:  # else only the parts were still stopping
                raise
        if isinstance(ending, StoreTrouble):
            raise ending
        if ending is LEFT and not self._pen.begun:
            raise asyncio.CancelledError
        return ending

    async def _end(self) -> Ending | StoreTrouble:
        """Asked to leave, the attempt may go on for `drain_s` if readers have seen text."""
        try:
            return await asyncio.shield(self._ending)
        except asyncio.CancelledError:
            if not self._pen.starting:
                raise
        await asyncio.wait({self._ending}, timeout=self._settings.drain_s)
        if self._ending.done():
            return self._ending.result()
        return LEFT

    async def _part(self, part: Coroutine[Any, Any, Ending | None]) -> None:
        ending: Ending | StoreTrouble | None
        try:
            ending = await part
        except Exception as error:  # noqa: BLE001  whatever it is, the reply gets an end
            if self._ending.done():
                return
            if isinstance(error, StoreTrouble) and not self._pen.begun:
                ending = error
            else:
                ending = self._ending_of(error)
        if ending is not None and not self._ending.done():
            self._ending.set_result(ending)

    def _ending_of(self, error: Exception) -> Ending:
        ids = {"reply_id": self._turn.reply.id, "epoch": self._turn.reply.epoch}
        match error:
            case StaleEpochError() | MissingError():
                log.info("reply taken away", **ids, error=error.code)
                return Ending(status=None)
            case ModelError() | StoreUnavailableError() | StorageFullError():
                log.warning("reply broke off", **ids, error=error.code)
                local = isinstance(error, ModelError) and error.local
                return self._broken(error.code, local=local)
            case _:
                log.error("reply broke off", **ids, exc_info=error)
                return self._broken(INTERNAL_ERROR)

    def _broken(self, code: str, *, local: bool = False) -> Ending:
        written = self._pen.begun or self._turn.reply.text
        status = Status.INTERRUPTED if written else Status.FAILED
        return Ending(status=status, error_code=code, local=local)

    async def _listen(self) -> Ending:
        async with self._signals.subscribe(f"reply:{self._turn.reply.id}") as changed:
            while True:
                # A store in trouble is the pen's to judge.
                with suppress(StoreUnavailableError):
                    if await self._pen.stop_requested():
                        return Ending(status=Status.CANCELLED)
                await self._signalled(changed)

    async def _signalled(self, changed: Subscription) -> None:
        """Returns when the store has to be asked. The pen's own checkpoints signal as well, and
        one that comes after a signal brings the answer along."""
        while True:
            await changed.wait(LOOK_AGAIN_S)
            answers = self._pen.answers
            if self._pen.begun:
                await asyncio.sleep(ANSWER_S)
            if self._pen.answers == answers:
                return

    async def _save(self) -> Ending:
        await self._pen.save()
        return Ending(status=Status.CANCELLED)

    async def _generate(self) -> Ending:
        """Ask again while that may help and no reader has seen text."""
        give_up_at = self._clock.monotonic() + self._settings.retry_within_s
        while True:
            try:
                return await self._answer()
            except ModelError as error:
                late = self._clock.monotonic() + MODEL_AGAIN_S > give_up_at
                if self._pen.begun or late or not error.transient:
                    raise
            await asyncio.sleep(MODEL_AGAIN_S)

    async def _answer(self) -> Ending:
        turn = self._turn
        self.prompt = await self._prompts.prompt(turn.conversation, turn.message_id, turn.reply)
        async with aclosing(self._model.stream(self.prompt.request)) as chunks:
            async for chunk in chunks:
                match chunk:
                    case Waiting(ahead):
                        await self._stream.wait(turn.reply.id, turn.reply.epoch, ahead)
                    case Text(text):
                        await self._write(_storable(text), self.prompt.request.model)
                        if self._pen.length > MOST_CHARACTERS:
                            return Ending(status=Status.INTERRUPTED, error_code=REPLY_LIMIT)
                    case Finished():
                        return self._finished(chunk)
        raise ModelCutError

    async def _write(self, text: str, model: str) -> None:
        if self._pen.begun:
            self._pen.write(text)
        elif text:
            await self._pen.start(text, model)
            since = self._clock.now() - self._turn.reply.updated_at
            FIRST_TEXT_S.observe(since.total_seconds())

    def _finished(self, finished: Finished) -> Ending:
        """An answer that stops at the token limit is not whole: a person may go on with it."""
        if finished.reason == "length":
            ending = Ending(status=Status.INTERRUPTED, error_code=REPLY_LIMIT, usage=finished.usage)
        else:
            ending = Ending(status=Status.COMPLETE, usage=finished.usage)
        if not self._pen.begun and not self._turn.reply.text:
            return Ending(status=Status.FAILED, error_code=EMPTY_REPLY, usage=finished.usage)
        return ending


def _storable(text: str) -> str:
    """Text that has a UTF-8 form: half characters become U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
