"""The script that settles: messages leave a lease in the step that puts them somewhere else."""

from __future__ import annotations

from typing import Final

from taskq.adapters.broker.redis_link import Script
from taskq.adapters.broker.redis_scripts import BURYING, NOW, STORING, TAKING
from taskq.adapters.broker.redis_scripts_chords import LEVELS

# What a push may ask for beside a plain command.  Each moves what the lease holds under the tag,
# byte for byte; nothing but names and times is sent for it.
#
# BURY  '' or 'whole', letter, -              a dead letter: the letter, then what the tag holds
# PARK  queue, task id, for how long in ms    kept until its time
# ADOPT token, -, tag                         into the lease of another token, claimed
#
# HAND moves nothing: it is LPUSH, of what is claimed if it is among those that are taken along.
_MOVES: Final = """
local function give_up(tag, whole, letter)
  if whole == '' then letter = letter .. redis.call('HGET', KEYS[2], tag) end
  bury(KEYS[4], KEYS[5], ARGV[3], letter)
end

local function park(tag, queue, task, for_ms)
  -- What is due at the same moment comes in the order in which it was taken.
  local id = ARGV[1] .. '.' .. string.format('%015d', tonumber(tag))
  local entry = redis.call('HGET', KEYS[2], tag)
  redis.call('HSET', ARGV[5] .. queue, id, #task .. ':' .. task .. entry)
  redis.call('ZADD', ARGV[4] .. queue, string.format('%.0f', now_ms + tonumber(for_ms)), id)
  if task ~= '' then
    local known = redis.call('HGET', KEYS[6], task) or ''
    redis.call('HSET', KEYS[6], task, known .. #queue .. ':' .. queue .. #id .. ':' .. id)
  end
end

local function adopt(tag, token, _, new_tag)
  if not redis.call('ZSCORE', KEYS[1], token) then return 'the lease that takes it is over' end
  local entry = redis.call('HGET', KEYS[2], tag)
  if string.sub(entry, 1, 1) ~= '@' then
    local node = string.match(ARGV[1], '^(.*)%.[^.]*$') or ARGV[1]
    entry = '@' .. #node .. ':' .. node .. entry
  end
  redis.call('HSET', string.sub(KEYS[2], 1, #KEYS[2] - #ARGV[1]) .. token, new_tag, entry)
  redis.call('SADD', string.sub(KEYS[3], 1, #KEYS[3] - #ARGV[1]) .. token, new_tag)
end

local handed = {}

local function hand(_, key, value, life_ms)
  redis.call('LPUSH', key, value)
  if life_ms ~= '0' then redis.call('PEXPIRE', key, life_ms) end
  handed[value] = true
end

local moves = {BURY = give_up, PARK = park, ADOPT = adopt, HAND = hand}

-- Returns why it could not be done.
local function push(tag, command, key, value, life_ms)
  local move = moves[command]
  if move then
    local fine, said = pcall(move, tag, key, value, life_ms)
    if fine then return said end
    return type(said) == 'table' and said.err or tostring(said)
  end
  local said = redis.pcall(command, key, value)
  if type(said) == 'table' and said.err then return said.err end
  if life_ms ~= '0' then redis.call('PEXPIRE', key, life_ms) end
end

local function push_all(tag, at, many)
  for i = at, at + 4 * many - 1, 4 do
    local failure = push(tag, ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
    if failure then return failure end
  end
end

local function words(failure)
  return type(failure) == 'table' and failure.err or tostring(failure)
end

local function store_all(at, many)
  for i = at, at + 4 * many - 1, 4 do
    local fine, said = pcall(store, ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
    if not fine then return words(said) end
  end
end
"""

# KEYS: workers, lease, claimed, dead, letters, tasks that are parked; lists to take from ...
# ARGV: token, lease in ms, most dead letters, prefixes of what is parked and of its messages,
#   how many to take along ('': none), last tag used, how many of the first may be claimed,
#   operations ...
# An operation: mode, tag, number of pushes, number of results, number of levels of chords,
#   mark of a growth ('': none; else followed by the key of the group and by how many),
#   for each push: command, key, value, life of the key in ms (0: none)
#   for each result: key, life in ms (0: none), states that it must not replace, payload
#   the levels: see ``LEVELS``
# Modes: D is done with the tag, E the same of a claimed one, C claims it, N has no tag.
# Where the tag is not in the lease, the operation is left out.  So is one that would complete a
# chord and does not say what ends it.
# Returns whether the token is known, then the numbers of operations left out; that of one that
# failed is followed by its error, that of one that lacks an ending by the number of the level and
# the results (each with its index) of all members.
# Where some are to be taken along, returns this, what ``take`` returns, the tags that are claimed.
COMMIT: Final = Script(
    STORING
    + NOW
    + BURYING
    + TAKING
    + _MOVES
    + LEVELS
    + """
redis.call('HDEL', KEYS[2], '')
local registered = redis.call('ZSCORE', KEYS[1], ARGV[1]) and 1 or 0
if registered == 1 then redis.call('ZADD', KEYS[1], now_ms + ARGV[2], ARGV[1]) end
local i, last, number, out = 9, #ARGV, 0, {registered}
while i <= last do
  local mode, tag = ARGV[i], ARGV[i + 1]
  local pushes, results, many = tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), ARGV[i + 4]
  local mark, at = ARGV[i + 5], i + 6
  if mark ~= '' then at = at + 2 end
  local levels, failure, full, deep, counts = nil, nil, nil, 0, nil
  i = at + 4 * (pushes + results)
  if many ~= '0' then
    levels = {}
    for k = 1, tonumber(many) do levels[k], i = read_level(i) end
  end
  number = number + 1
  if mode == 'N' or redis.call('HEXISTS', KEYS[2], tag) == 1 then
    if mark ~= '' then
      local fine, said = pcall(grow, ARGV[at - 2], mark, ARGV[at - 1])
      if not fine then failure = words(said) end
    end
    if levels and not failure then
      local fine
      fine, deep, counts, full = pcall(weigh, levels)
      if not fine then failure = words(deep) end
    end
    if not failure and not full then
      failure = push_all(tag, at, pushes) or store_all(at + 4 * pushes, results)
      if levels and not failure then
        local fine, said = pcall(carry_out, levels, deep, counts)
        failure = fine and said or not fine and words(said) or nil
      end
    end
    if failure or full then
      out[#out + 1] = number
      out[#out + 1] = failure or full
    elseif mode == 'C' then
      redis.call('SADD', KEYS[3], tag)
    elseif mode ~= 'N' then
      redis.call('HDEL', KEYS[2], tag)
      if mode == 'E' then redis.call('SREM', KEYS[3], tag) end
    end
  else
    out[#out + 1] = number
  end
end
if ARGV[6] == '' then return out end
local taken, claimed = {}, {}
if registered == 1 then
  local tag, places = tonumber(ARGV[7]), tonumber(ARGV[8])
  taken = take(7, tag, tonumber(ARGV[6]), function(new_tag, envelope)
    if new_tag <= tag + places and handed[envelope] then
      redis.call('SADD', KEYS[3], new_tag)
      claimed[#claimed + 1] = new_tag
    end
  end)
end
return {out, taken, claimed}
"""
)
