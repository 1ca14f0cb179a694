"""The store: everything that must never be lost, changed one unit of work at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol, TypeVar

from tertulia.domain.conversations import Conversation
from tertulia.domain.event_bodies import decoded
from tertulia.domain.events import Event
from tertulia.domain.feed import FeedPage
from tertulia.domain.ids import ConversationId, MessageId, RequestId, UserId
from tertulia.domain.messages import Author, ContextReport, Feedback, Labels, Message, Status, Usage
from tertulia.kit.errors import Kind, TertuliaError

T = TypeVar("T")

# A reader that takes nothing holds one page: a hundred long messages would be 100 MB of it.
PAGE_CHARACTERS: Final = 256 * 1024
"""A page ends, before its limit, with the message whose text goes beyond this."""

ANY_LENGTH: Final = 2**62
"""No bound of characters."""


class StoreUnavailableError(TertuliaError):
    """The database cannot be reached or is busy; nothing was changed. Transient."""

    code = "store_unavailable"
    kind = Kind.UNAVAILABLE


class OutcomeUnknownError(StoreUnavailableError):
    """The connection to the database broke while the change was stored; it may have been.

    Do the same thing again: request ids, the inbox, epochs and fences make it happen once.
    """

    code = "outcome_unknown"


class StorageFullError(TertuliaError):
    """The disk is full; nothing was changed."""

    code = "storage_full"
    kind = Kind.STORAGE_FULL


class MissingError(TertuliaError):
    """There is no such conversation or message."""

    code = "not_found"
    kind = Kind.NOT_FOUND


class AlreadyExistsError(TertuliaError):
    """Something with this id exists already."""

    code = "already_exists"
    kind = Kind.CONFLICT


class Store(Protocol):
    """Units of work over one database.

    `write` runs `work` in one transaction, in a thread of the store's, and returns once it is
    durable; it is all or nothing, and an exception of `work` undoes it alone. `work` may run
    again after a passing failure, so it must have no effect but on its `tx`. Units of work of
    several processes run beside each other; a conversation or message that `work` gets with `get`
    or `of_purpose` stays as it is until the unit of work ends. `read` runs `work` on a consistent
    snapshot that cannot write; `brief` promises that it takes well under a millisecond, so it may
    run in the caller's thread where the database is a file. Both raise StoreUnavailableError (and
    `write` OutcomeUnknownError) and StorageFullError. After a commit, signals `feed:{user_id}`,
    `outbox:{topic}`, `outbox` (of any topic) and `reply:{message_id}` are published for what
    changed.
    """

    async def write(self, work: "Callable[[Tx], T]") -> T: ...

    async def read(self, work: "Callable[[Tx], T]", *, brief: bool = False) -> T: ...


class Tx(Protocol):
    """What one unit of work can see and change. Use it only inside `work`."""

    @property
    def now(self) -> datetime:
        """The time of this unit of work; never before that of an earlier one that was committed
        by this process, or by another one a second or more before."""
        ...

    @property
    def accounts(self) -> "Accounts": ...

    @property
    def credentials(self) -> "Credentials": ...

    @property
    def conversations(self) -> "Conversations": ...

    @property
    def messages(self) -> "MessageLog": ...

    @property
    def requests(self) -> "Requests": ...

    @property
    def feed(self) -> "Feed": ...

    @property
    def outbox(self) -> "Outbox": ...

    @property
    def inbox(self) -> "Inbox": ...

    @property
    def queue(self) -> "Queue": ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    id: UserId
    name: str
    created_at: datetime


class Accounts(Protocol):
    def owner(self) -> Account:
        """The first account, made when there is none."""
        ...

    def get(self, user_id: UserId) -> Account | None: ...


CredentialKind = Literal["link", "session", "token"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A secret that signs in, known by its SHA-256 only. Links work once."""

    id: str
    kind: CredentialKind
    user_id: UserId
    name: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class Credentials(Protocol):
    """Expired credentials are as good as absent in `find`, `holds` and `consume`."""

    def add(self, credential: Credential, digest: bytes) -> None: ...

    def find(self, kind: CredentialKind, digest: bytes) -> Credential | None: ...

    def holds(self, credential_id: str) -> bool:
        """Whether it can still be found: asked again and again by live answers."""
        ...

    def consume(self, kind: CredentialKind, digest: bytes) -> Credential | None:
        """Find and remove, so that of any number of callers one gets it."""
        ...

    def touch(self, credential_id: str) -> None:
        """Note that it was used now."""
        ...

    def list(self, kind: CredentialKind) -> Sequence[Credential]:
        """All of a kind, oldest first."""
        ...

    def revoke(self, credential_id: str) -> bool:
        """False when there is none of that id."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationCursor:
    """A place in the list of conversations (pinned first, then latest change first)."""

    pinned: bool
    updated_at: datetime
    id: ConversationId


class Conversations(Protocol):
    """`create` and `change` number the change in the owner's feed, in the same transaction.

    A conversation has a data key of its own from its first row; `erase` destroys the key and
    every row, so that what remains in old pages cannot be read. A backup made before holds the
    wrapped key still, until the master key is rotated and its old version destroyed.
    """

    def create(self, conversation: Conversation) -> Conversation:
        """`revision`, `created_at` and `updated_at` are set here."""
        ...

    def get(self, conversation_id: ConversationId) -> Conversation | None: ...

    def of_purpose(self, owner_id: UserId, purpose: str) -> Conversation | None: ...

    def page(
        self,
        owner_id: UserId,
        *,
        archived: bool,
        after: ConversationCursor | None,
        limit: int,
    ) -> Sequence[Conversation]: ...

    def change(self, conversation: Conversation) -> Conversation:
        """Store the new state of title, titled_by_user, model, leaf_id, pinned and archived;
        `revision` and `updated_at` are set here."""
        ...

    def touch(self, conversation_id: ConversationId, leaf_id: MessageId) -> Conversation:
        """A message was added: it is the leaf now, and the conversation moves up the list."""
        ...

    def erase(self, conversation_id: ConversationId) -> bool:
        """False when there is none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    id: MessageId
    conversation_id: ConversationId
    parent_id: MessageId | None
    author: Author
    status: Status
    text: str
    model: str | None = None


class StaleEpochError(TertuliaError):
    """Another attempt at this reply has begun; this writer must stop."""

    code = "stale_epoch"
    kind = Kind.CONFLICT


class MessageLog(Protocol):
    """The history of conversations, one row a message; text is encrypted at rest.

    Every visible change is numbered in the owner's feed in the same transaction. `append`
    assigns `seq` without gaps under the conversation's row lock.
    """

    def append(self, message: NewMessage) -> Message: ...

    def get(self, conversation_id: ConversationId, message_id: MessageId) -> Message | None: ...

    def page(
        self,
        conversation_id: ConversationId,
        *,
        before: int | None,
        after: int | None,
        limit: int,
    ) -> Sequence[Message]:
        """In order of `seq`: those after `after`; else the last ones before `before` (or of
        all). Fewer than `limit` when their text goes beyond PAGE_CHARACTERS; an empty page
        alone says that there are no more."""
        ...

    def path(
        self,
        conversation_id: ConversationId,
        leaf_id: MessageId,
        *,
        limit: int,
        characters: int = ANY_LENGTH,
    ) -> Sequence[Message]:
        """The branch that ends at the leaf, oldest first, at most its last `limit` messages, and
        of those not more than go beyond `characters` together."""
        ...

    def checkpoint(
        self,
        conversation_id: ConversationId,
        reply_id: MessageId,
        *,
        epoch: int,
        offset: int,
        text: str,
    ) -> bool:
        """Append `text` at character `offset` of a streaming reply. Costs what `text` costs,
        not what the reply has grown to. Returns whether a stop was requested.
        StaleEpochError when the reply's epoch is another or it is final."""
        ...

    def change(
        self, conversation_id: ConversationId, message_id: MessageId, change: "MessageChange"
    ) -> Message:
        """Apply every field of `change` that is not None; StaleEpochError when its `epoch` is
        given and is not the message's."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageChange:
    """`epoch` guards the change, `next_epoch` replaces the epoch. `text` replaces the text and
    drops the checkpoints. `clear_feedback` and `clear_error` set those to None."""

    epoch: int | None = None
    next_epoch: int | None = None
    status: Status | None = None
    text: str | None = None
    normalized: str | None = None
    labels: Labels | None = None
    usage: Usage | None = None
    context: ContextReport | None = None
    error_code: str | None = None
    clear_error: bool = False
    feedback: Feedback | None = None
    clear_feedback: bool = False
    model: str | None = None
    stop_requested: bool | None = None


class RequestReusedError(TertuliaError):
    """This request id was used before with another body."""

    code = "request_id_reused"
    kind = Kind.MISMATCH


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOutcome:
    """What a client-made request id led to."""

    conversation_id: ConversationId
    message_id: MessageId | None
    reply_id: MessageId | None


class Requests(Protocol):
    """Client-made request ids, unique per user: the same id again is the same request again."""

    def outcome(self, user_id: UserId, request_id: RequestId, body: bytes) -> RequestOutcome | None:
        """None when the id is new. RequestReusedError when its body was another (bodies are
        kept as keyed digests only)."""
        ...

    def record(
        self, user_id: UserId, request_id: RequestId, body: bytes, outcome: RequestOutcome
    ) -> None: ...


class Feed(Protocol):
    """Per-user numbered changes, 1, 2, 3 … without gaps; written by the other repositories."""

    def read(self, user_id: UserId, *, after: int, limit: int) -> FeedPage:
        """At most `limit` changes, fewer (but one) when what changed is long."""
        ...

    def head(self, user_id: UserId) -> int:
        """The number of the latest change; 0 before the first."""
        ...

    def prune(self, *, before: datetime, limit: int) -> int:
        """Drop up to `limit` changes older than `before`; returns how many."""
        ...


class Outbox(Protocol):
    """Events leave by the transaction that caused them, and only so."""

    def add(self, topic: str, key: str, event: Event) -> str:
        """Returns the id of the bus message. Messages of one `key` keep their order."""
        ...


class Inbox(Protocol):
    """Makes a consumer's effect happen once: its row commits with the effect."""

    def accept(self, consumer: str, message_id: str) -> bool:
        """False when this consumer has accepted this message before."""
        ...

    def prune(self, *, before: datetime, limit: int) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedMessage:
    """An outbox row taken on a lease. `fence` grows with every take; an older one is refused. Its
    event is left as it lies: whoever carries it elsewhere need not know its kind."""

    id: str
    topic: str
    key: str
    kind: str
    version: int
    body: bytes
    fence: int
    attempts: int
    """How often it was taken, this time included."""
    created_at: datetime

    def event(self) -> Event:
        """UnknownEventError and UnreadableEventError as `decoded`."""
        return decoded(self.kind, self.version, self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadMessage:
    id: str
    topic: str
    kind: str
    attempts: int
    reason: str
    died_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicDepth:
    """`waiting`: due now or later, `leased`: in somebody's hands, `dead`: given up.
    `oldest_at`: when the oldest waiting one was made."""

    topic: str
    waiting: int
    leased: int
    dead: int
    oldest_at: datetime | None


Settlement = Literal["done", "retry", "dead"]


class Queue(Protocol):
    """The outbox table as a queue: what the embedded bus is made of."""

    def take(
        self,
        topics: Sequence[str],
        *,
        limit: int,
        lease: timedelta,
        unknown_for: timedelta = timedelta(0),
    ) -> Sequence[QueuedMessage]:
        """Lease messages that are due (fresh, due for a retry, or whose lease has run out),
        oldest first; a key with a message still leased or waiting for its retry gives no later
        one. What is not known here is left to processes of other versions until it is older than
        `unknown_for`."""
        ...

    def take_any(self, *, limit: int, lease: timedelta) -> Sequence[QueuedMessage]:
        """As `take`, of whatever topic."""
        ...

    def extend(self, message_id: str, fence: int, *, lease: timedelta) -> bool:
        """False when the lease is lost."""
        ...

    def settle(
        self,
        message_id: str,
        fence: int,
        settlement: Settlement,
        *,
        reason: str = "",
        delay: timedelta = timedelta(0),
        counted: bool = True,
    ) -> bool:
        """False when the lease is lost; then nothing changes. `delay` is that of a retry.
        A retry that is not `counted` takes this delivery back out of `attempts`: the message was
        handed back, not failed."""
        ...

    def depths(self) -> Sequence[TopicDepth]:
        """How much each topic holds that is not done, by topic; for metrics and for schedules."""
        ...

    def release_all(self) -> int:
        """Void every lease: only for a process that holds the database alone."""
        ...

    def dead(self, *, topic: str | None, limit: int) -> Sequence[DeadMessage]: ...

    def replay(self, message_ids: Sequence[str]) -> int:
        """Make dead messages due again, with their attempts counted anew; returns how many."""
        ...

    def prune(self, *, before: datetime, limit: int) -> int:
        """Drop messages that were done before then."""
        ...
