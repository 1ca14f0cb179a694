"""What routes answer has the shape that the OpenAPI document says, to the field."""

from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest
from pydantic import BaseModel

from tertulia.domain.conversations import Conversation, Purpose
from tertulia.domain.feed import Change, ChangeKind
from tertulia.domain.ids import CharacterId, ConversationId, MessageId, UserId
from tertulia.domain.messages import Author, ContextReport, Feedback, Labels, Message, Status, Usage
from tertulia.kit.ids import new_id
from tertulia.roles.chat.api import shapes
from tertulia.roles.chat.api.render import change_json, conversation_json, message_json
from tests.roles.serving import Serving

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)

CONVERSATION = Conversation(
    id=ConversationId(new_id()),
    owner_id=UserId(new_id()),
    character_id=CharacterId("assistant"),
    purpose=Purpose.CHAT,
    title="Plans",
    titled_by_user=True,
    model="echo",
    leaf_id=MessageId(new_id()),
    pinned=False,
    archived=False,
    created_at=NOW,
    updated_at=NOW,
    revision=1,
)
MESSAGE = Message(
    id=MessageId(new_id()),
    conversation_id=CONVERSATION.id,
    parent_id=None,
    seq=1,
    author=Author.ASSISTANT,
    status=Status.COMPLETE,
    epoch=1,
    text="Hi",
    model="echo",
    created_at=NOW,
    updated_at=NOW,
    revision=1,
    labels=Labels(language="en", confidence=0.9, characters=2, words=1, tokens=1, changed=False),
    usage=Usage(prompt_tokens=1, completion_tokens=1),
    context=ContextReport(included=1, left_out=0, prompt_tokens=1, window_tokens=8),
    error_code=None,
    feedback=Feedback(rating="up"),
)
CHANGE = Change(
    seq=1,
    kind=ChangeKind.MESSAGE,
    conversation_id=CONVERSATION.id,
    message_id=MESSAGE.id,
    at=NOW,
    conversation=CONVERSATION,
    message=MESSAGE,
)


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        (shapes.Conversation, conversation_json(CONVERSATION)),
        (shapes.Message, message_json(MESSAGE)),
        (shapes.Change, change_json(CHANGE)),
    ],
)
def test_rendered_value_has_every_field_of_its_shape_and_no_other(
    shape: type[BaseModel], value: dict[str, object]
) -> None:
    rendered = msgspec.json.encode(value)
    parsed = shape.model_validate_json(rendered, extra="forbid")
    assert set(parsed.model_fields_set) == set(shape.model_fields)
    assert msgspec.json.decode(parsed.model_dump_json()) == msgspec.json.decode(rendered)


@pytest.mark.parametrize("status", list(Status))
def test_text_of_a_running_reply_is_at_its_stream_only(status: Status) -> None:
    shown = message_json(replace(MESSAGE, status=status))["text"]
    assert shown == ("Hi" if status.is_final else None)


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/api/conversations", shapes.Conversations),
        ("/api/models", shapes.Models),
        ("/api/catalogue", shapes.Catalogue),
        ("/api/feed?after=0", shapes.FeedPage),
    ],
)
async def test_answer_has_its_shape(served: Serving, path: str, shape: type[BaseModel]) -> None:
    await served.conversation()
    answer = await served.client.get(path, headers={"accept": "application/json"})
    parsed = shape.model_validate_json(answer.content, extra="forbid")
    assert parsed.model_fields_set == set(shape.model_fields)


async def test_catalogue_is_pulled_and_used_by_name(served: Serving) -> None:
    assert (await served.client.post("/api/catalogue/small/pull")).status_code == 202
    assert (await served.client.post("/api/catalogue/large/use")).status_code == 200
    assert (served.catalogue.pulled, served.catalogue.used) == (["small"], ["large"])
    unknown = await served.client.post("/api/catalogue/huge/pull")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "model_not_found")
