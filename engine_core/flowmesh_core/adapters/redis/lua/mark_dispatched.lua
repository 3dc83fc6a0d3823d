-- Notes per execution up to which sequence everything was dispatched, and raises the beat.
--
-- KEYS[1]  hash  fm:{pN}:dispatched
-- ARGV[1]  the newest beat seen; '0' for none
-- ARGV[2…] executions and their sequences, in turn
--
-- With a beat that is gone or lower, Redis lost data: nothing is noted, because
-- a number also says that everything before it was dispatched, and that may be
-- what is gone.
--
-- Returns the beat; nil when data was lost.

local seen = tonumber(ARGV[1])
local beat = tonumber(redis.call('HGET', KEYS[1], 'beat') or '0')
if beat < seen then return nil end
for i = 2, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
return redis.call('HINCRBY', KEYS[1], 'beat', 1)
