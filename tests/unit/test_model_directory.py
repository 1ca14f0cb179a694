"""Several sources of models as one."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

import pytest

from tertulia.adapters.echo.model import EchoModel
from tertulia.adapters.models.directory import ModelDirectory
from tertulia.ports.chat_model import (
    ChatRequest,
    Chunk,
    Finished,
    ModelInfo,
    ModelNotFoundError,
    ModelUnavailableError,
    PromptMessage,
    Text,
)


@dataclass
class Source:
    """Answers with its own name."""

    name: str
    offers: Sequence[str]
    reachable: bool = True
    closed: int = 0
    asked: list[str] = field(default_factory=list[str])

    async def models(self) -> Sequence[ModelInfo]:
        if not self.reachable:
            msg = f"{self.name} is away."
            raise ModelUnavailableError(msg)
        return [ModelInfo(id=id_, window_tokens=1, owned_by=self.name) for id_ in self.offers]

    async def count_tokens(self, model: str, texts: Sequence[str]) -> Sequence[int]:
        self.asked.append(model)
        return [1 for _ in texts]

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        try:
            yield Text(f"{self.name}:{request.model}")
            yield Finished("stop")
        finally:
            self.closed += 1


async def answer(directory: ModelDirectory, model: str) -> str:
    request = ChatRequest(model=model, messages=(PromptMessage("user", "hi there"),))
    chunks = [chunk async for chunk in directory.stream(request)]
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, Text))


async def test_default_is_the_first_model_of_the_first_source() -> None:
    directory = ModelDirectory([Source("a", ["x", "y"]), Source("b", ["z", "x"])])
    assert [(m.id, m.owned_by) for m in await directory.models()] == [
        ("x", "a"),
        ("y", "a"),
        ("z", "b"),
    ]


async def test_each_request_goes_to_the_source_that_has_its_model() -> None:
    directory = ModelDirectory([Source("a", ["x"]), Source("b", ["z"])])
    assert await answer(directory, "z") == "b:z"
    assert await answer(directory, "x") == "a:x"


async def test_unlisted_model_answers_to_its_exact_name_only() -> None:
    directory = ModelDirectory([Source("a", ["x"]), Source("b", ["y"])], unlisted=[EchoModel()])
    assert "echo" not in [model.id for model in await directory.models()]
    assert await answer(directory, "echo") == "hi there"
    assert await answer(directory, "echo/1/0") == "hi"
    with pytest.raises(ModelNotFoundError):
        await answer(directory, "echoes")


async def test_unreachable_source_hides_its_models_only() -> None:
    directory = ModelDirectory([Source("a", ["x"], reachable=False), Source("b", ["z"])])
    assert [model.id for model in await directory.models()] == ["z"]


async def test_no_reachable_source_is_unavailable() -> None:
    directory = ModelDirectory(
        [Source("a", ["x"], reachable=False), Source("b", [], reachable=False)]
    )
    with pytest.raises(ModelUnavailableError, match="a is away"):
        await directory.models()


async def test_only_source_judges_names_itself() -> None:
    """So that an endpoint whose list cannot be had still answers."""
    directory = ModelDirectory([Source("a", [], reachable=False)])
    assert await answer(directory, "anything") == "a:anything"
    assert await answer(directory, "") == "a:"


async def test_empty_name_is_the_default() -> None:
    directory = ModelDirectory([Source("a", ["x"]), Source("b", ["z"])])
    assert await answer(directory, "") == "a:"


async def test_closing_reaches_the_source() -> None:
    source = Source("a", ["x"])
    request = ChatRequest(model="x", messages=(PromptMessage("user", "hi"),))
    stream = ModelDirectory([source]).stream(request)
    await anext(stream)
    await stream.aclose()
    assert source.closed == 1
