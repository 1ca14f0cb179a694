"""Errors as problem documents (RFC 9457)."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response

from tertulia.kit.errors import Kind, TertuliaError
from tertulia.ports.http import ErrorSpeaker

MEDIA_TYPE: Final = "application/problem+json"

STATUS: Final[Mapping[Kind, int]] = {
    Kind.INVALID: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.DENIED: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.TOO_LARGE: 413,
    Kind.MISMATCH: 422,
    Kind.LIMITED: 429,
    Kind.UPSTREAM: 502,
    Kind.UNAVAILABLE: 503,
    Kind.STORAGE_FULL: 507,
}

# What the framework itself may raise.
CODES: Final = {400: "invalid_request", 404: "not_found", 405: "method_not_allowed"}

# A field's name may come from the client; anything longer or stranger is not repeated.
FIELD: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class InternalError(TertuliaError):
    """Something went wrong here. It has been logged with this request's id."""

    code = "internal"


class InvalidRequestError(TertuliaError):
    """The request does not have the form that this route takes."""

    code = "invalid_request"
    kind = Kind.INVALID


def problem(
    error: TertuliaError, *, status: int | None = None, extra: Mapping[str, object] | None = None
) -> Response:
    """The answer that tells of `error`."""
    status = status or STATUS[error.kind]
    document = {
        "type": f"/problems/{error.code}",
        "title": error.code.replace("_", " ").capitalize(),
        "status": status,
        "detail": error.message,
        "code": error.code,
        **error.data,
        **(extra or {}),
    }
    return Response(
        msgspec.json.encode(document), status, headers=headers_of(error), media_type=MEDIA_TYPE
    )


def headers_of(error: TertuliaError) -> dict[str, str]:
    """Headers that belong to an error: when to try again, how to sign in."""
    headers: dict[str, str] = {}
    retry_after_s = error.data.get("retry_after_s") or error.data.get("retry_after")
    if isinstance(retry_after_s, int | float):
        headers["retry-after"] = str(max(1, round(retry_after_s)))
    if error.kind is Kind.UNAUTHENTICATED:
        headers["www-authenticate"] = 'Bearer realm="tertulia"'
    return headers


def answer_error(
    connection: HTTPConnection,
    error: TertuliaError,
    *,
    status: int | None = None,
    extra: Mapping[str, object] | None = None,
) -> Response:
    """In the way of the route that was asked, if it has one."""
    status = status or STATUS[error.kind]
    speaker = cast("ErrorSpeaker | None", connection.scope.get("route"))
    if hasattr(speaker, "answer_error") and speaker is not None:
        answer = speaker.answer_error(error, status)
        answer.headers.update(headers_of(error))
        return answer
    return problem(error, status=status, extra=extra)


async def on_tertulia_error(connection: HTTPConnection, error: Exception) -> Response:
    return answer_error(connection, cast("TertuliaError", error))


async def on_http_exception(connection: HTTPConnection, error: Exception) -> Response:
    """The framework's own errors; one that wraps ours (while it read a body) becomes ours."""
    raised = cast("HTTPException", error)
    if isinstance(raised.__cause__, TertuliaError):
        return answer_error(connection, raised.__cause__)
    code = CODES.get(raised.status_code, "invalid_request")
    named = type("FrameworkError", (TertuliaError,), {"code": code})
    answer = answer_error(connection, named(raised.detail), status=raised.status_code)
    answer.headers.update(raised.headers or {})
    return answer


async def on_validation_error(connection: HTTPConnection, error: Exception) -> Response:
    raised = cast("RequestValidationError | WebSocketRequestValidationError", error)
    problems = [field_problem(found) for found in raised.errors()]
    first = problems[0]
    message = f"{first['field']}: {first['problem']}" if first["field"] else first["problem"]
    return answer_error(connection, InvalidRequestError(message), extra={"errors": problems})


async def on_surprise(connection: HTTPConnection, _error: Exception) -> Response:
    """What nobody foresaw; the observer logs it."""
    request_id = cast("str", connection.scope["state"].get("request_id", ""))
    return answer_error(connection, InternalError(request_id=request_id), status=500)


def field_problem(found: Mapping[str, Any]) -> dict[str, str]:
    """Which field is wrong and how, without what was in it."""
    where: Sequence[str | int] = found["loc"][1:]
    if found["type"] == "json_invalid":
        return {"field": "", "problem": "The body is not valid JSON."}
    names = [str(part) if FIELD.fullmatch(str(part)) else "?" for part in where]
    # Only messages without a quotation of the input may pass.
    if found["type"] in {"value_error", "uuid_parsing"}:
        return {"field": ".".join(names), "problem": "The value has the wrong form."}
    return {"field": ".".join(names), "problem": str(found["msg"])}
