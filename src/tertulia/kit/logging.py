"""Structured logs: one JSON object a line for programs, coloured lines for a terminal.

A module's logger is `structlog.stdlib.get_logger(__name__)`. Events are short phrases, everything
else is a key: `log.info("reply finished", reply_id=…)`. Keys hold ids, counts, durations and
names, never what somebody wrote and never a secret.
"""

import logging
import re
import sys
import traceback
from collections.abc import Iterator
from typing import Final, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from tertulia.kit.errors import TertuliaError
from tertulia.kit.process_settings import LogFormat, LogLevel

# Sign-in links and API tokens start so; also a token that slips into an address or an error.
SECRET: Final = re.compile(r"(tt_|signin#|Bearer )[\w.~+/=-]{8,}")


def configure_logging(
    *, form: LogFormat = "auto", level: LogLevel = "info", stream: TextIO | None = None
) -> None:
    """Send structlog and the standard library's loggers to `stream` (stdout) in one form.

    `auto`: pretty when the stream is a terminal, else JSON.
    """
    out = stream or sys.stdout
    pretty = form == "pretty" or (form == "auto" and out.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(allow=()),
    ]
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(pretty=pretty, colours=out.isatty()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    _tame(root, level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _rendering(*, pretty: bool, colours: bool) -> list[Processor]:
    if pretty:
        return [_exception, _redact, structlog.dev.ConsoleRenderer(colors=colours)]
    return [_exception, _redact, structlog.processors.JSONRenderer(ensure_ascii=False)]


def _exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """What was raised and where: no values and no foreign messages, they may quote a person."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error: object = cast("tuple[object, ...]", info)[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["exception"] = "\n".join(_chain(error))
    return event


def _chain(error: BaseException) -> Iterator[str]:
    message = f": {error}" if isinstance(error, TertuliaError) else ""
    frames = [
        f"{frame.filename.rpartition('site-packages/')[2]}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__, limit=-8)
    ]
    yield f"{type(error).__name__}{message} at {' > '.join(frames)}"
    if isinstance(error, BaseExceptionGroup):
        for inner in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from _chain(inner)
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _chain(cause)


def _redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if isinstance(value, str) and SECRET.search(value):
            event[key] = SECRET.sub(r"\1********", value)
    return event


def _tame(root: logging.Logger, level: str) -> None:
    """Libraries speak when something is wrong; uvicorn's access log is not kept at all."""
    least = logging.getLevelNamesMapping()[level.upper()]
    root.setLevel(max(logging.WARNING, least))
    logging.getLogger("tertulia").setLevel(least)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = name != "uvicorn.access"
