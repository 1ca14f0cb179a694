"""What the chat role refuses."""

from tertulia.kit.errors import Kind, TertuliaError


class ChatError(TertuliaError):
    """The chat role refused."""


class ConversationNotFoundError(ChatError):
    """There is no such conversation."""

    code = "conversation_not_found"
    kind = Kind.NOT_FOUND


class MessageNotFoundError(ChatError):
    """There is no such message in this conversation."""

    code = "message_not_found"
    kind = Kind.NOT_FOUND


class MessageEmptyError(ChatError):
    """A message needs some text."""

    code = "message_empty"
    kind = Kind.INVALID


class MessageTooLargeError(ChatError):
    """The message is longer than `limit_bytes`."""

    code = "message_too_large"
    kind = Kind.TOO_LARGE


class ParentInvalidError(ChatError):
    """A message can follow a reply of the same conversation only."""

    code = "parent_invalid"
    kind = Kind.INVALID


class NotAReplyError(ChatError):
    """This can be done with replies only."""

    code = "not_a_reply"
    kind = Kind.INVALID


class NotContinuableError(ChatError):
    """Only a reply that was interrupted, cancelled or failed can be continued."""

    code = "reply_not_continuable"
    kind = Kind.CONFLICT


class CursorInvalidError(ChatError):
    """This cursor or position was not given out by this server."""

    code = "cursor_invalid"
    kind = Kind.INVALID


class RestartingError(ChatError):
    """The server is restarting; try again. What was sent is kept."""

    code = "restarting"
    kind = Kind.UNAVAILABLE


class TurnsLimitedError(ChatError):
    """Too many turns; try again after `retry_after_s` seconds."""

    code = "rate_limited"
    kind = Kind.LIMITED


class AnswerFailedError(ChatError):
    """The assistant could not give a whole answer."""

    code = "answer_failed"
    kind = Kind.UPSTREAM


class AnswerLateError(ChatError):
    """The answer takes too long; it will be in the history."""

    code = "answer_late"
    kind = Kind.UPSTREAM
