"""The scripts of what is looked at from outside: dead letters and revocations."""

from __future__ import annotations

from typing import Final

from taskq.adapters.broker.redis_link import Script
from taskq.adapters.broker.redis_scripts import NOW

# KEYS: dead, letters
# ARGV: for each letter: id, list, envelope, life of the list in ms (0: none)
# Returns how many were put into their lists; each leaves the dead in that very step.
REPLAY: Final = Script(
    """
redis.call('HDEL', KEYS[2], '')
local count = 0
for i = 1, #ARGV, 4 do
  if redis.call('ZSCORE', KEYS[1], ARGV[i]) then
    local said = redis.pcall('LPUSH', ARGV[i + 1], ARGV[i + 2])
    if not (type(said) == 'table' and said.err) then
      if ARGV[i + 3] ~= '0' then redis.call('PEXPIRE', ARGV[i + 1], ARGV[i + 3]) end
      redis.call('ZREM', KEYS[1], ARGV[i])
      redis.call('HDEL', KEYS[2], ARGV[i])
      count = count + 1
    end
  end
end
return count
"""
)

# KEYS: revoked            ARGV: how many at most, then for each: until when (s), what
# Of the same one the last word counts.  What is over goes; of too many, those go whose time is
# over first.
REVOKE: Final = Script(
    """
redis.call('ZREM', KEYS[1], '')
"""
    + NOW
    + """
for i = 2, #ARGV, 2 do redis.call('ZADD', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now_ms / 1000)
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -tonumber(ARGV[1]) - 1)
return 1
"""
)

# KEYS: revoked            Returns what is, and until when: in turn.
REVOKED: Final = Script(
    NOW
    + """
return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now_ms / 1000, '+inf', 'WITHSCORES')
"""
)
