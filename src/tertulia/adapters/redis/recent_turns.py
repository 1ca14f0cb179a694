"""Recent turns in Redis, sealed, within a bound that Redis keeps account of."""

from typing import Any, Final

import msgspec

from tertulia.adapters.redis.line import RedisTroubleError, Script
from tertulia.adapters.redis.link import Link
from tertulia.adapters.redis.seals import Seals
from tertulia.adapters.redis.turn_wire import Held, TurnMessage, decode_branch, decode_held, encode
from tertulia.domain.ids import ConversationId, MessageId
from tertulia.kit.errors import TamperedError
from tertulia.kit.sealing import place
from tertulia.ports.recent_turns import RecentMessage

# What Redis 7 takes for a conversation beside its value: two keys' worth of names, an entry in each
# of the two ledgers. Measured with MEMORY USAGE; for the value itself see `_allocated`.
ENTRY_BYTES: Final = 300
MOST_FORGOTTEN: Final = 10_000  # conversations erased while Redis was away

# The ledger: who was used when (in microseconds, so that there is an order), and how large it is.
_LEDGER: Final = """
local base, kept_us = ARGV[1], tonumber(ARGV[2]) * 1000
local used, sizes, total = base .. 'used', base .. 'sizes', base .. 'bytes'
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function drop(id)
  local size = redis.call('HGET', sizes, id)
  if size then
    redis.call('DECRBY', total, size)
    redis.call('HDEL', sizes, id)
  end
  redis.call('ZREM', used, id)
  redis.call('DEL', base .. 'of:' .. id)
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', used, '-inf', now - kept_us, 'LIMIT', 0, 100)) do
  drop(id)
end
"""
_GET: Final = Script(
    _LEDGER
    + """
local id = ARGV[3]
local value = redis.call('GET', base .. 'of:' .. id)
if not value then
  drop(id)
  return false
end
redis.call('ZADD', used, now, id)
redis.call('PEXPIRE', base .. 'of:' .. id, ARGV[2])
return value
"""
)
_PUT: Final = Script(
    _LEDGER
    + """
local id, value, size, most = ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
drop(id)
if size > most then return 0 end
redis.call('SET', base .. 'of:' .. id, value, 'PX', ARGV[2])
redis.call('ZADD', used, now, id)
redis.call('HSET', sizes, id, size)
local taken = redis.call('INCRBY', total, size)
while taken > most do
  drop(redis.call('ZRANGE', used, 0, 0)[1])
  taken = tonumber(redis.call('GET', total))
end
return taken
"""
)
_FORGET: Final = Script(
    _LEDGER
    + """
for index = 3, #ARGV do drop(ARGV[index]) end
"""
)
_SIZE: Final = Script(_LEDGER + "return redis.call('GET', total)")


class RedisRecentTurns:
    """A conversation is one sealed value; what it takes is the room for it and ENTRY_BYTES.

    While Redis is away nothing is found and nothing kept; conversations that are forgotten
    meanwhile are forgotten when it is back, or run out after `kept_s` at the latest.
    """

    def __init__(
        self, link: Link, seals: Seals, *, max_bytes: int, max_messages: int, kept_s: float
    ) -> None:
        self._link = link
        self._seals = seals
        self._max_bytes = max_bytes
        self._max_messages = max_messages
        self._ledger = (link.key("turns", ""), round(kept_s * 1000))
        self._size_bytes = 0
        self._to_forget: dict[ConversationId, None] = {}  # an ordered set

    async def get(
        self, conversation_id: ConversationId, leaf_id: MessageId
    ) -> tuple[RecentMessage, ...] | None:
        """See the port. Any message of a branch that is held whole is the end of a branch too."""
        try:
            await self._forget_owed()
            value = await self._run(_GET, conversation_id)
        except RedisTroubleError:
            return None
        messages = await self._opened(conversation_id, value) if value is not None else None
        return None if messages is None else _ending_at(messages, leaf_id)

    async def put(
        self, conversation_id: ConversationId, messages: tuple[RecentMessage, ...]
    ) -> None:
        """See the port."""
        kept = messages[-self._max_messages :]
        if not kept:
            return await self.forget(conversation_id)
        house = await self._seals.own()
        plain = encode(tuple(TurnMessage(m.id, m.seq, m.author, m.text) for m in kept))
        sealed = house.sealer(_where(conversation_id)).seal(plain, b"")
        value = encode(Held(house.envelope, sealed))
        size = _allocated(len(value)) + ENTRY_BYTES
        try:
            await self._forget_owed()
            await self._run(_PUT, conversation_id, value, size, self._max_bytes)
        except RedisTroubleError:
            # What is held now is older than this, and must not be taken for the branch.
            self._owe(conversation_id)
        return None

    async def forget(self, conversation_id: ConversationId) -> None:
        """See the port."""
        self._owe(conversation_id)
        try:
            await self._forget_owed()
        except RedisTroubleError:
            return

    async def size_bytes(self) -> int:
        """See the port. While Redis is away, what it was."""
        try:
            self._size_bytes = int(await self._run(_SIZE) or 0)
        except RedisTroubleError:
            return self._size_bytes
        return self._size_bytes

    async def _opened(
        self, conversation_id: ConversationId, value: bytes
    ) -> tuple[RecentMessage, ...] | None:
        """None when it was sealed under a key that is gone, or is not what was put."""
        try:
            held = decode_held(value)
            house = await self._seals.opened(held.envelope)
            if house is None:
                return None
            plain = house.sealer(_where(conversation_id)).open(held.sealed, b"")
            messages = decode_branch(plain)
        except (TamperedError, msgspec.DecodeError):
            return None
        return tuple(
            RecentMessage(id=m.id, seq=m.seq, author=m.author, text=m.text) for m in messages
        )

    def _owe(self, conversation_id: ConversationId) -> None:
        if len(self._to_forget) < MOST_FORGOTTEN:
            self._to_forget[conversation_id] = None

    async def _forget_owed(self) -> None:
        if self._to_forget:
            owed = tuple(self._to_forget)
            await self._run(_FORGET, *owed)
            for conversation_id in owed:
                self._to_forget.pop(conversation_id, None)

    async def _run(self, script: Script, *arguments: str | bytes | int) -> Any:
        return await self._link.line.run_script(script, *self._ledger, *arguments)


def _allocated(length: int) -> int:
    """The bytes that jemalloc, with which Redis is built, gives to so many: one of four sizes
    between a power of two and the next (jemalloc(3), "IMPLEMENTATION NOTES")."""
    spacing = 1 << max(4, (length - 1).bit_length() - 3)
    return -(-length // spacing) * spacing


def _where(conversation_id: ConversationId) -> bytes:
    return place("recent turns", conversation_id)


def _ending_at(
    messages: tuple[RecentMessage, ...], leaf_id: MessageId
) -> tuple[RecentMessage, ...] | None:
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].id == leaf_id:
            whole = messages[0].seq == 1
            last = index == len(messages) - 1
            return messages[: index + 1] if whole or last else None
    return None
