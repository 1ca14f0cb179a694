"""A whole conversation as one document, a page in memory at a time."""

from collections.abc import AsyncGenerator, Sequence
from typing import Final

from tertulia.domain.access import Principal
from tertulia.domain.conversations import BUILT_IN, Conversation
from tertulia.domain.ids import MessageId
from tertulia.domain.messages import Author, Message, Status
from tertulia.ports.store import PAGE_CHARACTERS, Store, Tx
from tertulia.roles.chat.service.access import access_conversation

PAGE: Final = 500

Pages = AsyncGenerator[Sequence[Message], None]
"""Each page is read when it is asked for, so that a slow reader keeps no snapshot open. An erased
conversation ends them with an error."""


async def every_message(store: Store, principal: Principal, conversation_id: str) -> Pages:
    """All branches, by `seq`."""
    after = 0

    def look(tx: Tx) -> Sequence[Message]:
        conversation = access_conversation(tx, principal, conversation_id)
        return tx.messages.page(conversation.id, before=None, after=after, limit=PAGE)

    while page := await store.read(look):
        yield page
        after = page[-1].seq


async def shown_branch(store: Store, principal: Principal, conversation_id: str) -> Pages:
    """The branch that is shown, oldest first."""

    def measure(tx: Tx) -> list[tuple[MessageId, int]]:
        conversation = access_conversation(tx, principal, conversation_id)
        pages: list[tuple[MessageId, int]] = []
        at = conversation.leaf_id
        while at is not None:
            page = tx.messages.path(conversation.id, at, limit=PAGE, characters=PAGE_CHARACTERS)
            pages.append((at, len(page)))
            at = page[0].parent_id
        return pages

    for last, count in reversed(await store.read(measure)):

        def look(tx: Tx, last: MessageId = last, count: int = count) -> Sequence[Message]:
            conversation = access_conversation(tx, principal, conversation_id)
            return tx.messages.path(conversation.id, last, limit=count)

        yield await store.read(look)


async def as_markdown(conversation: Conversation, branch: Pages) -> AsyncGenerator[str, None]:
    """For people."""
    character = BUILT_IN.get(conversation.character_id)
    name = character.name if character else conversation.character_id
    yield f"# {conversation.title or 'Untitled conversation'}\n"
    async for page in branch:
        yield "".join(_section(message, name) for message in page)


def _section(message: Message, name: str) -> str:
    speaker = "You" if message.author is Author.USER else name
    cut = "" if message.status is Status.COMPLETE else f" ({message.status.value})"
    at = f"{message.created_at:%Y-%m-%d %H:%M} UTC"
    return f"\n## {speaker}{cut}\n\n*{at}*\n\n{message.text}\n"
