"""What the gateway refuses."""

from tertulia.kit.errors import Kind, TertuliaError


class GatewayError(TertuliaError):
    """The gateway refused."""


class LinkInvalidError(GatewayError):
    """This sign-in link was used before or has expired; `tertulia link` prints a new one."""

    code = "link_invalid"
    kind = Kind.UNAUTHENTICATED


class TokenNotFoundError(GatewayError):
    """There is no such token."""

    code = "token_not_found"
    kind = Kind.NOT_FOUND


class RateLimitedError(GatewayError):
    """Too many requests; try again after `retry_after_s` seconds."""

    code = "rate_limited"
    kind = Kind.LIMITED
