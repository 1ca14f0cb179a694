"""Replies: written anew, continued, stopped, judged."""

import pytest

from tertulia.domain.messages import Status
from tertulia.kit.ids import new_id
from tests.roles.serving import Json, Serving, path_of

Step = tuple[Serving, Json, Json]


@pytest.fixture
async def asked(served: Serving) -> Step:
    """A conversation with one turn whose reply is queued."""
    conversation = await served.conversation()
    return served, conversation, await served.turn(conversation, "hello")


async def act(served: Serving, message: Json, action: str, body: Json | None = None) -> Json:
    answer = await served.client.post(f"{path_of(message)}/{action}", json=body)
    assert answer.status_code in {200, 201}, answer.text
    return {**answer.json(), "answered": answer.status_code}


async def test_regenerating_makes_a_sibling_that_is_shown(asked: Step) -> None:
    served, conversation, turn = asked
    await served.scribe.write(turn["reply"], "first")
    body = {"id": new_id(), "model": "echo"}
    made = await act(served, turn["reply"], "regenerate", body)
    assert made["answered"] == 201
    assert made["message"] == turn["message"]
    assert made["reply"]["parent_id"] == turn["message"]["id"]
    assert (made["reply"]["status"], made["reply"]["model"]) == ("queued", "echo")
    shown = await served.client.get(f"/api/conversations/{conversation['id']}")
    assert shown.json()["leaf_id"] == made["reply"]["id"]
    again = await act(served, turn["reply"], "regenerate", body)
    assert (again["answered"], again["reply"]) == (200, made["reply"])


async def test_continuing_goes_on_with_the_text_that_is_there(asked: Step) -> None:
    served, _, turn = asked
    await served.scribe.write(turn["reply"], "half", Status.INTERRUPTED)
    body = {"id": new_id()}
    made = await act(served, turn["reply"], "continue", body)
    assert (made["answered"], made["reply"]["id"]) == (201, turn["reply"]["id"])
    assert (made["reply"]["epoch"], made["reply"]["status"]) == (2, "queued")
    done = await served.scribe.write(made["reply"], "half and half")
    assert done.text == "half and half"
    again = await act(served, turn["reply"], "continue", body)
    assert (again["answered"], again["reply"]["text"]) == (200, "half and half")


@pytest.mark.parametrize("status", [Status.INTERRUPTED, Status.CANCELLED, Status.FAILED])
async def test_what_broke_off_can_be_continued(asked: Step, status: Status) -> None:
    served, _, turn = asked
    await served.scribe.write(turn["reply"], "half", status)
    made = await act(served, turn["reply"], "continue", {"id": new_id()})
    assert made["reply"]["error_code"] is None


async def refused_to_continue(served: Serving, reply: Json) -> str:
    answer = await served.client.post(f"{path_of(reply)}/continue", json={"id": new_id()})
    assert (answer.status_code, answer.json()["code"]) == (409, "reply_not_continuable")
    return answer.json()["reply_status"]


async def test_whole_or_running_reply_cannot_be_continued(asked: Step) -> None:
    served, _, turn = asked
    assert await refused_to_continue(served, turn["reply"]) == "queued"
    begun = await served.scribe.begin(turn["reply"])
    assert await refused_to_continue(served, turn["reply"]) == "streaming"
    await served.scribe.end(begun, "whole")
    assert await refused_to_continue(served, turn["reply"]) == "complete"


async def test_request_id_of_one_thing_is_no_request_for_another(asked: Step) -> None:
    served, _, turn = asked
    await served.scribe.write(turn["reply"], "half", Status.INTERRUPTED)
    body = {"id": new_id()}
    await act(served, turn["reply"], "regenerate", body)
    answer = await served.client.post(f"{path_of(turn['reply'])}/continue", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "request_id_reused")


async def test_queued_reply_is_cancelled_at_once(asked: Step) -> None:
    served, _, turn = asked
    stopped = await act(served, turn["reply"], "stop")
    assert (stopped["status"], stopped["text"]) == ("cancelled", "")


async def test_running_reply_is_asked_to_stop(asked: Step) -> None:
    served, _, turn = asked
    begun = await served.scribe.begin(turn["reply"])
    async with served.signals.subscribe(f"reply:{begun.id}") as heard:
        stopped = await act(served, turn["reply"], "stop")
        assert stopped["status"] == "streaming"
        assert await heard.wait(5)
    assert await served.scribe.checkpoint(begun, 0, "half") is True


async def test_finished_reply_stays_as_it_is(asked: Step) -> None:
    served, _, turn = asked
    await served.scribe.write(turn["reply"], "whole")
    before = await served.message(turn["reply"])
    assert await act(served, turn["reply"], "stop") == {**before, "answered": 200}


@pytest.mark.parametrize(
    ("method", "action", "body"),
    [
        ("POST", "regenerate", {"id": new_id()}),
        ("POST", "continue", {"id": new_id()}),
        ("POST", "stop", None),
        ("PUT", "feedback", {"rating": "up"}),
    ],
)
async def test_persons_message_is_no_reply(
    asked: Step, method: str, action: str, body: Json | None
) -> None:
    served, _, turn = asked
    path = f"{path_of(turn['message'])}/{action}"
    answer = await served.client.request(method, path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "not_a_reply")


async def test_verdict_is_given_changed_and_taken_back(asked: Step) -> None:
    served, _, turn = asked
    path = f"{path_of(turn['reply'])}/feedback"
    good = await served.client.put(path, json={"rating": "up"})
    assert good.json()["feedback"] == {"rating": "up", "comment": ""}
    bad = await served.client.put(path, json={"rating": "down", "comment": "wrong\nall of it"})
    assert bad.json()["feedback"] == {"rating": "down", "comment": "wrong\nall of it"}
    same = await served.client.put(path, json={"rating": "down", "comment": "wrong\nall of it"})
    assert same.json()["revision"] == bad.json()["revision"]
    assert (await served.client.delete(path)).json()["feedback"] is None
    assert (await served.message(turn["reply"]))["feedback"] is None


@pytest.mark.parametrize("body", [{}, {"rating": "maybe"}, {"rating": "up", "comment": "x" * 4001}])
async def test_verdict_of_another_form_is_refused(asked: Step, body: Json) -> None:
    served, _, turn = asked
    answer = await served.client.put(f"{path_of(turn['reply'])}/feedback", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
