"""What tests of replies share."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager

from tertulia.domain.conversations import ASSISTANT
from tertulia.domain.events import inference_topic
from tertulia.domain.messages import Message
from tertulia.domain.streams import Delta, Part
from tertulia.roles.inference.settings import InferenceSettings
from tests.roles.house import House

QUEUE = inference_topic(ASSISTANT.id, "local")
QUICK = InferenceSettings(batch_s=0, checkpoint_s=0, retry_within_s=0, drain_s=0, titles=False)

Open = Callable[..., AbstractAsyncContextManager[House]]
"""From a model (and settings) to a house with it."""


async def followed(house: House, reply: Message) -> AsyncGenerator[Part, None]:
    """The stream from its beginning, also when it has yet to begin."""
    async with asyncio.timeout(20), house.signals.subscribe(f"reply:{reply.id}") as changed:
        while (parts := await house.stream.read(reply.id, None)) is None:
            await changed.wait(0.01)
        async for part in parts:
            yield part


def texts(parts: Sequence[Part]) -> str:
    return "".join(part.text for part in parts if isinstance(part, Delta))
