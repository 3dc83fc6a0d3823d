-- Takes tasks for a gateway: the oldest of each stream, going through the streams in order.
--
-- KEYS     streams fm:{q:NS}:tasks:HANDLER, all of one namespace
-- ARGV[1]  group
-- ARGV[2]  gateway
-- ARGV[3]  how many tasks to take at most, over all streams
--
-- Returns a list of {which of KEYS, entry, body}; {which of KEYS, nil, error} for a stream that cannot be read.

local group, gateway, left = ARGV[1], ARGV[2], tonumber(ARGV[3])

local function read(stream)
  return redis.pcall('XREADGROUP', 'GROUP', group, gateway, 'COUNT', left, 'STREAMS', stream, '>')
end

local taken = {}
for i, stream in ipairs(KEYS) do
  local reply = read(stream)
  if reply and reply.err then
    if redis.call('EXISTS', stream) == 1 then
      redis.pcall('XGROUP', 'CREATE', stream, group, '0')
      reply = read(stream)
    else
      reply = false
    end
  end
  if reply and reply.err then
    taken[#taken + 1] = {i, false, reply.err}
  elseif reply then
    for _, entry in ipairs(reply[1][2]) do
      taken[#taken + 1] = {i, entry[1], entry[2][2]}
      left = left - 1
    end
  end
  if left == 0 then break end
end
return taken
