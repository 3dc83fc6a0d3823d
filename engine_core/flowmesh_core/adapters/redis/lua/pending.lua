-- Finds tasks that were taken for a gateway and are still in their streams.
--
-- KEYS     streams fm:{q:NS}:tasks:HANDLER, all of one namespace
-- ARGV[1]  group
-- ARGV[2]  gateway
-- ARGV[3]  how many tasks to return at most
-- ARGV[4]  '1' to leave out tasks that were transferred, which have a delivery count over 1
-- ARGV[5…] for each of KEYS where to start: '-' or '(' and an entry
--
-- Returns a list of {which of KEYS, entry, body}.

local group, gateway, limit, fresh = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1'

local found = {}
for i, stream in ipairs(KEYS) do
  local start = ARGV[4 + i]
  repeat
    local rows = redis.pcall('XPENDING', stream, group, start, '+', 1000, gateway)
    if rows.err then rows = {} end
    for _, row in ipairs(rows) do
      if not fresh or row[4] == 1 then
        local entry = redis.call('XRANGE', stream, row[1], row[1])[1]
        if entry then
          found[#found + 1] = {i, entry[1], entry[2][2]}
        else
          redis.call('XACK', stream, group, row[1])
        end
      end
      if #found == limit then return found end
      start = '(' .. row[1]
    end
  until #rows < 1000
end
return found
