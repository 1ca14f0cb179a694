"""Titles: the model names a conversation after its first complete reply."""

import asyncio
import re
from contextlib import aclosing
from dataclasses import replace
from typing import Final

import structlog

from tertulia.domain.conversations import Conversation
from tertulia.domain.events import ReplyFinished
from tertulia.domain.messages import Author, Status
from tertulia.domain.normalization import normalized
from tertulia.kit.crash_points import crash_point
from tertulia.ports.bus import Delivery
from tertulia.ports.chat_model import ChatModel, ChatRequest, ModelError, PromptMessage, Text
from tertulia.ports.store import Store, Tx
from tertulia.roles.inference.settings import InferenceSettings

CONSUMER: Final = "titles"
TITLE_TOKENS: Final = 24
TITLE_CHARACTERS: Final = 60
QUESTION_CHARACTERS: Final = 600  # what a conversation is about stands at its beginning

# Examples rather than instructions: a model of 135 million parameters follows these, too. Quotes
# keep it from answering: without them SmolLM2-135M replied to 4 of 8 messages, with them to 1.
_EXAMPLES: Final = (
    PromptMessage("system", "You give conversations short titles, in their own language."),
    PromptMessage("user", '"hi, how long do i boil an egg so that the yolk stays soft?"'),
    PromptMessage("assistant", "Soft-boiled eggs"),
    PromptMessage("user", '"hello"'),
    PromptMessage("assistant", "A greeting"),
    PromptMessage("user", '"¿Puedes explicarme cómo funciona una hipoteca?"'),
    PromptMessage("assistant", "Cómo funciona una hipoteca"),
    PromptMessage("user", '"Write a Python function that reverses a linked list."'),
    PromptMessage("assistant", "Reversing a linked list"),
)
_LABEL: Final = re.compile(r"^(?:title|título|titre|titel)\s*[:\uff1a-]\s*", re.IGNORECASE)
_INLINE: Final = re.compile(r"(?<!\w)(\*{1,3}|`+)(\S(?:.*?\S)?)\1(?!\w)")
_MARKUP: Final = " \t*_#`\"'\u201c\u201d\u201e\u00ab\u00bb\u2018\u2019"
_STOPS: Final = ".,;:!\u3002\uff0c\u3001"

log = structlog.stdlib.get_logger(__name__)


class Titles:
    """Consumes `replies`, one at a time and in the model's background: never in a reply's way."""

    def __init__(self, store: Store, model: ChatModel, settings: InferenceSettings) -> None:
        self._store = store
        self._model = model
        self._settings = settings

    async def on_reply_finished(self, delivery: Delivery) -> None:
        """Name the conversation unless it has a name, or a person took it away."""
        event = delivery.event
        if not isinstance(event, ReplyFinished) or event.status != Status.COMPLETE:
            return
        if not self._settings.titles:
            return
        asked = await self._store.read(lambda tx: _question(tx, event))
        if asked is None:
            return
        try:
            title = await self._title(*asked)
        except ModelError as error:
            if error.transient:
                raise
            title = ""
        if not title:
            log.info("no title", conversation_id=event.conversation_id)
            return

        def name(tx: Tx) -> None:
            conversation = _unnamed(tx, event)
            if conversation is not None and tx.inbox.accept(CONSUMER, delivery.id):
                tx.conversations.change(replace(conversation, title=title))

        crash_point("titles.before_commit")
        await self._store.write(name)
        crash_point("titles.after_commit")

    async def _title(self, question: str, model: str) -> str:
        request = ChatRequest(
            model=model,
            messages=(*_EXAMPLES, PromptMessage("user", f'"{question}"')),
            max_tokens=TITLE_TOKENS,
            temperature=0.0,
            background=True,
        )
        async with (
            asyncio.timeout(self._settings.title_timeout_s),
            aclosing(self._model.stream(request)) as chunks,
        ):
            said = [chunk.text async for chunk in chunks if isinstance(chunk, Text)]
        return tidy_title("".join(said))


def tidy_title(said: str) -> str:
    """The first line of what a model says, without the label, quotes, markup and full stop that
    models like to add, cut at a word; empty when nothing is left."""
    lines = [line.strip(_MARKUP) for line in _INLINE.sub(r"\2", normalized(said)).splitlines()]
    title = next((line for line in lines if line), "")
    title = " ".join(_LABEL.sub("", title).strip(_MARKUP).rstrip(_STOPS).split())
    if len(title) > TITLE_CHARACTERS:
        cut = title[:TITLE_CHARACTERS].rsplit(" ", 1)[0]
        title = cut.rstrip(_STOPS + _MARKUP) + "…"
    return title


def _unnamed(tx: Tx, event: ReplyFinished) -> Conversation | None:
    conversation = tx.conversations.get(event.conversation_id)
    if conversation is None or conversation.titled_by_user or conversation.title is not None:
        return None
    return conversation


def _question(tx: Tx, event: ReplyFinished) -> tuple[str, str] | None:
    """What the person asked first on this branch, and the model that answered."""
    if _unnamed(tx, event) is None:
        return None
    path = tx.messages.path(event.conversation_id, event.reply_id, limit=20)
    asked = [message for message in path if message.author is Author.USER]
    model = path[-1].model if path else None
    if not asked or model is None:
        return None
    return asked[0].prompt_text[:QUESTION_CHARACTERS], model
