"""From a conversation's branch to a prompt that fits the model."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from tertulia.domain.context import Fit, Piece, fit
from tertulia.domain.conversations import BUILT_IN, Conversation
from tertulia.domain.ids import ConversationId, MessageId
from tertulia.domain.messages import Author, ContextReport, Message
from tertulia.kit.lru import Lru
from tertulia.kit.metrics import RECENT_TURNS, RECENT_TURNS_BYTES
from tertulia.ports.chat_model import (
    ChatModel,
    ChatRequest,
    ModelUnavailableError,
    PromptMessage,
    PromptTooLongError,
)
from tertulia.ports.recent_turns import RecentMessage, RecentTurns
from tertulia.ports.store import MissingError, Store
from tertulia.roles.inference.settings import InferenceSettings

RESERVE_TOKENS: Final = 1024  # a long answer; never more than a quarter of the window
UNKNOWN_WINDOW: Final = 4096  # of a model that answers to its name without being listed
COUNTS_KEPT: Final = 20_000  # 100 full branches, 4 MB
BEGINNINGS_KEPT: Final = 10_000  # conversations whose evaluated prefix may still be held


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What to ask, what it holds of the conversation, and the branch it was made of."""

    request: ChatRequest
    report: ContextReport
    branch: tuple[RecentMessage, ...]


class Prompts:
    """Makes prompts. Remembers token counts and where each conversation's last prompt began, so
    that the next one begins there too and the model finds its evaluated prefix."""

    def __init__(
        self, store: Store, recent: RecentTurns, model: ChatModel, settings: InferenceSettings
    ) -> None:
        self._store = store
        self._recent = recent
        self._model = model
        self._settings = settings
        self._counts: Lru[tuple[str, MessageId, int], int] = Lru(COUNTS_KEPT)
        self._beginnings: Lru[ConversationId, MessageId] = Lru(BEGINNINGS_KEPT)

    async def prompt(
        self, conversation: Conversation, message_id: MessageId, reply: Message
    ) -> Prompt:
        """The prompt for `reply` to `message_id`. A reply that has text is to be gone on with:
        it comes last. PromptTooLongError when not even that fits; other ModelErrors."""
        name, window_tokens = await self._choose(reply.model or conversation.model)
        branch = await self._branch(conversation.id, message_id)
        spoken = [message for message in branch if message.text or message is branch[-1]]
        if reply.text:
            spoken.append(recent_message(reply))
        system = BUILT_IN[conversation.character_id].system_prompt
        tokens = await self._count(name, system, spoken)
        found = self._fit(conversation.id, spoken, tokens, window_tokens, going_on=bool(reply.text))
        shown = spoken[found.first :]
        self._beginnings.put(conversation.id, shown[0].id)
        limit = self._settings.reply_tokens
        return Prompt(
            request=ChatRequest(
                model=name,
                messages=(PromptMessage("system", system), *_merged(shown)),
                max_tokens=None if limit is None else min(limit, found.reply_tokens),
                conversation_id=conversation.id,
            ),
            report=ContextReport(
                included=len(shown),
                left_out=found.first + self._before(branch),
                prompt_tokens=found.prompt_tokens,
                window_tokens=window_tokens,
            ),
            branch=branch,
        )

    async def remember(self, prompt: Prompt, reply: Message) -> None:
        """Hold the branch with its reply for the next turn."""
        branch = (*prompt.branch, recent_message(reply))
        await self._recent.put(reply.conversation_id, branch)
        RECENT_TURNS_BYTES.set(await self._recent.size_bytes())

    def _fit(
        self,
        conversation_id: ConversationId,
        spoken: Sequence[RecentMessage],
        tokens: Sequence[int],
        window_tokens: int,
        *,
        going_on: bool,
    ) -> Fit:
        """`tokens` are those of the system prompt and then of each message."""
        beginning = self._beginnings.get(conversation_id)
        reserve = min(self._settings.reply_tokens or RESERVE_TOKENS, window_tokens // 4)
        found = fit(
            [
                Piece(tokens=count, may_begin=message.author is Author.USER)
                for count, message in zip(tokens[1:], spoken, strict=True)
            ],
            system_tokens=tokens[0],
            window_tokens=window_tokens,
            reserve_tokens=reserve,
            required=2 if going_on else 1,
            begin_at=next((i for i, m in enumerate(spoken) if m.id == beginning), None),
        )
        if found is None:
            raise PromptTooLongError(window_tokens=window_tokens)
        return found

    async def _choose(self, name: str | None) -> tuple[str, int]:
        offered = await self._model.models()
        if name is None:
            if not offered:
                raise ModelUnavailableError
            return offered[0].id, offered[0].window_tokens
        window = next((m.window_tokens for m in offered if m.id == name), UNKNOWN_WINDOW)
        return name, window

    async def _branch(
        self, conversation_id: ConversationId, leaf_id: MessageId
    ) -> tuple[RecentMessage, ...]:
        held = await self._recent.get(conversation_id, leaf_id)
        RECENT_TURNS.labels("miss" if held is None else "hit").inc()
        if held is not None:
            return held[-self._settings.branch_messages :]
        limit = self._settings.branch_messages
        path = await self._store.read(
            lambda tx: tx.messages.path(conversation_id, leaf_id, limit=limit)
        )
        if not path:
            raise MissingError(message_id=leaf_id)
        return tuple(recent_message(message) for message in path)

    def _before(self, branch: Sequence[RecentMessage]) -> int:
        """Messages before the branch as it was read: by the number of its first one, so other
        branches count too."""
        whole = len(branch) < self._settings.branch_messages
        return 0 if whole else branch[0].seq - 1

    async def _count(
        self, model: str, system: str, messages: Sequence[RecentMessage]
    ) -> Sequence[int]:
        """Tokens of the system prompt and of each message; only what is new is counted."""
        keys = [(model, MessageId(""), len(system))]
        keys += [(model, message.id, len(message.text)) for message in messages]
        texts = [system, *(message.text for message in messages)]
        known = [self._counts.get(key) for key in keys]
        new = [index for index, count in enumerate(known) if count is None]
        counted = await self._model.count_tokens(model, [texts[index] for index in new])
        for index, count in zip(new, counted, strict=True):
            known[index] = count
            self._counts.put(keys[index], count)
        return [count or 0 for count in known]


def recent_message(message: Message) -> RecentMessage:
    """A message as models read it."""
    return RecentMessage(
        id=message.id, seq=message.seq, author=message.author, text=message.prompt_text
    )


def _merged(messages: Sequence[RecentMessage]) -> list[PromptMessage]:
    """Two messages of one author in a row (the reply between them failed) become one: many
    templates insist on turns that alternate."""
    return [
        PromptMessage(
            "user" if author is Author.USER else "assistant",
            "\n\n".join(message.text for message in group),
        )
        for author, group in groupby(messages, key=lambda message: message.author)
    ]
