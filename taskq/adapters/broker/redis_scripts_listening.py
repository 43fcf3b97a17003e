"""The scripts of who listens: how a queue of its own is bound, and how it goes.

A listener that is killed cannot take its binding with it.  So each says until when it is good, in
a set of ours, and says so again while it lives; whoever listens then clears away those whose time
is over, with their bindings and lists.  One that goes by itself takes all with it, but who replies
may have looked up its list a moment before: so its list is cleared away once more, later.
"""

from __future__ import annotations

from typing import Final

from taskq.adapters.broker.redis_link import Script
from taskq.adapters.broker.redis_scripts import NOW

# A record names all that goes with a listener, as JSON: exchange, member of its bindings, lists.
_CLEAR: Final = """
-- The set itself goes when nobody has listened for so long.
local function keep(listeners, life_ms)
  local wanted = math.max(86400000, 2 * tonumber(life_ms))
  if redis.call('PTTL', listeners) < wanted then redis.call('PEXPIRE', listeners, wanted) end
end

local function clear(listeners, deadlines, prefix, record)
  redis.call('ZREM', listeners, record)
  local fine, said = pcall(cjson.decode, record)
  if not fine or type(said) ~= 'table' or #said < 2 then return end
  redis.call('SREM', prefix .. said[1], said[2])
  for i = 3, #said do redis.call('DEL', said[i]) end
  if redis.call('EXISTS', prefix .. said[1]) == 0 then
    redis.call('ZREM', deadlines, said[1])
  end
end
"""

# KEYS: listeners, deadlines of bindings, bindings
# ARGV: record, life in ms, member, exchange, life of the binding in ms, prefix of bindings,
#   how many of those that are over to clear away, then the lists
LISTEN: Final = Script(
    _CLEAR
    + NOW
    + """
redis.call('ZREM', KEYS[1], '')
local overdue = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_ms, 'LIMIT', 0, ARGV[7])
for _, record in ipairs(overdue) do clear(KEYS[1], KEYS[2], ARGV[6], record) end
redis.call('ZADD', KEYS[1], string.format('%.0f', now_ms + tonumber(ARGV[2])), ARGV[1])
keep(KEYS[1], ARGV[2])
redis.call('SADD', KEYS[3], ARGV[3])
redis.call('ZADD', KEYS[2], 'GT', string.format('%.0f', now_ms + tonumber(ARGV[5])), ARGV[4])
for i = 8, #ARGV do redis.call('PEXPIRE', ARGV[i], ARGV[2]) end
return #overdue
"""
)

# KEYS: listeners, deadlines of bindings
# ARGV: record, prefix of bindings, in how many ms to clear its lists again (0: there are none)
LEAVE: Final = Script(
    _CLEAR
    + NOW
    + """
clear(KEYS[1], KEYS[2], ARGV[2], ARGV[1])
if ARGV[3] ~= '0' then
  redis.call('ZADD', KEYS[1], string.format('%.0f', now_ms + tonumber(ARGV[3])), ARGV[1])
  keep(KEYS[1], ARGV[3])
end
return 1
"""
)
