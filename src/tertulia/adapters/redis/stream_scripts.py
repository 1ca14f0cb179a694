"""Token streams inside Redis: a head and a Redis stream for each reply, and a ledger of bytes.

The head holds the epoch `e`, the offset of the first character that is held `f`, the length `n`,
the length that it began with `g`, the status once it has ended `s`, the place in line `a` and the
envelope of the key `k`. An entry's id is `<epoch>-<offset after its text>`, so a position finds
what follows it, and no entry of an older attempt can follow one of a newer.

All names are made of ARGV[1], so one Redis holds all of it: no cluster.
"""

from typing import Final

from tertulia.adapters.redis.line import Script

# Measured with MEMORY USAGE on Redis 7, entries of 30 characters.
ENTRY_BYTES: Final = 24
STREAM_BYTES: Final = 1300
RUNNING_MS: Final = 48 * 3600 * 1000  # far longer than a reply: what nobody ended goes some day

_LEDGER: Final = """
local base, id = ARGV[1], ARGV[2]
local head, text = base .. id, base .. id .. ':text'
local ends, sizes, total = base .. 'ledger:ends', base .. 'ledger:sizes', base .. 'ledger:bytes'
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function charge(bytes)
  redis.call('HINCRBY', sizes, id, bytes)
  return redis.call('INCRBY', total, bytes)
end
local function drop(other)
  local size = redis.call('HGET', sizes, other)
  if size then
    redis.call('DECRBY', total, size)
    redis.call('HDEL', sizes, other)
  end
  redis.call('ZREM', ends, other)
  redis.call('DEL', base .. other, base .. other .. ':text')
end
local function fresh(epoch, first, length, envelope, stream_bytes, running_ms)
  drop(id)
  redis.call('HSET', head, 'e', epoch, 'f', first, 'n', length, 'g', length, 'k', envelope)
  redis.call('PEXPIRE', head, running_ms)
  redis.call('ZADD', ends, now_ms() + running_ms, id)
  charge(stream_bytes)
end
local function add(epoch, to, entry, entry_bytes, running_ms)
  redis.call('XADD', text, epoch .. '-' .. to, 'd', entry)
  if redis.call('XLEN', text) == 1 then redis.call('PEXPIRE', text, running_ms) end
  return charge(#entry + entry_bytes)
end
-- Ended streams go first, those that end soonest before the others; then the older half of the
-- one that grows.
local function make_room(taken, most, kept_ms, entry_bytes)
  while taken > most do
    local oldest = redis.call('ZRANGE', ends, 0, 0, 'WITHSCORES')
    if not oldest[1] or oldest[1] == id or tonumber(oldest[2]) > now_ms() + kept_ms then break end
    drop(oldest[1])
    taken = tonumber(redis.call('GET', total))
  end
  while taken > most do
    local count = redis.call('XLEN', text)
    if count == 0 then break end
    local half = math.ceil(count / 2)
    local freed, last = 0, nil
    for _, entry in ipairs(redis.call('XRANGE', text, '-', '+', 'COUNT', half)) do
      freed, last = freed + #entry[2][2] + entry_bytes, entry[1]
    end
    redis.call('XTRIM', text, 'MAXLEN', '=', count - half)
    redis.call('HSET', head, 'f', string.match(last, '%d+$'))
    taken = charge(-freed)
  end
end
"""

# base id epoch first length envelope entry running_ms kept_ms most message stream_bytes entry_bytes
BEGIN: Final = Script(
    _LEDGER
    + """
local epoch, first, length, envelope, entry = tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local running_ms, kept_ms, most = ARGV[8], tonumber(ARGV[9]), tonumber(ARGV[10])
local held = redis.call('HMGET', head, 'e', 'n', 's')
local e, n = tonumber(held[1]), tonumber(held[2])
if e and (e > epoch or (e == epoch and (held[3] or n > tonumber(length)))) then return -1 end
for _, other in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', now_ms(), 'LIMIT', 0, 100)) do
  drop(other)
end
fresh(ARGV[3], first, length, envelope, ARGV[12], running_ms)
if #entry > 0 then add(ARGV[3], length, entry, ARGV[13], running_ms) end
redis.call('PUBLISH', head, ARGV[11])
make_room(tonumber(redis.call('GET', total)), most, kept_ms, ARGV[13])
return tonumber(length)
"""
)

# base id epoch at to entry envelope running_ms kept_ms most stream_bytes entry_bytes. The length
# after it, or -1 when another attempt has begun or this one has ended.
APPEND: Final = Script(
    _LEDGER
    + """
local epoch, at, to, entry = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5], ARGV[6]
local held = redis.call('HMGET', head, 'e', 'n', 's')
local e, n = tonumber(held[1]), tonumber(held[2])
if e and (e > epoch or (e == epoch and held[3])) then return -1 end
if e == epoch and n > at then return n end
if e ~= epoch or n ~= at then
  -- Lost, or set back: what went before is only in the store.
  fresh(ARGV[3], ARGV[4], ARGV[4], ARGV[7], ARGV[11], ARGV[8])
end
local taken = add(ARGV[3], to, entry, ARGV[12], ARGV[8])
redis.call('HSET', head, 'n', to)
redis.call('PUBLISH', head, entry)
local most = tonumber(ARGV[10])
if taken > most then make_room(taken, most, tonumber(ARGV[9]), ARGV[12]) end
return tonumber(to)
"""
)

# base id epoch ahead message
QUEUE: Final = Script(
    _LEDGER
    + """
local held = redis.call('HMGET', head, 'e', 'n', 'g', 's')
if held[1] ~= ARGV[3] or held[2] ~= held[3] or held[4] then return 0 end
redis.call('HSET', head, 'a', ARGV[4])
redis.call('PUBLISH', head, ARGV[5])
return 1
"""
)

# base id epoch status kept_ms message gone
END: Final = Script(
    _LEDGER
    + """
local held = redis.call('HMGET', head, 'e', 's')
if not held[1] then
  redis.call('PUBLISH', head, ARGV[7])
  return 0
end
if held[1] ~= ARGV[3] or held[2] then return 0 end
redis.call('HSET', head, 's', ARGV[4])
redis.call('PEXPIRE', head, ARGV[5])
redis.call('PEXPIRE', text, ARGV[5])
redis.call('ZADD', ends, now_ms() + tonumber(ARGV[5]), id)
redis.call('PUBLISH', head, ARGV[6])
return 1
"""
)

# base id gone
FORGET: Final = Script(
    _LEDGER
    + """
drop(id)
redis.call('PUBLISH', head, ARGV[3])
"""
)

# base id. Nothing, or the head's e f n s a k and the entries.
READ: Final = Script(
    _LEDGER
    + """
local held = redis.call('HMGET', head, 'e', 'f', 'n', 's', 'a', 'k')
if not held[1] then return false end
local entries = {}
for index, entry in ipairs(redis.call('XRANGE', text, '-', '+')) do entries[index] = entry[2][2] end
return {held[1], held[2], held[3], held[4], held[5], held[6], entries}
"""
)

# base id. Nothing, or the epoch, the length and whether it has ended.
LOOK: Final = Script(
    """
local held = redis.call('HMGET', ARGV[1] .. ARGV[2], 'e', 'n', 's')
if not held[1] then return false end
return {held[1], held[2], held[3] and 1 or 0}
"""
)
