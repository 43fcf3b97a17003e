"""The scripts that move what is parked: to its list when it is due, or away.

What is parked stands under an id in three places: when it is due, what it is
(``<length>:<task id>`` and then the entry of a lease), and where to find what a task has parked
(``<length>:<queue><length>:<id>`` again and again).  All three are written and removed together.
"""

from __future__ import annotations

from typing import Final

from taskq.adapters.broker.redis_link import Script
from taskq.adapters.broker.redis_scripts import BURYING, NOW

# A list that something else stands in the way of is tried again after this time.
BLOCKED_MS: Final = 60_000

_FORGET: Final = """
local function split(text, from)
  local colon = string.find(text, ':', from, true)
  local size = colon and tonumber(string.sub(text, from, colon - 1))
  if not size then return nil, from end
  return string.sub(text, colon + 1, colon + size), colon + size + 1
end

-- Takes one id out of what is known of a task.
local function forget(task, queue, id)
  local known = redis.call('HGET', KEYS[1], task)
  if not known then return end
  local record = #queue .. ':' .. queue .. #id .. ':' .. id
  local from, to = string.find(known, record, 1, true)
  if not from then return end
  local rest = string.sub(known, 1, from - 1) .. string.sub(known, to + 1)
  if rest == '' then
    redis.call('HDEL', KEYS[1], task)
  else
    redis.call('HSET', KEYS[1], task, rest)
  end
end
"""

# KEYS: tasks that are parked, dead, letters, then for each queue: what is parked, its messages
# ARGV: how many at most, most dead letters, the letter of a record that cannot be read,
#   then for each queue: its name, life of its lists in ms (0: none)
# Returns how many were moved, and in how many ms the next is due (-1: there is none).
DUE: Final = Script(
    _FORGET
    + NOW
    + BURYING
    + f"""
local blocked_ms = {BLOCKED_MS}
"""
    + """
redis.call('HDEL', KEYS[1], '')

local function move(queue, parked, messages, life_ms, id)
  local message = redis.call('HGET', messages, id)
  if message then
    local task, at = split(message, 1)
    local key, envelope = split(message, at)
    if task and key then
      local said = redis.pcall('LPUSH', key, string.sub(message, envelope))
      if type(said) == 'table' and said.err then
        redis.call('ZADD', parked, string.format('%.0f', now_ms + blocked_ms), id)
        return
      end
      if life_ms ~= '0' then redis.call('PEXPIRE', key, life_ms) end
      forget(task, queue, id)
    else
      bury(KEYS[2], KEYS[3], ARGV[2], ARGV[3] .. message)
    end
    redis.call('HDEL', messages, id)
  end
  redis.call('ZREM', parked, id)
end

local left, moved, wait_ms = tonumber(ARGV[1]), 0, -1
for i = 4, #KEYS, 2 do
  local parked, head = KEYS[i], redis.call('ZRANGE', KEYS[i], 0, 0, 'WITHSCORES')[2]
  if head and tonumber(head) <= now_ms and left > 0 then
    local due = redis.call('ZRANGEBYSCORE', parked, '-inf', now_ms, 'LIMIT', 0, left)
    for _, id in ipairs(due) do move(ARGV[i], parked, KEYS[i + 1], ARGV[i + 1], id) end
    left, moved = left - #due, moved + #due
    head = redis.call('ZRANGE', parked, 0, 0, 'WITHSCORES')[2]
  end
  if head then
    local ms = math.max(0, tonumber(head) - now_ms)
    if wait_ms < 0 or ms < wait_ms then wait_ms = ms end
  end
end
return {moved, wait_ms}
"""
)

# KEYS: tasks that are parked     ARGV: prefix of what is parked, task ids ...
# Returns how many messages are due now that were not before.
UNPARK: Final = Script(
    _FORGET
    + NOW
    + """
local found = 0
for i = 2, #ARGV do
  local known = redis.call('HGET', KEYS[1], ARGV[i])
  local at = 1
  while known and at <= #known do
    local queue, id
    queue, at = split(known, at)
    if not queue then break end
    id, at = split(known, at)
    if not id then break end
    local due_ms = redis.call('ZSCORE', ARGV[1] .. queue, id)
    if due_ms and tonumber(due_ms) > now_ms then
      redis.call('ZADD', ARGV[1] .. queue, string.format('%.0f', now_ms), id)
      found = found + 1
    end
  end
end
return found
"""
)

# KEYS: tasks that are parked, what is parked in a queue, its messages    ARGV: queue, how many
# Returns how many were thrown away.
PURGE: Final = Script(
    _FORGET
    + """
redis.call('HDEL', KEYS[1], '')
local ids = redis.call('ZRANGE', KEYS[2], 0, tonumber(ARGV[2]) - 1)
for _, id in ipairs(ids) do
  local message = redis.call('HGET', KEYS[3], id)
  local task = message and split(message, 1)
  if task then forget(task, ARGV[1], id) end
  redis.call('HDEL', KEYS[3], id)
  redis.call('ZREM', KEYS[2], id)
end
return #ids
"""
)
