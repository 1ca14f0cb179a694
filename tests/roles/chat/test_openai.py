"""`/v1`, through the official SDK where it can say what is meant."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import httpx2
import msgspec
import openai
import pytest

from tertulia.domain.messages import Usage
from tertulia.ports.chat_model import (
    ChatRequest,
    Chunk,
    Finished,
    ModelCutError,
    ModelInfo,
    ModelUnavailableError,
    PromptMessage,
    PromptTooLongError,
    Text,
    Waiting,
)
from tests.roles.asgi import opened
from tests.roles.serving import Json, Options, Serving, serving

HELLO: Json = {"model": "test", "messages": [{"role": "user", "content": "hello"}]}


class ScriptedModel:
    """Says what the test wrote down, and remembers what it was asked."""

    def __init__(self, *script: Chunk | Exception, endless: bool = False) -> None:
        self.script = script
        self.endless = endless
        self.asked: list[ChatRequest] = []
        self.closed = asyncio.Event()

    async def models(self) -> Sequence[ModelInfo]:
        return [ModelInfo(id="test", window_tokens=100, owned_by="tests")]

    async def count_tokens(self, model: str, texts: Sequence[str]) -> Sequence[int]:
        assert model == "test"
        return [len(text) for text in texts]

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Chunk]:
        self.asked.append(request)
        try:
            for step in self.script:
                if isinstance(step, Exception):
                    raise step
                yield step
            if self.endless:
                await asyncio.Event().wait()
        finally:
            self.closed.set()


SCRIPT = (
    Text("Hel"),
    Text('lo "you"\n'),
    Finished("stop", Usage(prompt_tokens=5, completion_tokens=2)),
)


def sdk(served: Serving) -> openai.AsyncOpenAI:
    assert served.app is not None
    transport = httpx2.ASGITransport(app=served.app)
    return openai.AsyncOpenAI(
        base_url=f"{served.url}/v1",
        api_key=served.token,
        max_retries=0,
        http_client=httpx2.AsyncClient(transport=transport, trust_env=False),
    )


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel(*SCRIPT)


@pytest.fixture
async def spoken(tmp_path: Path, model: ScriptedModel) -> AsyncGenerator[Serving]:
    async with serving(tmp_path, Options(model=model)) as made:
        yield made


async def test_whole_answer(spoken: Serving) -> None:
    async with sdk(spoken) as client:
        answer = await client.chat.completions.create(
            model="test", messages=[{"role": "user", "content": "hello"}]
        )
    assert answer.choices[0].message.content == 'Hello "you"\n'
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (5, 7)
    assert answer.model == "test"


@pytest.mark.parametrize("with_usage", [True, False])
async def test_streamed_answer(spoken: Serving, *, with_usage: bool) -> None:
    async with sdk(spoken) as client:
        stream = await client.chat.completions.create(
            model="test",
            messages=[{"role": "user", "content": "hello"}],
            stream=True,
            stream_options={"include_usage": with_usage},
        )
        chunks = [chunk async for chunk in stream]
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert "".join(choice.delta.content or "" for choice in choices) == 'Hello "you"\n'
    assert choices[0].delta.role == "assistant"
    assert [choice.finish_reason for choice in choices] == [None, None, None, "stop"]
    assert len({chunk.id for chunk in chunks}) == 1
    totals = [chunk.usage.total_tokens for chunk in chunks if chunk.usage]
    assert totals == ([7] if with_usage else [])


async def test_request_reaches_the_model_as_it_was_meant(
    spoken: Serving, model: ScriptedModel
) -> None:
    async with sdk(spoken) as client:
        await client.chat.completions.create(
            model="test",
            messages=[
                {"role": "developer", "content": "Be brief."},
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
                },
                {"role": "assistant", "content": None},
            ],
            stop="END",
            max_completion_tokens=7,
            temperature=0.5,
            top_p=0.9,
            seed=-1,
        )
    assert model.asked == [
        ChatRequest(
            model="test",
            messages=(
                PromptMessage("system", "Be brief."),
                PromptMessage("user", "ab"),
                PromptMessage("assistant", ""),
            ),
            max_tokens=7,
            temperature=0.5,
            top_p=0.9,
            stop=("END",),
            seed=-1,
            whole=True,
        )
    ]


async def test_models_are_listed_and_shown(spoken: Serving) -> None:
    async with sdk(spoken) as client:
        assert [m.id async for m in client.models.list()] == ["test"]
        assert (await client.models.retrieve("test")).owned_by == "tests"
        with pytest.raises(openai.NotFoundError) as refused:
            await client.models.retrieve("echo/8/1")
        assert refused.value.code == "model_not_found"


async def test_usage_is_counted_where_the_model_does_not_say(tmp_path: Path) -> None:
    silent = ScriptedModel(Text("Hi"), Finished("length"))
    async with serving(tmp_path, Options(model=silent)) as served:
        answer = (await served.client.post("/v1/chat/completions", json=HELLO)).json()
        streamed = await served.client.post(
            "/v1/chat/completions",
            json=HELLO | {"stream": True, "stream_options": {"include_usage": True}},
        )
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["prompt_tokens"] == 5
    assert answer["usage"]["completion_tokens"] == 2
    assert '"total_tokens":7' in streamed.text


@pytest.mark.parametrize("stream", [True, False])
async def test_unknown_model_is_404(served: Serving, *, stream: bool) -> None:
    async with sdk(served) as client:
        with pytest.raises(openai.NotFoundError) as refused:
            await client.chat.completions.create(
                model="no such model", messages=[{"role": "user", "content": "x"}], stream=stream
            )
    assert refused.value.code == "model_not_found"


async def test_wrong_key_is_401(spoken: Serving) -> None:
    async with sdk(spoken).with_options(api_key="sk-wrong") as client:
        with pytest.raises(openai.AuthenticationError) as refused:
            await client.models.list()
    assert refused.value.code == "invalid_api_key"


async def test_any_key_does_on_an_open_server(tmp_path: Path, model: ScriptedModel) -> None:
    async with (
        serving(tmp_path, Options(model=model, open=True)) as served,
        sdk(served).with_options(api_key="sk-any") as client,
    ):
        assert [m.id async for m in client.models.list()] == ["test"]
        with pytest.raises(openai.AuthenticationError):
            await client.with_options(api_key="tt_revoked").models.list()


WRONG: list[Json] = [
    {"messages": []},
    {"messages": "hello"},
    {"messages": [{"role": "tool", "content": "x"}]},
    {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
    {"model": ""},
    {"model": None},
    {"n": 2},
    {"temperature": 3},
    {"max_tokens": 0},
    {"max_tokens": 2**70},
    {"top_p": "high"},
    {"stop": ["x"] * 17},
]


@pytest.mark.parametrize("wrong", WRONG)
async def test_request_of_another_form_is_400(spoken: Serving, wrong: Json) -> None:
    answer = await spoken.client.post("/v1/chat/completions", json=HELLO | wrong)
    assert answer.status_code == 400
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_field_is_named_and_its_content_is_not(spoken: Serving) -> None:
    body = {"model": "test", "messages": [{"role": "user", "content": {"canary": 1}}]}
    message = (await spoken.client.post("/v1/chat/completions", json=body)).json()["error"][
        "message"
    ]
    assert "$.messages[0].content" in message
    assert "canary" not in message


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"model": "\\ud800"}', b"[" * 10_000])
async def test_body_that_is_no_proper_json_is_400(spoken: Serving, content: bytes) -> None:
    answer = await spoken.client.post("/v1/chat/completions", content=content)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")


async def test_huge_body_is_413_in_openais_form(spoken: Serving) -> None:
    answer = await spoken.client.post("/v1/chat/completions", content=b"x" * 10_000_000)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "message_too_large")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ModelUnavailableError(), 503, "model_unavailable"),
        (PromptTooLongError(), 400, "context_length_exceeded"),
        (ModelCutError(), 502, "model_cut"),
    ],
)
async def test_model_that_does_not_answer_is_told_by_the_status(
    tmp_path: Path, error: Exception, status: int, code: str, *, stream: bool
) -> None:
    async with serving(tmp_path, Options(model=ScriptedModel(error))) as served:
        answer = await served.client.post("/v1/chat/completions", json=HELLO | {"stream": stream})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_stream_that_is_cut_never_looks_whole(tmp_path: Path) -> None:
    cut = ScriptedModel(Waiting(2), Text("Hel"), ModelCutError())
    async with serving(tmp_path, Options(model=cut)) as served, sdk(served) as client:
        stream = await client.chat.completions.create(
            model="test", messages=[{"role": "user", "content": "x"}], stream=True
        )
        seen = [(await anext(stream)).choices[0].delta.content for _ in range(2)]
        assert seen == ["", "Hel"]
        with pytest.raises(openai.APIError, match="broke off"):
            await anext(stream)
        raw = await served.client.post("/v1/chat/completions", json=HELLO | {"stream": True})
        assert b"[DONE]" not in raw.content
        assert b'finish_reason":"' not in raw.content


@pytest.mark.parametrize("script", [(Text("Hel"), ModelCutError()), (Text("Hel"),)])
async def test_answer_that_is_cut_is_no_answer(
    tmp_path: Path, script: tuple[Chunk | Exception, ...]
) -> None:
    async with serving(tmp_path, Options(model=ScriptedModel(*script))) as served:
        answer = await served.client.post("/v1/chat/completions", json=HELLO)
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "model_cut")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("script", [(), (Text("Hel"),)], ids=["before", "after the first text"])
async def test_client_that_leaves_stops_the_model(
    tmp_path: Path, script: tuple[Chunk, ...], *, stream: bool
) -> None:
    model = ScriptedModel(*script, endless=True)
    async with serving(tmp_path, Options(model=model)) as served:
        assert served.app is not None
        body = msgspec.json.encode(HELLO | {"stream": stream})
        headers = {"authorization": f"Bearer {served.token}"}
        path = "/v1/chat/completions"
        async with opened(served.app, path, method="POST", headers=headers, body=body) as request:
            if stream and script:
                assert await request.started() == 200
            request.leave()
            async with asyncio.timeout(10):
                await model.closed.wait()


async def test_stream_without_an_end_is_cut(tmp_path: Path) -> None:
    """A model that stops without saying that it has finished has not."""
    async with serving(tmp_path, Options(model=ScriptedModel(Text("Hel")))) as served:
        raw = await served.client.post("/v1/chat/completions", json=HELLO | {"stream": True})
    *_, last = [line for line in raw.text.splitlines() if line]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "model_cut"
