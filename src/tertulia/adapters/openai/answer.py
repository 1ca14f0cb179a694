"""What has been heard of one answer, and whether it is whole."""

from collections.abc import Iterable
from typing import Final, Literal

from tertulia.adapters.openai.wire import COMPLETION, Completion, UsageReport, failure_in_stream
from tertulia.ports.chat_model import (
    Finished,
    ModelCutError,
    ModelError,
    ModelRefusedError,
    ModelUnavailableError,
)

DONE: Final = b"[DONE]"


class Answer:
    """An answer is whole when its endpoint gave a reason for its end, or said `[DONE]`."""

    __slots__ = ("_reason", "_usage", "begun", "done", "failure", "heard")

    def __init__(self) -> None:
        self.heard = False
        """Something of the model's came, be it thoughts that are not shown."""
        self.begun = False
        """Text came."""
        self.done = False
        self.failure: ModelError | None = None
        """Why no more can be taken; the text before it still counts."""
        self._reason: str | None = None
        self._usage: UsageReport | None = None

    def take(self, payloads: Iterable[bytes]) -> str:
        """The text in what came, up to `[DONE]` or the first failure."""
        text = ""
        for payload in payloads:
            if payload == DONE:
                self.done = True
                break
            try:
                completion = COMPLETION.decode(payload)
            except ValueError:  # no JSON, no UTF-8, or no completion
                self.failure = self.broken(begun=self.begun or bool(text))
                break
            if (problem := completion.problem) is not None:
                self.failure = failure_in_stream(problem, begun=self.begun or bool(text))
                break
            text += self._said(completion)
        self.begun = self.begun or bool(text)
        return text

    @staticmethod
    def broken(*, begun: bool) -> ModelError:
        """What a broken connection, or nonsense, makes of the answer."""
        return ModelCutError() if begun else ModelUnavailableError()

    def finish(self) -> Finished:
        """ModelCutError when the end is missing."""
        if self._reason is None and not self.done:
            raise ModelCutError
        if self._reason == "content_filter":
            raise ModelRefusedError(reason=self._reason)
        reason: Literal["stop", "length"] = "length" if self._reason == "length" else "stop"
        return Finished(reason, self._usage.value() if self._usage else None)

    def _said(self, completion: Completion) -> str:
        self._usage = completion.usage or self._usage
        text = ""
        for choice in completion.choices or ():
            self.heard = True
            said = choice.delta or choice.message
            text += said.text if said else ""
            self._reason = choice.finish_reason or self._reason
        return text
