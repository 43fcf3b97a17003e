"""The Lua scripts of the Redis driver, and what all of them begin with.  Each is one atomic step.

The script that settles is in ``redis_scripts_commit``, what counts chords in
``redis_scripts_chords``, what is about the parked and about dead letters in
``redis_scripts_parking`` and ``redis_scripts_letters``.

None of them parses or writes a message: a message is opaque here (a round trip through the
server's JSON library would turn empty arrays into empty objects).  What a lease holds is
``<length of the list's name>:<name of the list><envelope>``.

Three things hold for all of them:

* Time is the server's (``TIME``), so that clocks of workers never decide who owns a message.
* A server that is out of memory refuses commands that need some, but only as the first write
  of a script.  It must still be drained, so each script begins with a write that needs none.
* Redis 6.2 is enough.
"""

from __future__ import annotations

from typing import Final

from taskq.adapters.broker.redis_link import Script

NOW: Final = """
local now = redis.call('TIME')
local now_ms = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
"""

# Needs NOW in front of it.  Letters are numbered by the microsecond, each higher than those before.
BURYING: Final = """
local function bury(dead, letters, most, letter)
  local number = tonumber(now[1]) * 1000000 + tonumber(now[2])
  local newest = redis.call('ZREVRANGE', dead, 0, 0, 'WITHSCORES')[2]
  if newest and tonumber(newest) >= number then number = tonumber(newest) + 1 end
  local id = string.format('%.0f', number)
  redis.call('HSET', letters, id, letter)
  redis.call('ZADD', dead, id, id)
  local over = math.min(redis.call('ZCARD', dead) - tonumber(most), 1000)
  if over > 0 then
    local oldest = redis.call('ZRANGE', dead, 0, over - 1)
    redis.call('ZREM', dead, unpack(oldest))
    redis.call('HDEL', letters, unpack(oldest))
  end
end
"""

# A result's state is read from the beginning of its JSON, where every writer puts it; else from
# the parsed JSON; else (pickle, msgpack, yaml) it is the capital word that follows 'status'.
# One that is compressed begins with a zero byte and does not show its state.  So whoever writes
# such a one gives the state along with the blockers ('=STATE'), and it is kept beside the result,
# with the length of what it belongs to: a Celery that overwrites the result knows nothing of it.
STORING: Final = """
local function state_of(key)
  local head = redis.call('GETRANGE', key, 0, 63)
  if head == '' then return nil end
  if string.byte(head) == 0 then
    local kept = redis.call('GET', key .. '.state')
    if not kept then return nil end
    local state, length = string.match(kept, '^(.*) (%d+)$')
    return tonumber(length) == redis.call('STRLEN', key) and state or nil
  end
  local state = string.match(head, '^{"status": ?"([%w_]+)"')
  if state then return state end
  local text = redis.call('GET', key)
  if string.sub(text, 1, 1) == '{' then
    local fine, meta = pcall(cjson.decode, text)
    if fine and type(meta) == 'table' then return meta['status'] end
  end
  return string.match(text, 'status[^%w]+(%u+)')
end

local function set(key, value, life_ms)
  if life_ms == '0' then
    redis.call('SET', key, value)
  else
    redis.call('SET', key, value, 'PX', life_ms)
  end
end

local function store(key, life_ms, blockers, payload)
  local state = state_of(key)
  if state and string.find(blockers, ' ' .. state .. ' ', 1, true) then return 0 end
  set(key, payload, life_ms)
  local hidden = string.match(blockers, '=(.*)$')
  if hidden then set(key .. '.state', hidden .. ' ' .. #payload, life_ms) end
  redis.call('PUBLISH', key, payload)
  return 1
end
"""

# Takes from the lists that begin at one of the keys, into the lease; ``took`` (or nil) is told tag
# and envelope of each.  Returns for each list that had something: its number, how many, the
# envelopes; or minus its number and the error.
TAKING: Final = """
local function take(from, tag, left, took)
  local out = {}
  for i = from, #KEYS do
    local key = KEYS[i]
    local got = redis.pcall('RPOP', key, left)
    if got and got.err then
      out[#out + 1] = from - 1 - i
      out[#out + 1] = got.err
    elseif got and #got > 0 then
      local count, head, fields = #got, #key .. ':' .. key, {}
      out[#out + 1] = i - from + 1
      out[#out + 1] = count
      for j = 1, count do
        fields[#fields + 1] = tag + j
        fields[#fields + 1] = head .. got[j]
        out[#out + 1] = got[j]
        if took then took(tag + j, got[j]) end
        if #fields == 1000 or j == count then
          redis.call('HSET', KEYS[2], unpack(fields))
          fields = {}
        end
      end
      tag = tag + count
      left = left - count
      if left == 0 then break end
    end
  end
  return out
end
"""

# KEYS: workers, lease, lists ...      ARGV: token, lease in ms, last tag used, how many
# Returns 0 where the lease is not ours any more, else what ``take`` does.
TAKE: Final = Script(
    TAKING
    + """
redis.call('HDEL', KEYS[2], '')
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
"""
    + NOW
    + """
redis.call('ZADD', KEYS[1], now_ms + ARGV[2], ARGV[1])
return take(3, tonumber(ARGV[3]), tonumber(ARGV[4]))
"""
)

# KEYS: results ...                    ARGV: for each: life in ms, states, payload
STORE: Final = Script(
    STORING
    + """
local out = {}
for i = 1, #KEYS do
  out[i] = store(KEYS[i], ARGV[3 * i - 2], ARGV[3 * i - 1], ARGV[3 * i])
end
return out
"""
)

# KEYS: workers   ARGV: lease in ms, prefixes of lease, claimed and taken, life of 'taken' in ms,
#                       id for an heir, own tokens ...
# Returns for each own token whether it still is ours, then the heir's token if it took over one.
# What a lost worker had is taken over by renaming it: one step, and two who try never both get
# it.  The heir's token is due again itself, so the heir may be lost as well.
RENEW: Final = Script(
    """
redis.call('ZREM', KEYS[1], '')
"""
    + NOW
    + """
local out = {}
for i = 7, #ARGV do
  local ours = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if ours then redis.call('ZADD', KEYS[1], now_ms + ARGV[1], ARGV[i]) end
  out[#out + 1] = ours and 1 or 0
end
local overdue = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_ms - 1, 'LIMIT', 0, 20)
for _, token in ipairs(overdue) do
  redis.call('ZREM', KEYS[1], token)
  if redis.call('EXISTS', ARGV[2] .. token) == 1 then
    local heir = (string.match(token, '^(.*)%.[^.]*$') or token) .. '.' .. ARGV[6]
    redis.call('RENAME', ARGV[2] .. token, ARGV[2] .. heir)
    if redis.call('EXISTS', ARGV[3] .. token) == 1 then
      redis.call('RENAME', ARGV[3] .. token, ARGV[3] .. heir)
    end
    redis.call('SET', ARGV[4] .. token, heir, 'PX', ARGV[5])
    redis.call('ZADD', KEYS[1], now_ms + ARGV[1], heir)
    out[#out + 1] = heir
    break
  end
  redis.call('DEL', ARGV[3] .. token)
end
return out
"""
)

# KEYS: workers                        ARGV: token, lease in ms
REGISTER: Final = Script(
    """
redis.call('ZREM', KEYS[1], '')
"""
    + NOW
    + """
redis.call('ZADD', KEYS[1], now_ms + ARGV[2], ARGV[1])
return 1
"""
)

# kombu's rule for a queue that expires: its bindings lapse some time after nobody renews them.
# KEYS: bindings, deadlines            ARGV: member, exchange, life in ms
BIND_FOR_A_TIME: Final = Script(
    """
redis.call('SADD', KEYS[1], ARGV[1])
"""
    + NOW
    + """
redis.call('ZADD', KEYS[2], 'GT', now_ms + ARGV[3], ARGV[2])
return 1
"""
)

# kombu's sweep: a table of bindings goes when its time is over and no lasting binding is in it.
# KEYS: deadlines                      ARGV: prefixes of bindings and lasting ones, how many
SWEEP_BINDINGS: Final = Script(
    NOW
    + """
local overdue = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_ms, 'LIMIT', 0, ARGV[3])
for _, exchange in ipairs(overdue) do
  if redis.call('EXISTS', ARGV[2] .. exchange) == 0 then
    redis.call('DEL', ARGV[1] .. exchange)
  end
  redis.call('ZREM', KEYS[1], exchange)
end
return #overdue
"""
)
