-- Takes tokens from every bucket, or from none.
--
-- KEYS     hashes fm:{rate}:NAME with `tokens` and `at` (microseconds)
-- ARGV[1]  how many tokens
-- ARGV[2…] for each of KEYS: its rate per second, then its burst
--
-- Returns '0' when they were taken, else the seconds until all buckets have enough.

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local wait = 0
local levels = {}

for i, key in ipairs(KEYS) do
  local rate, burst = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local cost = math.min(tonumber(ARGV[1]), burst)
  local stored = redis.call('HMGET', key, 'tokens', 'at')
  local tokens = tonumber(stored[1] or burst)
  local passed = math.max(0, now - tonumber(stored[2] or now)) / 1000000
  tokens = math.min(burst, tokens + passed * rate)
  if tokens < cost then wait = math.max(wait, (cost - tokens) / rate) end
  levels[i] = {tokens - cost, rate, burst}
end

if wait > 0 then return string.format('%.6f', wait) end
for i, key in ipairs(KEYS) do
  local left, rate, burst = unpack(levels[i])
  redis.call('HSET', key, 'tokens', string.format('%.6f', left), 'at', string.format('%.0f', now))
  redis.call('PEXPIRE', key, math.ceil((burst - left) / rate * 1000) + 1)
end
return '0'
