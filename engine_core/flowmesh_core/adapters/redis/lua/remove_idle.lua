-- Deletes task streams that are empty and have been so for a while.
--
-- KEYS[1]   set     fm:{q:NS}:queues
-- KEYS[2…]  streams fm:{q:NS}:tasks:HANDLER
-- ARGV[1]   how long a stream must not have got a task, in milliseconds
-- ARGV[2…]  the handlers of the streams
--
-- Returns how many handlers were removed from the set.

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local function last_added(stream)
  local facts = redis.call('XINFO', 'STREAM', stream)
  for i = 1, #facts, 2 do
    if facts[i] == 'last-generated-id' then return tonumber(facts[i + 1]:match('%d+')) end
  end
end

local function is_idle(stream)
  if redis.call('EXISTS', stream) == 0 then return true end
  return redis.call('XLEN', stream) == 0 and last_added(stream) + tonumber(ARGV[1]) <= now
end

local removed = 0
for i = 2, #KEYS do
  if is_idle(KEYS[i]) then
    redis.call('DEL', KEYS[i])
    removed = removed + redis.call('SREM', KEYS[1], ARGV[i])
  end
end
return removed
