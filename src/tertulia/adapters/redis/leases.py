"""Leases in Redis: a key with a time to live for each place, by Redis' own clock."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tertulia.adapters.redis.line import RedisTroubleError, Script
from tertulia.adapters.redis.link import Link
from tertulia.kit.clock import Clock
from tertulia.ports.leases import LeasesUnavailableError, Member

REMEMBERED_S: Final = 30.0  # twice a worker's lease: whoever died meanwhile has been missed by then

# A group is a set of names; "" in it tells a group whose members left from one that was lost. A
# place is `fence capacity claim load`. Fences are the time in microseconds: they grow over
# FLUSHALL.
_CLAIM: Final = Script("""
local group, name, capacity, ttl, claim = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local place = group .. ':' .. name
local held = redis.call('GET', place)
if held then
  local fence, holder = string.match(held, '^(%d+) %d+ (%x+) ')
  return holder == claim and fence or false
end
local time = redis.call('TIME')
local fence = math.max(time[1] * 1000000 + time[2], (redis.call('GET', group .. ':') or 0) + 1)
fence = string.format('%.0f', fence)
redis.call('SET', place, fence .. ' ' .. capacity .. ' ' .. claim .. ' 0', 'PX', ttl)
redis.call('SET', group .. ':', fence)
redis.call('SADD', group, '', name)
return fence
""")
_RENEW: Final = Script("""
local place = ARGV[1] .. ':' .. ARGV[2]
local held = redis.call('GET', place)
if not held or string.match(held, '^%d+') ~= ARGV[3] then return 0 end
redis.call('SADD', ARGV[1], '', ARGV[2])
redis.call('SET', place, string.match(held, '^%d+ %d+ %x+ ') .. ARGV[5], 'PX', ARGV[4])
return 1
""")
_RELEASE: Final = Script("""
local place = ARGV[1] .. ':' .. ARGV[2]
local held = redis.call('GET', place)
if held and string.match(held, '^%d+') == ARGV[3] then
  redis.call('DEL', place)
  redis.call('SREM', ARGV[1], ARGV[2])
end
""")
_MEMBERS: Final = Script("""
local names = redis.call('SMEMBERS', ARGV[1])
if #names == 0 then return false end
local members = {}
for _, name in ipairs(names) do
  if name ~= '' then
    local held = redis.call('GET', ARGV[1] .. ':' .. name)
    if held then
      table.insert(members, {name, held})
    else
      redis.call('SREM', ARGV[1], name)
    end
  end
end
return members
""")


@dataclass(frozen=True, slots=True)
class _Seen:
    members: Sequence[Member]
    at: float


class RedisLeases:
    """While Redis is away, or has lost a group, the members are those that were seen last, for
    REMEMBERED_S; then those that this process holds itself."""

    def __init__(self, link: Link, clock: Clock) -> None:
        self._link = link
        self._clock = clock
        self._seen: dict[str, _Seen] = {}
        self._own: dict[str, dict[str, Member]] = {}

    async def claim(self, group: str, name: str, *, capacity: int, ttl_s: float) -> int | None:
        """See the port."""
        claim = secrets.token_hex(8)
        fence = await self._run(_CLAIM, group, name, capacity, _ms(ttl_s), claim)
        if fence is None:
            return None
        member = Member(name=name, capacity=capacity, fence=int(fence))
        self._own.setdefault(group, {})[name] = member
        return member.fence

    async def renew(
        self, group: str, name: str, fence: int, *, ttl_s: float, load: int = 0
    ) -> bool:
        """See the port."""
        held = bool(await self._run(_RENEW, group, name, fence, _ms(ttl_s), load))
        if not held:
            self._disown(group, name, fence)
        return held

    async def release(self, group: str, name: str, fence: int) -> None:
        """See the port."""
        self._disown(group, name, fence)
        await self._run(_RELEASE, group, name, fence)

    async def members(self, group: str) -> Sequence[Member]:
        """See the port."""
        now = self._clock.monotonic()
        try:
            found = await self._run(_MEMBERS, group)
        except LeasesUnavailableError:
            remembered = self._remembered(group, now)
            if not remembered:
                raise
            return remembered
        if found is None:
            return self._remembered(group, now)
        members = _by_name(member_of(*place) for place in found)
        self._seen[group] = _Seen(members, now)
        return members

    def _remembered(self, group: str, now: float) -> Sequence[Member]:
        seen = self._seen.get(group)
        if seen is not None and now - seen.at < REMEMBERED_S:
            return seen.members
        return _by_name(self._own.get(group, {}).values())

    def _disown(self, group: str, name: str, fence: int) -> None:
        own = self._own.get(group, {})
        if name in own and own[name].fence == fence:
            del own[name]

    async def _run(self, script: Script, group: str, *arguments: str | int) -> Any:
        try:
            return await self._link.line.run_script(
                script, self._link.key("leases", group), *arguments
            )
        except RedisTroubleError as error:
            raise LeasesUnavailableError from error


def _by_name(members: Iterable[Member]) -> Sequence[Member]:
    return sorted(members, key=lambda member: member.name)


def member_of(name: bytes, held: bytes) -> Member:
    """Whose place it is; what a later version says behind the load is passed over."""
    fence, capacity, _, load, *_ = held.split()
    return Member(name=name.decode(), capacity=int(capacity), fence=int(fence), load=int(load))


def _ms(seconds: float) -> int:
    return max(round(seconds * 1000), 1)
