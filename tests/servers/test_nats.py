from typing import Any

import pytest

from tests.servers.nats import NATS

pytestmark = pytest.mark.server


async def test_killed_nats_keeps_what_was_published(nats: NATS) -> None:
    client = await connect(nats)
    await client.jetstream().add_stream(name="told", subjects=["told.>"])
    await client.jetstream().publish("told.once", b"again")
    await client.close()
    nats.kill()
    nats.start()
    client = await connect(nats)
    message = await client.jetstream().get_last_msg("told", "told.once")
    await client.close()
    assert message.data == b"again"


async def connect(nats: NATS) -> Any:
    import nats as driver

    return await driver.connect(nats.url)  # pyright: ignore[reportUnknownMemberType]
