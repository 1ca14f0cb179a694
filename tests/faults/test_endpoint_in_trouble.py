"""A model endpoint that hangs, breaks off or fails: bounded waits, honest replies."""

from collections.abc import Generator
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.e2e.server import Server
from tests.faults.endpoint import WildEndpoint, wild_endpoint
from tests.faults.talk import begin, finished, reply_of, send

IMPATIENT: Final = {
    "TERTULIA_UPSTREAM_FIRST_TOKEN_TIMEOUT_S": "0.5",
    "TERTULIA_UPSTREAM_TOKEN_TIMEOUT_S": "0.5",
    "TERTULIA_UPSTREAM_BREAKER_FAILURES": "1000",
    "TERTULIA_INFERENCE_RETRY_WITHIN_S": "0",
    "TERTULIA_INFERENCE_TITLES": "false",
}


@pytest.fixture(scope="module")
def endpoint() -> Generator[WildEndpoint]:
    with wild_endpoint() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def impatient(
    tmp_path_factory: pytest.TempPathFactory, endpoint: WildEndpoint
) -> Generator[httpx.Client]:
    home = tmp_path_factory.mktemp("impatient")
    server = Server(home, model=endpoint.url, variables=IMPATIENT)
    with server, server.token_client() as client:
        yield client


def test_an_endpoint_that_never_answers_fails_the_reply(impatient: httpx.Client) -> None:
    reply = reply_of(impatient, begin(impatient), "silent")
    assert (reply["status"], reply["error_code"]) == ("failed", "model_timeout")
    assert not reply["text"]


@pytest.mark.parametrize(
    ("manner", "code"), [("stalls", "model_timeout"), ("cuts", "model_cut"), ("errs", None)]
)
def test_an_answer_that_breaks_off_is_kept_and_never_called_complete(
    impatient: httpx.Client, manner: str, code: str | None
) -> None:
    reply = reply_of(impatient, begin(impatient), manner)
    assert reply["status"] == "interrupted"
    assert reply["text"].split() == ["one", "two"]
    assert reply["error_code"] == (code or reply["error_code"])
    assert reply["error_code"]


def test_the_conversation_goes_on_after_a_failure(impatient: httpx.Client) -> None:
    conversation = begin(impatient)
    reply_of(impatient, conversation, "stalls")
    reply = reply_of(impatient, conversation, "fine")
    assert (reply["status"], reply["text"].split()) == ("complete", ["one", "two", "three"])


def test_others_are_answered_while_an_endpoint_hangs_and_a_stop_reaches_it(
    tmp_path: Path, endpoint: WildEndpoint
) -> None:
    endpoint.forget()
    with Server(tmp_path / "home", model=endpoint.url) as server, server.token_client() as client:
        hanging = [
            send(client, begin(client), manner).json()["reply"]
            for manner in ("silent", "stalls") * 8
        ]
        reply = reply_of(client, begin(client), "fine")
        assert reply["status"] == "complete"
        assert all(endpoint.hangs.acquire(timeout=10) for _ in hanging), "all are being written"
        endpoint.forget()
        for waiting in hanging:
            path = f"/api/conversations/{waiting['conversation_id']}/messages/{waiting['id']}"
            assert client.post(f"{path}/stop").status_code == httpx.codes.OK
            assert finished(client, waiting)["status"] == "cancelled"
        assert all(endpoint.hung_up.acquire(timeout=10) for _ in hanging)
