"""Logs: JSON for programs, nothing that a person wrote, no secrets."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from tertulia.kit.errors import TertuliaError
from tertulia.kit.logging import configure_logging

CONTENT = "what a person wrote"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def stream() -> io.StringIO:
    out = io.StringIO()
    configure_logging(stream=out)
    return out


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def fail(error: Exception) -> None:
    raise error


def fresh_logger() -> structlog.stdlib.BoundLogger:
    return structlog.stdlib.get_logger("tertulia.roles.relay")


def test_a_line_is_one_json_object_with_its_keys(stream: io.StringIO) -> None:
    fresh_logger().info("reply finished", reply_id="r1")

    [line] = lines(stream)
    assert line["event"] == "reply finished"
    assert line["reply_id"] == "r1"
    assert line["level"] == "info"
    assert line["timestamp"].endswith("Z")


def test_an_exception_says_its_type_and_place_but_not_its_message(stream: io.StringIO) -> None:
    try:
        fail(ValueError(CONTENT))
    except ValueError:
        fresh_logger().exception("failed")

    [line] = lines(stream)
    assert line["exception"].startswith("ValueError at ")
    assert "test_logging.py" in line["exception"]
    assert CONTENT not in stream.getvalue()


def test_an_error_of_our_own_says_its_message(stream: io.StringIO) -> None:
    try:
        fail(TertuliaError("The disk is full."))
    except TertuliaError:
        fresh_logger().exception("failed")

    assert "The disk is full." in lines(stream)[0]["exception"]


def test_causes_and_groups_are_followed(stream: io.StringIO) -> None:
    try:
        try:
            fail(KeyError(CONTENT))
        except KeyError as error:
            group = [OSError(CONTENT), ExceptionGroup(CONTENT, [ValueError(CONTENT)])]
            raise ExceptionGroup(CONTENT, group) from error
    except ExceptionGroup:
        fresh_logger().exception("failed")

    told = lines(stream)[0]["exception"].splitlines()
    kinds = [line.partition(" at ")[0] for line in told]
    assert kinds == ["ExceptionGroup", "OSError", "ExceptionGroup", "ValueError", "KeyError"]
    assert CONTENT not in stream.getvalue()


def test_exceptions_of_libraries_are_treated_alike(stream: io.StringIO) -> None:
    try:
        fail(ValueError(CONTENT))
    except ValueError:
        logging.getLogger("uvicorn.error").exception("exception in application")

    assert lines(stream)[0]["exception"].startswith("ValueError at ")
    assert CONTENT not in stream.getvalue()


@pytest.mark.parametrize(
    "secret",
    [
        "http://127.0.0.1:8420/signin#Zm9vYmFyYmF6cXV4",
        "Bearer Zm9vYmFyYmF6cXV4",
        "tt_Zm9vYmFyYmF6cXV4",
    ],
)
def test_secrets_do_not_reach_a_line(stream: io.StringIO, secret: str) -> None:
    fresh_logger().info("asked", about=f"GET {secret}")
    logging.getLogger("uvicorn.error").warning("asked %s", secret)

    assert "Zm9vYmFyYmF6cXV4" not in stream.getvalue()
    assert len(lines(stream)) == 2


def test_libraries_speak_only_when_something_is_wrong(stream: io.StringIO) -> None:
    logging.getLogger("aiohttp.client").info("connected")
    logging.getLogger("uvicorn.access").warning("GET / 200")
    logging.getLogger("uvicorn.error").warning("slow")

    assert [line["event"] for line in lines(stream)] == ["slow"]


def test_a_terminal_gets_lines_for_people() -> None:
    out = Terminal()
    configure_logging(stream=out)
    fresh_logger().info("reply finished", reply_id="r1")

    assert "reply finished" in out.getvalue()
    assert not out.getvalue().startswith("{")


def test_the_level_holds_for_our_own_loggers() -> None:
    out = io.StringIO()
    configure_logging(stream=out, level="warning")
    fresh_logger().info("started")
    fresh_logger().warning("slow")

    assert [line["event"] for line in lines(out)] == ["slow"]
