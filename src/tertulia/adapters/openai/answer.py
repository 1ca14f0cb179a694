"""What has been heard of one answer, and whether it is whole."""

from typing import Final, Literal

from tertulia.adapters.openai.wire import COMPLETION, Choice, UsageReport, failure_in_stream
from tertulia.kit.sse import MAX_EVENT_BYTES, EventTooLargeError, Payloads
from tertulia.ports.chat_model import (
    Finished,
    ModelCutError,
    ModelError,
    ModelRefusedError,
    ModelUnavailableError,
)

DONE: Final = b"[DONE]"


class Answer:
    """Takes bytes as they come: events, or (`in_one`) a single document. It is whole when its
    endpoint gave a reason for its end, or said `[DONE]`."""

    __slots__ = ("_document", "_done", "_failure", "_payloads", "_reason", "_usage", "begun",
                 "ended", "heard")  # fmt: skip

    def __init__(self, *, in_one: bool) -> None:
        self.heard = False
        """Something of the model's came, be it thoughts that are not shown."""
        self.begun = False
        """Text came."""
        self.ended = False
        """Nothing more is to be taken; `finish` says what became of it."""
        self._done = False
        self._failure: ModelError | None = None
        self._reason: str | None = None
        self._usage: UsageReport | None = None
        self._payloads = Payloads()
        self._document: list[bytes] | None = [] if in_one else None

    def take(self, received: bytes) -> str:
        """The text in what came, up to the end or the first failure. No bytes are the end of the
        connection. EventTooLargeError for an event beyond any sensible size."""
        texts: list[str] = []
        for payload in self._completed(received):
            if payload == DONE:
                self._done = self.ended = True
            else:
                self._hear(payload, texts)
            if self.ended:
                break
        if not received:
            self.ended = True
        return "".join(texts)

    def finish(self) -> Finished:
        """A ModelError when the answer is not whole."""
        if self._failure is not None:
            raise self._failure
        if self._reason is None and not self._done:
            raise ModelCutError
        if self._reason == "content_filter":
            raise ModelRefusedError(reason=self._reason)
        reason: Literal["stop", "length"] = "length" if self._reason == "length" else "stop"
        return Finished(reason, self._usage.value() if self._usage else None)

    def broken(self) -> ModelError:
        """What a broken connection, or nonsense, makes of the answer."""
        return ModelCutError() if self.begun else ModelUnavailableError()

    def _completed(self, received: bytes) -> list[bytes]:
        if self._document is None:
            return self._payloads.feed(received) if received else self._payloads.end()
        self._document.append(received)
        if sum(map(len, self._document)) > MAX_EVENT_BYTES:
            raise EventTooLargeError
        return [] if received else [b"".join(self._document)]

    def _hear(self, payload: bytes, texts: list[str]) -> None:
        try:
            completion = COMPLETION.decode(payload)
        except ValueError:  # no JSON, no UTF-8, or no completion
            self._fail(self.broken())
            return
        if completion.error is not None or completion.object == "error":
            self._fail(failure_in_stream(completion.problem, begun=self.begun))
            return
        if completion.usage is not None:
            self._usage = completion.usage
        if completion.choices:
            self._listen(completion.choices, texts)

    def _listen(self, choices: list[Choice], texts: list[str]) -> None:
        self.heard = True
        for choice in choices:
            said = choice.delta or choice.message
            if said is not None and said.content:
                texts.append(said.text)
                self.begun = True
            if choice.finish_reason is not None:
                self._reason = choice.finish_reason

    def _fail(self, failure: ModelError) -> None:
        self._failure, self.ended = failure, True
