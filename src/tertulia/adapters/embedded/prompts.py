"""From messages to the tokens of a prompt, by the model's own template and tokenizer."""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from tertulia.ports.chat_model import PromptMessage

Post = Callable[[str, object], Awaitable[bytes]]
"""Sends a JSON document to a path of the runtime and returns the answer's body."""

# Private-use characters: no template knows them, so they survive trimming and conditions.
_MARK: Final = re.compile("\ue000(\\d+)\ue001")
_PIECES_KEPT: Final = 256
_BIG: Final = 1 << 18
"""Answers above this many bytes are decoded in a thread: 256 KiB take about 1 ms."""


class _Rendered(msgspec.Struct):
    prompt: str


class _Tokens(msgspec.Struct):
    tokens: list[int]


@dataclass(frozen=True, slots=True)
class Prompt:
    """`drop_space`: the answer's first character is to be left out when it is a space."""

    tokens: list[int]
    drop_space: bool = False


class Prompts:
    """Renders the template around placeholders and tokenizes each message by itself as plain
    text. So nothing that a person writes can pass for a control token (`<|im_end|>`), and the
    tokens of a conversation only ever grow at the end, which keeps its evaluated prefix valid.
    """

    def __init__(self, post: Post, separator: int) -> None:
        self._post = post
        self._separator = separator
        self._pieces: OrderedDict[tuple[str, bool], list[int]] = OrderedDict()

    async def render(self, messages: Sequence[PromptMessage]) -> Prompt:
        """A last message of the assistant is left open, so that the model goes on with it."""
        last = messages[-1] if messages else PromptMessage("user", "")
        # A prompt that ends in a space misleads models: their words begin with it.
        drop_space = last.role == "assistant" and last.content.endswith(" ")
        contents = [message.content for message in messages]
        if drop_space:
            contents[-1] = contents[-1][:-1]
        marked = [
            {"role": message.role, "content": f"\ue000{index}\ue001"}
            for index, message in enumerate(messages)
        ]
        # Thoughts could not be told from the answer; models that know the switch leave them out.
        thoughts = {"enable_thinking": False}
        body = await self._post(
            "/apply-template", {"messages": marked, "chat_template_kwargs": thoughts}
        )
        text = msgspec.json.decode(body, type=_Rendered).prompt
        texts = await self.tokenize(contents)
        tokens: list[int] = []
        for place, part in enumerate(_MARK.split(text)):
            # Split by a group: text, index, text, index, …, text.
            tokens += texts[int(part)] if place % 2 else await self._piece(part, first=place == 0)
        return Prompt(tokens, drop_space)

    async def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each text, all in one call: the separator is a control token, which
        plain text never yields."""
        if not texts:
            return []
        content = [part for text in texts for part in (text, self._separator)]
        question = {"content": content, "parse_special": False, "add_special": False}
        tokens = await self._ask(question)
        found: list[list[int]] = []
        start = 0
        for _ in texts:
            end = tokens.index(self._separator, start)
            found.append(tokens[start:end])
            start = end + 1
        return found

    async def _piece(self, text: str, *, first: bool) -> list[int]:
        """Template text: its control tokens count; the first piece brings the model's own start
        token where it wants one."""
        known = self._pieces.get((text, first))
        if known is not None:
            return known
        question = {"content": text, "parse_special": True, "add_special": first}
        tokens = await self._ask(question) if text or first else []
        self._pieces[text, first] = tokens
        if len(self._pieces) > _PIECES_KEPT:
            self._pieces.popitem(last=False)
        return tokens

    async def _ask(self, question: object) -> list[int]:
        body = await self._post("/tokenize", question)
        if len(body) > _BIG:
            decoded = await asyncio.to_thread(msgspec.json.decode, body, type=_Tokens)
        else:
            decoded = msgspec.json.decode(body, type=_Tokens)
        return decoded.tokens
