"""The driver, which has no types: imported here alone."""

from importlib import import_module
from typing import Any, Final

errors: Final[Any] = import_module("cassandra")
auth: Final[Any] = import_module("cassandra.auth")
cluster: Final[Any] = import_module("cassandra.cluster")
policies: Final[Any] = import_module("cassandra.policies")

# What a node or the driver says when something does not answer, or not in time. Mistakes in
# statements are other errors.
UNANSWERED: Final = (
    errors.Unavailable,
    errors.Timeout,
    errors.CoordinationFailure,
    errors.OperationTimedOut,
    errors.AuthenticationFailed,
    errors.Unauthorized,
    errors.UnresolvableContactPoints,
    cluster.NoHostAvailable,
    import_module("cassandra.connection").ConnectionException,
    OSError,
)
