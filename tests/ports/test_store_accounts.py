"""Accounts, the secrets that sign in, and the requests of clients."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tertulia.domain.ids import ConversationId, MessageId, RequestId, UserId
from tertulia.kit.ids import new_id
from tertulia.ports.store import (
    AlreadyExistsError,
    Credential,
    CredentialKind,
    RequestOutcome,
    RequestReusedError,
)
from tests.ports.stores import START, World

HOUR = timedelta(hours=1)
OUTCOME = RequestOutcome(
    conversation_id=ConversationId("c"), message_id=MessageId("m"), reply_id=MessageId("r")
)
REQUEST = RequestId("request")


def credential(
    world: World, kind: CredentialKind = "token", expires_at: datetime | None = None
) -> Credential:
    return Credential(
        id=new_id(),
        kind=kind,
        user_id=world.owner,
        name="laptop",
        created_at=START,
        expires_at=expires_at,
        last_used_at=None,
    )


async def test_there_is_one_owner(world: World) -> None:
    first = await world.store.write(lambda tx: tx.accounts.owner())
    assert await world.store.write(lambda tx: tx.accounts.owner()) == first
    assert await world.store.read(lambda tx: tx.accounts.get(first.id)) == first
    assert await world.store.read(lambda tx: tx.accounts.get(UserId("nobody"))) is None


async def test_a_credential_is_found_by_kind_and_digest(world: World) -> None:
    added = credential(world)
    await world.store.write(lambda tx: tx.credentials.add(added, b"d"))
    assert await world.store.read(lambda tx: tx.credentials.find("token", b"d")) == added
    assert await world.store.read(lambda tx: tx.credentials.find("session", b"d")) is None
    assert await world.store.read(lambda tx: tx.credentials.find("token", b"e")) is None


async def test_an_expired_credential_is_as_good_as_absent(world: World) -> None:
    wanted: list[tuple[CredentialKind, bytes]] = [("session", b"s"), ("link", b"l")]
    for kind, digest in wanted:
        expiring = credential(world, kind, START + HOUR)
        await world.store.write(
            lambda tx, expiring=expiring, digest=digest: tx.credentials.add(expiring, digest)
        )
    assert await world.store.read(lambda tx: tx.credentials.find("session", b"s")) is not None
    world.clock.pass_time(HOUR)
    assert await world.store.read(lambda tx: tx.credentials.find("session", b"s")) is None
    assert await world.store.write(lambda tx: tx.credentials.consume("link", b"l")) is None


async def test_a_credential_holds_until_it_expires_or_is_revoked(world: World) -> None:
    lasting, expiring = credential(world), credential(world, "session", START + HOUR)

    async def holding() -> list[bool]:
        ids = (lasting.id, expiring.id, "unknown")
        return await world.store.read(lambda tx: [tx.credentials.holds(one) for one in ids])

    await world.store.write(lambda tx: tx.credentials.add(lasting, b"l"))
    await world.store.write(lambda tx: tx.credentials.add(expiring, b"e"))
    assert await holding() == [True, True, False]
    world.clock.pass_time(HOUR)
    assert await holding() == [True, False, False]
    await world.store.write(lambda tx: tx.credentials.revoke(lasting.id))
    assert await holding() == [False, False, False]


async def test_a_link_works_for_one_of_many_callers(world: World) -> None:
    link = credential(world, "link", START + HOUR)
    await world.store.write(lambda tx: tx.credentials.add(link, b"d"))
    got = await asyncio.gather(
        *(world.store.write(lambda tx: tx.credentials.consume("link", b"d")) for _ in range(20))
    )
    assert [one for one in got if one is not None] == [link]


async def test_credentials_are_listed_by_kind_touched_and_revoked(world: World) -> None:
    first = credential(world)
    second = replace(credential(world), created_at=START + HOUR)
    session = credential(world, "session")
    for added in (second, session, first):
        await world.store.write(
            lambda tx, added=added: tx.credentials.add(added, added.id.encode())
        )
    world.clock.pass_time(HOUR)
    await world.store.write(lambda tx: tx.credentials.touch(first.id))
    touched = replace(first, last_used_at=world.clock.now())
    assert await world.store.read(lambda tx: tx.credentials.list("token")) == [touched, second]
    assert await world.store.write(lambda tx: tx.credentials.revoke(first.id))
    assert not await world.store.write(lambda tx: tx.credentials.revoke(first.id))
    assert await world.store.read(lambda tx: tx.credentials.list("token")) == [second]


async def test_a_new_request_has_no_outcome(world: World) -> None:
    found = await world.store.read(lambda tx: tx.requests.outcome(world.owner, REQUEST, b"{}"))
    assert found is None


async def test_the_same_request_has_the_same_outcome(world: World) -> None:
    await world.store.write(lambda tx: tx.requests.record(world.owner, REQUEST, b"{}", OUTCOME))
    found = await world.store.read(lambda tx: tx.requests.outcome(world.owner, REQUEST, b"{}"))
    assert found == OUTCOME


async def test_an_outcome_may_be_a_conversation_alone(world: World) -> None:
    alone = replace(OUTCOME, message_id=None, reply_id=None)
    await world.store.write(lambda tx: tx.requests.record(world.owner, REQUEST, b"{}", alone))
    found = await world.store.read(lambda tx: tx.requests.outcome(world.owner, REQUEST, b"{}"))
    assert found == alone


async def test_the_same_request_with_another_body_is_refused(world: World) -> None:
    await world.store.write(lambda tx: tx.requests.record(world.owner, REQUEST, b"{}", OUTCOME))
    with pytest.raises(RequestReusedError):
        await world.store.read(lambda tx: tx.requests.outcome(world.owner, REQUEST, b"{ }"))


async def test_requests_belong_to_their_user(world: World) -> None:
    await world.store.write(lambda tx: tx.requests.record(world.owner, REQUEST, b"{}", OUTCOME))
    other = UserId("other")
    found = await world.store.read(lambda tx: tx.requests.outcome(other, REQUEST, b"other"))
    assert found is None


async def test_a_request_is_recorded_once(world: World) -> None:
    await world.store.write(lambda tx: tx.requests.record(world.owner, REQUEST, b"{}", OUTCOME))
    with pytest.raises(AlreadyExistsError):
        await world.store.write(lambda tx: tx.requests.record(world.owner, REQUEST, b"{}", OUTCOME))
