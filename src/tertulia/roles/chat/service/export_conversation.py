"""A whole conversation as one document."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tertulia.domain.access import Principal
from tertulia.domain.conversations import BUILT_IN, Conversation
from tertulia.domain.messages import Author, Message, Status
from tertulia.ports.store import Store, Tx
from tertulia.roles.chat.service.access import access_conversation

PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class WholeConversation:
    """All messages by `seq`, and of those the branch that is shown."""

    conversation: Conversation
    messages: Sequence[Message]

    @property
    def branch(self) -> Sequence[Message]:
        by_id = {message.id: message for message in self.messages}
        branch: list[Message] = []
        at = self.conversation.leaf_id
        while at is not None:
            branch.append(by_id[at])
            at = by_id[at].parent_id
        return branch[::-1]


async def read_whole(store: Store, principal: Principal, conversation_id: str) -> WholeConversation:
    """In one snapshot."""

    def look(tx: Tx) -> WholeConversation:
        conversation = access_conversation(tx, principal, conversation_id)
        messages: list[Message] = []
        while True:
            last = messages[-1].seq if messages else 0
            page = tx.messages.page(conversation.id, before=None, after=last, limit=PAGE)
            messages += page
            if len(page) < PAGE:
                return WholeConversation(conversation, messages)

    return await store.read(look)


def as_markdown(whole: WholeConversation) -> str:
    """The branch that is shown, for people."""
    return "\n".join(_lines(whole))


def _lines(whole: WholeConversation) -> Iterator[str]:
    conversation = whole.conversation
    character = BUILT_IN.get(conversation.character_id)
    name = character.name if character else conversation.character_id
    yield f"# {conversation.title or 'Untitled conversation'}"
    yield ""
    for message in whole.branch:
        speaker = "You" if message.author is Author.USER else name
        cut = "" if message.status is Status.COMPLETE else f" ({message.status.value})"
        yield f"## {speaker}{cut}"
        yield ""
        yield f"*{message.created_at:%Y-%m-%d %H:%M} UTC*"
        yield ""
        yield message.text
        yield ""
