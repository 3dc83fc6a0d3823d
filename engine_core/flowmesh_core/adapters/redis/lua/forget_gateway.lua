-- Deletes a gateway's name from task streams where nothing is pending under it.
--
-- KEYS     streams fm:{q:NS}:tasks:HANDLER, all of one namespace
-- ARGV[1]  group
-- ARGV[2]  gateway
--
-- Returns how many tasks are still pending under the name.

local left = 0
for _, stream in ipairs(KEYS) do
  local rows = redis.pcall('XPENDING', stream, ARGV[1], '-', '+', 1000, ARGV[2])
  if not rows.err then
    if #rows == 0 then redis.call('XGROUP', 'DELCONSUMER', stream, ARGV[1], ARGV[2]) end
    left = left + #rows
  end
end
return left
