"""What an endpoint wants to be told, and how: the differences among compatible endpoints."""

from typing import Literal

import msgspec

from tertulia.adapters.openai.wire import Problem
from tertulia.ports.chat_model import ChatRequest

VLLM = "vllm"


class Dialect:
    """Begins with what nearly all endpoints accept and learns from refusals."""

    def __init__(self, continue_final: Literal["auto", "always", "never"]) -> None:
        self._continue_final = continue_final
        self._stream_options: dict[str, bool] | None = {"include_usage": True}
        self._limit = "max_tokens"

    def body(self, request: ChatRequest, model: str, owner: str) -> bytes:
        """The request as JSON; `owner` is whom the endpoint names as the model's owner."""
        body: dict[str, object] = {
            "model": model,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            "stream": not request.whole,
        }
        asked = {
            self._limit: request.max_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "seed": request.seed,
            "stop": list(request.stop) or None,
            "stream_options": None if request.whole else self._stream_options,
        }
        body.update({name: value for name, value in asked.items() if value is not None})
        if request.messages and request.messages[-1].role == "assistant" and self._tells(owner):
            body |= {"add_generation_prompt": False, "continue_final_message": True}
        return msgspec.json.encode(body)

    def learn(self, problem: Problem) -> bool:
        """Whether the refusal taught something, so that the request is worth another try."""
        words = f"{problem.param or ''} {problem.message or ''}"
        if self._stream_options is not None and "stream_options" in words:
            self._stream_options = None
            return True
        if self._limit == "max_tokens" and "max_completion_tokens" in words:
            self._limit = "max_completion_tokens"
            return True
        return False

    def _tells(self, owner: str) -> bool:
        if self._continue_final == "auto":
            return owner == VLLM
        return self._continue_final == "always"
