"""State plus events equals a fresh fetch, whatever changes and however late it is read."""

from dataclasses import replace

from hypothesis.stateful import Bundle, consumes, invariant, rule

from tertulia.domain.conversations import Conversation
from tertulia.domain.feed import ChangeKind, FeedPage
from tertulia.domain.ids import UserId
from tertulia.domain.messages import Author, Message, Status
from tertulia.ports.store import MessageChange, StaleEpochError, Tx
from tests.ports.store_machines import StoreMachine, run_machine
from tests.ports.stores import World, conversation, message


class Client:
    """Holds what it was told: conversations and messages by id."""

    def __init__(self) -> None:
        self.after = 0
        self.conversations: dict[str, Conversation] = {}
        self.messages: dict[str, Message] = {}

    def apply(self, page: FeedPage) -> None:
        for change in page.changes:
            self.after = change.seq
            if change.conversation is not None:
                self.conversations[change.conversation_id] = change.conversation
            if change.message is not None:
                self.messages[change.message.id] = change.message
            if change.kind is ChangeKind.CONVERSATION_ERASED:
                self.conversations.pop(change.conversation_id, None)
                self.messages = {
                    key: held
                    for key, held in self.messages.items()
                    if held.conversation_id != change.conversation_id
                }


def hidden(held: Message) -> Message:
    """Without the text of a reply on its way: that one is read from its stream."""
    return held if held.status.is_final else replace(held, text="")


class FeedMachine(StoreMachine):
    """Every mutation of what a user sees, in any order; two clients follow at their own pace."""

    conversations = Bundle("conversations")
    messages = Bundle("messages")

    def __init__(self) -> None:
        super().__init__()
        self.owner = UserId(conversation(UserId("")).id)  # a user of this run alone
        self.eager, self.lazy = Client(), Client()

    @rule(target=conversations)
    def create(self) -> Conversation:
        return self.write(lambda tx: tx.conversations.create(conversation(self.owner)))

    @rule(target=messages, held=conversations)
    def append(self, held: Conversation) -> Message | None:
        new = message(held.id, author=Author.ASSISTANT, status=Status.STREAMING, text="")

        def work(tx: Tx) -> Message | None:
            return None if tx.conversations.get(held.id) is None else tx.messages.append(new)

        return self.write(work)

    @rule(held=messages)
    def checkpoint(self, held: Message | None) -> None:
        def work(tx: Tx) -> None:
            found = held and tx.messages.get(held.conversation_id, held.id)
            if found and not found.status.is_final:
                tx.messages.checkpoint(
                    found.conversation_id, found.id, epoch=1, offset=len(found.text), text="x"
                )

        self.write(work)

    @rule(held=messages)
    def change(self, held: Message | None) -> None:
        def work(tx: Tx) -> None:
            if held and tx.messages.get(held.conversation_id, held.id):
                tx.messages.change(held.conversation_id, held.id, MessageChange(model="m"))

        self.write(work)

    @rule(held=messages)
    def finish(self, held: Message | None) -> None:
        def work(tx: Tx) -> None:
            if held and tx.messages.get(held.conversation_id, held.id):
                change = MessageChange(epoch=1, status=Status.COMPLETE, text="done")
                tx.messages.change(held.conversation_id, held.id, change)

        self.write(work)

    @rule(held=messages)
    def fail_after_a_change(self, held: Message | None) -> None:
        """A unit of work that fails numbers nothing."""

        def work(tx: Tx) -> None:
            if held and tx.messages.get(held.conversation_id, held.id):
                tx.messages.change(held.conversation_id, held.id, MessageChange(model="wrong"))
            raise StaleEpochError

        try:
            self.write(work)
        except StaleEpochError:
            return

    @rule(held=conversations)
    def touch_and_rename(self, held: Conversation) -> None:
        def work(tx: Tx) -> None:
            found = tx.conversations.get(held.id)
            if found:
                tx.conversations.change(replace(found, title=f"{found.revision}"))

        self.write(work)

    @rule(held=consumes(conversations))
    def erase(self, held: Conversation) -> None:
        self.write(lambda tx: tx.conversations.erase(held.id))

    @rule()
    def lazy_reads_a_little(self) -> None:
        self.lazy.apply(self._page(self.lazy.after, 2))

    @invariant()
    def the_eager_client_is_up_to_date(self) -> None:
        self._catch_up(self.eager)

    def teardown(self) -> None:
        """However late, and over whatever pages."""
        self._catch_up(self.lazy)

    def _catch_up(self, client: Client) -> None:
        while (page := self._page(client.after, 50)).changes:
            client.apply(page)
        self._check(client)

    def _page(self, after: int, limit: int) -> FeedPage:
        return self.read(lambda tx: tx.feed.read(self.owner, after=after, limit=limit))

    def _check(self, client: Client) -> None:
        def fetch(tx: Tx) -> tuple[list[Conversation], list[Message]]:
            found = tx.conversations.page(self.owner, archived=False, after=None, limit=1000)
            return list(found), [
                m
                for c in found
                for m in tx.messages.page(c.id, before=None, after=None, limit=1000)
            ]

        conversations, messages = self.read(fetch)
        assert client.conversations == {c.id: c for c in conversations}
        held = {key: hidden(value) for key, value in client.messages.items()}
        assert held == {m.id: hidden(m) for m in messages}


async def test_state_plus_events_equals_a_fresh_fetch(world: World) -> None:
    await run_machine(FeedMachine, world, examples=40, steps=25)
