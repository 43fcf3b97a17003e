"""The Lua that counts chords: for the script that settles, and scripts of their own.

The keys are Celery's, and mean what they mean to a Celery worker (seen from outside, 5.7), so that
members of one chord may run on workers of both kinds.  Behind the group's key stand:

``.j``  the members' results, a sorted set by index
``.d``  who was counted, ``<task id>:<index>``, and who has made it grow
``.s``  how many members there are
``.t``  how many a Celery worker has added to them; those share the index of who added them
``.b``  the body, written by our clients only, for a member that cannot be read itself
``.c``  the guard: ``done`` once the chord has ended; before that, where sending and ending are two
        steps, who has the right to send the body

A member is counted once for each index (a chain that failed early and is delivered again has one
index and two ids); where a Celery worker has added members, once for each id and index.
"""

from __future__ import annotations

from typing import Final

from taskq.adapters.broker.redis_link import Script

COUNTING: Final = """
local function is_counted(key, mark, index, grown)
  if redis.call('SISMEMBER', key .. '.d', mark) == 1 then return true end
  return grown == 0 and redis.call('ZCOUNT', key .. '.j', index, index) > 0
end

-- All that belongs to a chord lives as long as what was counted last; give or take a tenth, so
-- that this costs one look for most members.
local function outlive(key, life_ms)
  life_ms = tonumber(life_ms)
  if life_ms == 0 or redis.call('PTTL', key .. '.j') > life_ms * 0.9 then return end
  for _, name in ipairs({'.j', '.d', '.s', '.t', '.b'}) do
    redis.call('PEXPIRE', key .. name, life_ms)
  end
end

-- More members are to come.  Only what is open grows: a size made anew here would have no end.
local function grow(key, mark, by)
  if redis.call('EXISTS', key .. '.s') == 0 then return 0 end
  if mark ~= '' and redis.call('SADD', key .. '.d', mark) == 0 then
    return redis.call('GET', key .. '.s')
  end
  return redis.call('INCRBY', key .. '.s', by)
end

local function count(key, mark, index, payload)
  redis.call('ZADD', key .. '.j', index, payload)
  redis.call('SADD', key .. '.d', mark)
end

-- Results and indexes of all that were counted, each index once.
local function counted(key, grown)
  local kept, out = redis.call('ZRANGE', key .. '.j', 0, -1, 'WITHSCORES'), {}
  for k = 1, #kept, 2 do
    if grown > 0 or kept[k + 1] ~= out[#out] then
      out[#out + 1] = kept[k]
      out[#out + 1] = kept[k + 1]
    end
  end
  return out
end
"""

# KEYS: of the group                   ARGV: how many members, life in ms (0: for ever), the body
# What is left of an earlier chord of that name goes; members that have ended already stay.
OPEN_CHORD: Final = Script(
    """
local key = KEYS[1]
if redis.call('GET', key .. '.c') == 'done' then
  redis.call('DEL', key .. '.j', key .. '.d', key .. '.t')
end
redis.call('DEL', key .. '.c')
local function set(name, value)
  if ARGV[2] == '0' then
    redis.call('SET', name, value)
  else
    redis.call('SET', name, value, 'PX', ARGV[2])
  end
end
set(key .. '.s', ARGV[1])
if ARGV[3] ~= '' then set(key .. '.b', ARGV[3]) else redis.call('DEL', key .. '.b') end
return 1
"""
)

# KEYS: of the group                   ARGV: mark, index, payload, life in ms (0: none)
# Returns how many are counted, the size or false, and whether this one is new.
COUNT_CHORD: Final = Script(
    COUNTING
    + """
local key = KEYS[1]
local grown = tonumber(redis.call('GET', key .. '.t') or 0)
local first = 0
if not is_counted(key, ARGV[1], ARGV[2], grown) then
  first = 1
  count(key, ARGV[1], ARGV[2], ARGV[3])
  outlive(key, ARGV[4])
end
local size = redis.call('GET', key .. '.s')
local done = redis.call('ZCARD', key .. '.j')
if size and done >= size + grown then done = #counted(key, grown) / 2 end
return {done, size and size + grown, first}
"""
)

# KEYS: of the group
# Returns results and indexes of all that were counted.
CHORD_PARTS: Final = Script(
    COUNTING
    + """
return counted(KEYS[1], tonumber(redis.call('GET', KEYS[1] .. '.t') or 0))
"""
)

# KEYS: of the group                   ARGV: mark, how many more
# Returns how many there are then, 0 where none is open.
GROW_CHORD: Final = Script(COUNTING + "return grow(KEYS[1], ARGV[1], ARGV[2])")

# KEYS: guard, parts, done             ARGV: owner
# The guard names who has the right to send the body, and lives as long as what was counted.
CLOSE_CHORD: Final = Script(
    """
local owner = redis.call('GET', KEYS[1])
if owner then return owner == ARGV[1] and 1 or 0 end
redis.call('SREM', KEYS[3], '')
local life_ms = redis.call('PTTL', KEYS[2])
if life_ms > 0 then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', life_ms)
else
  redis.call('SET', KEYS[1], ARGV[1])
end
return 1
"""
)

# KEYS: guard, parts, done, size, grown, body     ARGV: life of the guard in ms
# The size goes, so that a part that is counted later finds nothing to complete; parts stay as
# long as the guard, for a worker that has the same right and reads them at this moment.
END_CHORD: Final = Script(
    """
redis.call('DEL', KEYS[4], KEYS[5], KEYS[6])
redis.call('SET', KEYS[1], 'done', 'PX', ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[1])
redis.call('PEXPIRE', KEYS[3], ARGV[1])
return 1
"""
)

# For the script that settles; needs ``store`` and ``push``.  A level is one part of a chord:
#   key of the group, life in ms, number of parts, whether what ends the chord is there ('1'),
#   number of its pushes, number of its results, life of the guard in ms,
#   for each part: mark, index, payload; for each push and each result: four values
LEVELS: Final = (
    COUNTING
    + """
local function read_level(i)
  local level = {
    key = ARGV[i], life_ms = ARGV[i + 1], parts = tonumber(ARGV[i + 2]), ends = ARGV[i + 3] == '1',
    pushes = tonumber(ARGV[i + 4]), results = tonumber(ARGV[i + 5]), guard_ms = ARGV[i + 6],
    at = i + 7, new = {}
  }
  return level, i + 7 + 3 * level.parts + 4 * (level.pushes + level.results)
end

-- What counting a level would do: nothing (the chord has ended), 'counts', or 'full'; of what
-- is full also the results of all members, its own among them.
local function look(level)
  local key = level.key
  local size, grown, guard = unpack(redis.call('MGET', key .. '.s', key .. '.t', key .. '.c'))
  if guard and guard ~= ARGV[level.at] then return nil end
  grown = tonumber(grown or 0)
  for p = level.at, level.at + 3 * level.parts - 1, 3 do
    if not is_counted(key, ARGV[p], ARGV[p + 1], grown) then level.new[#level.new + 1] = p end
  end
  if not size then return 'counts' end
  size = size + grown
  if redis.call('ZCARD', key .. '.j') + #level.new < size then return 'counts' end
  local all = counted(key, grown)
  for _, p in ipairs(level.new) do
    all[#all + 1] = ARGV[p + 2]
    all[#all + 1] = ARGV[p + 1]
  end
  return #all / 2 < size and 'counts' or 'full', all
end

-- How many levels are to be carried out, and whether the last of them ends too; or which level
-- is full and has no ending, with the results of its members.
local function weigh(levels)
  for number, level in ipairs(levels) do
    local is, all = look(level)
    if not is then return number - 1 end
    if is == 'counts' then return number, number end
    if not level.ends then return nil, nil, {number, all} end
  end
  return #levels
end

local function carry_out(levels, last, counts)
  for number = 1, last do
    local level = levels[number]
    if number == counts then
      for _, p in ipairs(level.new) do
        count(level.key, ARGV[p], ARGV[p + 1], ARGV[p + 2])
      end
      if #level.new > 0 then outlive(level.key, level.life_ms) end
    else
      local at, key = level.at + 3 * level.parts, level.key
      local failure = push_all('', at, level.pushes)
        or store_all(at + 4 * level.pushes, level.results)
      if failure then return failure end
      redis.call('DEL', key .. '.j', key .. '.d', key .. '.s', key .. '.t', key .. '.b')
      redis.call('SET', key .. '.c', 'done', 'PX', level.guard_ms)
    end
  end
end
"""
)
