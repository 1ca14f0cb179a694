"""Passes between processes: what holds, and what does not."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tertulia.adapters.keyfile.vault import MemoryVault
from tertulia.adapters.rpc.passes import SealedPasses
from tertulia.domain.access import Principal
from tertulia.domain.ids import UserId
from tertulia.kit.clock import SystemClock
from tertulia.ports.peers import Pass

WHO = Principal(user_id=UserId("u1"), via="session", credential_id="c1")
SHOWN = Pass(issuer="gateway", principal=WHO, within_s=30)
TARGET = "/api/conversations?limit=2"


class Clock(SystemClock):
    """Goes forward when it is told to."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead.total_seconds()


@pytest.fixture
def vault() -> MemoryVault:
    return MemoryVault()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def passes(vault: MemoryVault, clock: Clock) -> SealedPasses:
    return SealedPasses(vault, clock)


@pytest.mark.parametrize("shown", [SHOWN, replace(SHOWN, principal=None)])
async def test_another_process_of_the_installation_reads_a_pass(
    passes: SealedPasses, vault: MemoryVault, clock: Clock, shown: Pass
) -> None:
    text = await passes.issue(shown, "GET", TARGET)
    assert await SealedPasses(vault, clock).check(text, "GET", TARGET) == shown


async def test_another_installation_cannot_make_one(passes: SealedPasses, clock: Clock) -> None:
    forged = await SealedPasses(MemoryVault(), clock).issue(SHOWN, "GET", TARGET)
    assert await passes.check(forged, "GET", TARGET) is None


@pytest.mark.parametrize(
    ("method", "target"),
    [("POST", TARGET), ("GET", "/api/conversations?limit=3"), ("GET", "/api/tokens")],
)
async def test_pass_holds_for_its_own_method_and_target(
    passes: SealedPasses, method: str, target: str
) -> None:
    text = await passes.issue(SHOWN, "GET", TARGET)
    assert await passes.check(text, method, target) is None


@pytest.mark.parametrize("seconds", [61, -31])
async def test_pass_of_another_time_does_not_hold(
    passes: SealedPasses, clock: Clock, seconds: int
) -> None:
    text = await passes.issue(SHOWN, "GET", TARGET)
    clock.ahead = timedelta(seconds=seconds)
    assert await passes.check(text, "GET", TARGET) is None


async def test_altered_pass_does_not_hold(passes: SealedPasses) -> None:
    text = await passes.issue(SHOWN, "GET", TARGET)
    for at in range(0, len(text), 7):
        altered = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
        assert await passes.check(altered, "GET", TARGET) is None


@pytest.mark.parametrize("text", ["", ".", "a.b", "é.é", "AAAA.AAAA", "x" * 9000, "=.="])
async def test_what_is_no_pass_does_not_hold(passes: SealedPasses, text: str) -> None:
    assert await passes.check(text, "GET", TARGET) is None


async def test_pass_from_before_a_rotation_holds_until_the_version_is_retired(
    passes: SealedPasses, vault: MemoryVault, clock: Clock
) -> None:
    before = await passes.issue(SHOWN, "GET", TARGET)
    vault.rotate()
    assert await SealedPasses(vault, clock).check(before, "GET", TARGET) == SHOWN
    vault.retire(vault.version)
    assert await SealedPasses(vault, clock).check(before, "GET", TARGET) is None


async def test_rotation_and_retirement_are_noticed_within_a_minute(
    passes: SealedPasses, vault: MemoryVault, clock: Clock
) -> None:
    old = await passes.issue(SHOWN, "GET", TARGET)
    assert await passes.check(old, "GET", TARGET) == SHOWN
    vault.retire(vault.rotate())
    clock.ahead = timedelta(seconds=60)
    assert await passes.check(old, "GET", TARGET) is None
    new = await passes.issue(SHOWN, "GET", TARGET)
    assert await SealedPasses(vault, clock).check(new, "GET", TARGET) == SHOWN
