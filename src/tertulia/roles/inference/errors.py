"""Why replies end early: the codes that stand in a reply's `error_code`.

Those of a ModelError are its own. A reply without text is `failed`, one with text `interrupted`.
"""

from typing import Final

from tertulia.kit.errors import TertuliaError

PROCESS_ENDED: Final = "process_ended"
"""Its process died or was stopped; going on is up to the person."""

REPLY_LIMIT: Final = "reply_limit"
"""The longest allowed reply was reached before its end."""

STORAGE_FULL: Final = "storage_full"
"""There was no room to save it."""

STORE_UNAVAILABLE: Final = "store_unavailable"
"""The store did not answer for too long."""

EMPTY_REPLY: Final = "empty_reply"
"""The model ended its answer before it began."""

INTERNAL_ERROR: Final = "internal_error"
"""Something unexpected; the log says what."""


class WorkerInTroubleError(TertuliaError):
    """This process cannot run its model; what it had to write went to other workers."""

    code = "worker_in_trouble"
