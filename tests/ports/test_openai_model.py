"""What an OpenAI-compatible endpoint may do to us, and what becomes of it."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest

from tertulia.adapters.openai.endpoint import api_root
from tertulia.adapters.openai.model import OpenAIModel, open_openai
from tertulia.adapters.openai.settings import UpstreamSettings
from tertulia.domain.messages import Usage
from tertulia.ports.chat_model import (
    ChatRequest,
    Chunk,
    Finished,
    ModelCutError,
    ModelError,
    ModelNotFoundError,
    ModelRefusedError,
    ModelTimeoutError,
    ModelUnavailableError,
    PromptMessage,
    PromptTooLongError,
    Text,
)
from tests.ports import upstream as fake
from tests.ports.upstream import DONE, Act, Upstream, delta, event, sends, usage

HELLO = ChatRequest(model="fake", messages=(PromptMessage("user", "hello"),))
SOON = {"retry_wait_s": 0.0}


@asynccontextmanager
async def model_behind(
    act: Act, **settings: object
) -> AsyncGenerator[tuple[OpenAIModel, Upstream], None]:
    chosen = UpstreamSettings.model_validate({**SOON, **settings})
    async with fake.serving(act) as upstream, open_openai(upstream.url, chosen) as model:
        yield model, upstream


async def heard(model: OpenAIModel, request: ChatRequest = HELLO) -> list[Chunk]:
    return [chunk async for chunk in model.stream(request)]


async def text_before(error: type[ModelError], model: OpenAIModel) -> tuple[str, ModelError]:
    """The text that came before the failure, and the failure."""
    chunks: list[Chunk] = []

    async def listen() -> None:
        async for chunk in model.stream(HELLO):
            chunks.append(chunk)  # noqa: PERF401  what came before the failure must stay

    with pytest.raises(error) as raised:
        await listen()
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, Text)), raised.value


@pytest.mark.parametrize(
    ("given", "root"),
    [
        ("http://h:1", "http://h:1/v1"),
        ("http://h:1/", "http://h:1/v1"),
        ("http://h:1/v1", "http://h:1/v1"),
        ("http://h:1/v1/", "http://h:1/v1"),
        ("http://h:1/v1/chat/completions", "http://h:1/v1"),
        ("https://h/api", "https://h/api/v1"),
        ("https://h/v1beta/openai", "https://h/v1beta/openai"),
    ],
)
def test_address_is_understood_with_and_without_version(given: str, root: str) -> None:
    assert str(api_root(given)) == root


async def test_text_and_usage_of_a_stream_arrive() -> None:
    pieces = (delta("Hel"), delta("lo"), delta("", "stop"), usage(3, 2, 1), DONE)
    async with model_behind(sends(*pieces)) as (model, _):
        chunks = await heard(model)
    assert "".join(c.text for c in chunks if isinstance(c, Text)) == "Hello"
    expected = Usage(prompt_tokens=3, completion_tokens=2, cached_tokens=1)
    assert chunks[-1] == Finished("stop", expected)


@pytest.mark.parametrize("step", [1, 2, 3, 7])
async def test_characters_cut_apart_on_the_wire_arrive_whole(step: int) -> None:
    raw = json.dumps(
        {"choices": [{"delta": {"content": "Grüße 🧁 — 你好"}}]}, ensure_ascii=False
    ).encode()
    stream = b": ping\r\n\r\ndata:" + raw + b"\r\n\r\n" + delta("", "stop") + DONE
    pieces = [stream[at : at + step] for at in range(0, len(stream), step)]
    async with model_behind(sends(*pieces)) as (model, _):
        chunks = await heard(model)
    assert "".join(c.text for c in chunks if isinstance(c, Text)) == "Grüße 🧁 — 你好"


async def test_limit_is_told_from_a_natural_end() -> None:
    async with model_behind(sends(delta("a", "length"), DONE)) as (model, _):
        assert (await heard(model))[-1] == Finished("length")


@pytest.mark.parametrize("end", [DONE, delta("", "stop")])
async def test_either_sign_of_the_end_makes_an_answer_whole(end: bytes) -> None:
    async with model_behind(sends(delta("a"), end)) as (model, _):
        assert await heard(model) == [Text("a"), Finished("stop")]


async def test_stream_without_an_end_is_cut() -> None:
    async with model_behind(sends(delta("half"))) as (model, _):
        assert (await text_before(ModelCutError, model))[0] == "half"


async def test_broken_connection_is_cut() -> None:
    async with model_behind(sends(delta("half"), cut=True)) as (model, _):
        assert (await text_before(ModelCutError, model))[0] == "half"


@pytest.mark.parametrize(
    "garbage",
    [b"data: {not json\n\n", b'data: {"choices": 7}\n\n', b'data: "\xff\xfe"\n\n', b"data: []\n\n"],
)
async def test_garbage_in_a_stream_is_cut(garbage: bytes) -> None:
    async with model_behind(sends(delta("half"), garbage, DONE)) as (model, _):
        assert (await text_before(ModelCutError, model))[0] == "half"


async def test_error_inside_a_stream_is_never_a_whole_answer() -> None:
    error = event({"error": {"message": "secret words", "code": "server_error"}})
    async with model_behind(sends(delta("half"), error, delta("", "stop"), DONE)) as (model, _):
        text, raised = await text_before(ModelCutError, model)
    assert text == "half"
    assert raised.data["reason"] == "server_error"
    assert "secret" not in repr(raised.data) + raised.message


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"error": {"message": "no room", "code": "context_length_exceeded"}}, PromptTooLongError),
        ({"error": {"message": "x", "code": 404}}, ModelNotFoundError),
        ({"object": "error", "message": "x", "code": 400}, ModelRefusedError),
        ({"error": "overloaded"}, ModelUnavailableError),
    ],
)
async def test_error_as_first_event_says_what_it_is(
    document: object, expected: type[ModelError]
) -> None:
    async with model_behind(sends(event(document))) as (model, _):
        await text_before(expected, model)


@pytest.mark.parametrize(
    ("status", "document", "expected"),
    [
        (401, {"error": {"message": "bad key"}}, ModelRefusedError),
        (404, {"error": "model 'fake' not found"}, ModelNotFoundError),
        (400, {"error": {"message": "maximum context length is 8"}}, PromptTooLongError),
        (413, {}, PromptTooLongError),
        (422, {"detail": []}, ModelRefusedError),
        (500, "oops", ModelUnavailableError),
        (503, None, ModelUnavailableError),
    ],
)
async def test_status_says_what_it_is(
    status: int, document: object, expected: type[ModelError]
) -> None:
    async with model_behind(fake.refuses(status, document), attempts=1) as (model, _):
        assert (await text_before(expected, model))[1].data["status"] == status


async def test_refused_content_is_not_a_whole_answer() -> None:
    async with model_behind(sends(delta("a"), delta("", "content_filter"), DONE)) as (model, _):
        await text_before(ModelRefusedError, model)


async def test_whole_answer_is_taken_where_a_stream_was_asked_for() -> None:
    message = {"role": "assistant", "content": [{"type": "text", "text": "all"}]}
    document = {"choices": [{"message": message, "finish_reason": "stop"}]}
    async with model_behind(fake.answers_whole(document)) as (model, _):
        assert await heard(model) == [Text("all"), Finished("stop")]


async def test_answer_that_nobody_reads_along_is_asked_for_in_one_piece() -> None:
    message = {"role": "assistant", "content": "all of it"}
    told = {"prompt_tokens": 3, "completion_tokens": 2}
    document = {"choices": [{"message": message, "finish_reason": "length"}], "usage": told}
    async with model_behind(fake.answers_whole(document)) as (model, upstream):
        chunks = await heard(model, replace(HELLO, whole=True))
        assert chunks == [
            Text("all of it"),
            Finished("length", Usage(prompt_tokens=3, completion_tokens=2)),
        ]
        assert upstream.bodies[0]["stream"] is False
        assert "stream_options" not in upstream.bodies[0]


async def test_whole_answer_that_never_comes_times_out() -> None:
    settings = {"first_token_timeout_s": 60, "answer_timeout_s": 0.05}
    async with model_behind(fake.hangs(), **settings) as (model, _):
        with pytest.raises(ModelTimeoutError):
            await heard(model, replace(HELLO, whole=True))


async def test_thoughts_are_not_shown() -> None:
    thought = event({"choices": [{"delta": {"reasoning_content": "hmm"}}]})
    async with model_behind(sends(thought, delta("a", "stop"), DONE)) as (model, _):
        assert await heard(model) == [Text("a"), Finished("stop")]


async def test_failure_before_the_first_byte_is_tried_again() -> None:
    async with model_behind(sends(delta("a", "stop"))) as (model, upstream):
        upstream.acts = [fake.refuses(503, {}), fake.refuses(429, {}, Retry_After="0")]
        assert (await heard(model))[-1] == Finished("stop")
        assert len(upstream.bodies) == 3


async def test_nothing_is_tried_again_once_text_came() -> None:
    async with model_behind(sends(delta("half"), cut=True)) as (model, upstream):
        await text_before(ModelCutError, model)
        assert len(upstream.bodies) == 1


async def test_refusal_is_not_tried_again() -> None:
    async with model_behind(fake.refuses(401, {})) as (model, upstream):
        await text_before(ModelRefusedError, model)
        assert len(upstream.bodies) == 1


async def test_long_wait_that_an_endpoint_asks_for_is_passed_on() -> None:
    async with model_behind(fake.refuses(429, {}, Retry_After="30")) as (model, upstream):
        error = (await text_before(ModelUnavailableError, model))[1]
        assert error.data["retry_after"] == 30
        assert len(upstream.bodies) == 1


async def test_retries_stay_within_their_budget() -> None:
    settings = {"attempts": 10, "retry_budget": 0.1, "breaker_failures": 1000}
    async with model_behind(fake.refuses(503, {}), **settings) as (model, upstream):
        for _ in range(5):
            await text_before(ModelUnavailableError, model)
        assert len(upstream.bodies) == 5 + 10


async def test_endpoint_that_keeps_failing_is_left_alone() -> None:
    settings = {"attempts": 1, "breaker_failures": 3, "breaker_open_s": 60}
    async with model_behind(fake.refuses(500, {}), **settings) as (model, upstream):
        for _ in range(3):
            await text_before(ModelUnavailableError, model)
        error = (await text_before(ModelUnavailableError, model))[1]
        assert error.code == "model_circuit_open"
        assert len(upstream.bodies) == 3


async def test_endpoint_that_came_back_is_used_again() -> None:
    settings = {"attempts": 1, "breaker_failures": 1, "breaker_open_s": 0}
    async with model_behind(sends(delta("a", "stop")), **settings) as (model, upstream):
        upstream.acts = [fake.refuses(500, {})]
        await text_before(ModelUnavailableError, model)
        for _ in range(3):
            assert (await heard(model))[-1] == Finished("stop")


async def test_too_many_requests_is_no_sickness() -> None:
    settings = {"attempts": 1, "breaker_failures": 1, "breaker_open_s": 60}
    async with model_behind(sends(delta("a", "stop")), **settings) as (model, upstream):
        upstream.acts = [fake.refuses(429, {})]
        await text_before(ModelUnavailableError, model)
        assert (await heard(model))[-1] == Finished("stop")


async def test_silence_before_the_first_token_times_out() -> None:
    settings = {"first_token_timeout_s": 0.05}
    async with model_behind(fake.hangs(), **settings) as (model, _):
        await text_before(ModelTimeoutError, model)


async def test_comments_do_not_count_as_a_first_token() -> None:
    settings = {"first_token_timeout_s": 0.05, "token_timeout_s": 60}
    async with model_behind(fake.holds(b": still here\n\n"), **settings) as (model, _):
        await text_before(ModelTimeoutError, model)


async def test_silence_between_tokens_times_out() -> None:
    settings = {"first_token_timeout_s": 60, "token_timeout_s": 0.05}
    async with model_behind(fake.holds(delta("half")), **settings) as (model, _):
        assert (await text_before(ModelTimeoutError, model))[0] == "half"


async def test_slow_reader_is_not_taken_for_a_silent_model() -> None:
    act = fake.holds(delta("a"), then=(delta("b", "stop"), DONE))
    async with (
        model_behind(act, token_timeout_s=0.05) as (model, upstream),
        aclosing(model.stream(HELLO)) as stream,
    ):
        await anext(stream)
        # Longer than the limit, and all the while nothing comes: but nobody asks for more either.
        await asyncio.sleep(0.15)
        upstream.resume.set()
        rest = [chunk async for chunk in stream]
    assert rest[-1] == Finished("stop")


async def test_nobody_listening_is_unavailable() -> None:
    async with fake.serving(fake.hangs()) as upstream:
        url = upstream.url
    async with open_openai(url, UpstreamSettings.model_validate(SOON)) as model:
        await text_before(ModelUnavailableError, model)
        with pytest.raises(ModelUnavailableError):
            await model.models()


async def test_closing_a_stream_closes_its_connection() -> None:
    async with model_behind(fake.holds(delta("a"))) as (model, upstream):
        stream = model.stream(HELLO)
        assert await anext(stream) == Text("a")
        await stream.aclose()
        async with asyncio.timeout(5):
            await upstream.left.wait()


async def test_cancelling_a_request_that_hangs_closes_its_connection() -> None:
    async with model_behind(fake.hangs()) as (model, upstream):
        task = asyncio.create_task(heard(model))
        async with asyncio.timeout(5):
            await upstream.arrived.wait()
            task.cancel()
            await upstream.left.wait()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_connection_is_used_again_after_a_whole_answer() -> None:
    ports: list[object] = []

    async def act(upstream: Upstream, request: fake.web.Request, body: dict[str, object]):
        ports.append(request.transport and request.transport.get_extra_info("peername"))
        return await sends(delta("a", "stop"), DONE)(upstream, request, body)

    async with model_behind(act) as (model, _):
        for _ in range(3):
            await heard(model)
    assert len(set(ports)) == 1


async def test_key_is_sent_and_never_shown() -> None:
    async with model_behind(sends(delta("a", "stop")), api_key="sk-secret") as (model, upstream):
        await heard(model)
        assert upstream.headers[0]["Authorization"] == "Bearer sk-secret"
    assert "sk-secret" not in repr(UpstreamSettings.model_validate({"api_key": "sk-secret"}))


async def test_endpoint_without_stream_options_is_understood() -> None:
    refusal = fake.refuses(400, {"error": {"message": "Unknown field: stream_options"}})
    async with model_behind(sends(delta("a", "stop"))) as (model, upstream):
        upstream.acts = [refusal]
        await heard(model)
        await heard(model)
        assert ["stream_options" in body for body in upstream.bodies] == [True, False, False]


async def test_endpoint_with_the_newer_limit_is_understood() -> None:
    words = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    request = ChatRequest(model="fake", messages=HELLO.messages, max_tokens=5)
    async with model_behind(sends(delta("a", "stop"))) as (model, upstream):
        upstream.acts = [fake.refuses(400, {"error": {"message": words, "param": "max_tokens"}})]
        await heard(model, request)
        assert upstream.bodies[1]["max_completion_tokens"] == 5
        assert "max_tokens" not in upstream.bodies[1]


async def test_vllm_is_told_to_continue_a_partial_answer() -> None:
    partial = ChatRequest(
        model="fake", messages=(*HELLO.messages, PromptMessage("assistant", "He"))
    )
    async with model_behind(sends(delta("llo", "stop"))) as (model, upstream):
        upstream.model_entries = [{"id": "fake", "owned_by": "vllm", "max_model_len": 4096}]
        assert (await model.models())[0].window_tokens == 4096
        await heard(model, partial)
        await heard(model)
        assert upstream.bodies[0]["continue_final_message"] is True
        assert upstream.bodies[0]["add_generation_prompt"] is False
        assert "continue_final_message" not in upstream.bodies[1]


@pytest.mark.parametrize(
    ("entry", "window"),
    [
        ({"id": "a", "max_model_len": 1024}, 1024),
        ({"id": "a", "context_length": 2048}, 2048),
        ({"id": "a", "context_window": 3000}, 3000),
        ({"id": "a", "owned_by": "llamacpp", "meta": {"n_ctx": 5000, "n_ctx_train": 9000}}, 5000),
        ({"id": "a", "owned_by": "llamacpp", "meta": {"n_ctx_train": 2000}}, 2000),
        ({"id": "a", "owned_by": "library"}, 4096),
        ({"id": "a"}, 8192),
    ],
)
async def test_window_is_what_the_endpoint_tells(entry: dict[str, object], window: int) -> None:
    async with model_behind(sends()) as (model, upstream):
        upstream.model_entries = [entry]
        assert (await model.models())[0].window_tokens == window


async def test_list_of_models_is_kept_and_asked_for_once() -> None:
    async with model_behind(sends()) as (model, upstream):
        await asyncio.gather(*(model.models() for _ in range(5)))
        assert upstream.model_requests == 1


async def test_endpoint_that_gives_no_list_is_not_asked_by_each_who_waits() -> None:
    async with model_behind(sends(), breaker_failures=1000) as (model, upstream):
        upstream.models_status = 500
        asked = await asyncio.gather(*(model.models() for _ in range(5)), return_exceptions=True)
        assert {type(answer) for answer in asked} == {ModelUnavailableError}
        assert upstream.model_requests == 1


async def test_redirect_is_not_followed() -> None:
    async with fake.serving(sends(delta("a", "stop"))) as elsewhere:
        place = f"{elsewhere.url}/v1/chat/completions"
        async with model_behind(fake.refuses(307, {}, Location=place)) as (model, _):
            await text_before(ModelRefusedError, model)
        assert elsewhere.bodies == []


async def test_whole_answer_beyond_any_size_is_refused() -> None:
    message = {"role": "assistant", "content": "x" * (17 << 20)}
    document = {"choices": [{"message": message, "finish_reason": "stop"}]}
    async with model_behind(fake.answers_whole(document)) as (model, _):
        await text_before(ModelUnavailableError, model)


async def test_preferred_model_is_the_default() -> None:
    async with model_behind(sends(delta("a", "stop")), model="b") as (model, upstream):
        upstream.model_entries = [{"id": "a"}, {"id": "b"}]
        assert [info.id for info in await model.models()] == ["b", "a"]
        await heard(model, ChatRequest(model="", messages=HELLO.messages))
        assert upstream.bodies[0]["model"] == "b"


async def test_endpoint_without_a_list_serves_the_model_that_was_set() -> None:
    async with model_behind(sends(), model="only") as (model, upstream):
        upstream.models_status = 404
        assert [info.id for info in await model.models()] == ["only"]
