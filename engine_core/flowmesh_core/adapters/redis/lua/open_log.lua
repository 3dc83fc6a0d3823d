-- Opens the command log of a partition for one reader and shuts out every other:
-- a group is both the reader's place in the log and its right to read. Readers
-- take with NOACK, so whatever is in the stream is not acknowledged.
--
-- KEYS[1]  stream  fm:{pN}:commands
-- KEYS[2]  hash    fm:{pN}:dispatched
-- ARGV[1]  the name of the new group
-- ARGV[2]  the reader's former group, which must still be there; '' to take the log over
-- ARGV[3]  the entry to go on after; used only with a former group
--
-- May be repeated with the same arguments.
-- Returns {entry to go on after, beat}; nil when the former group or the beat is gone.

local stream, warm, group, former = KEYS[1], KEYS[2], ARGV[1], ARGV[2]

local function field(row, name)
  for i = 1, #row, 2 do
    if row[i] == name then return row[i + 1] end
  end
end

local function is_after(left, right)
  local left_time, left_number = left:match('(%d+)-(%d+)')
  local right_time, right_number = right:match('(%d+)-(%d+)')
  if left_time ~= right_time then return tonumber(left_time) > tonumber(right_time) end
  return tonumber(left_number) > tonumber(right_number)
end

local groups = {}
if redis.call('EXISTS', stream) == 1 then
  for _, row in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    groups[field(row, 'name')] = field(row, 'last-delivered-id')
  end
end

local place = '0-0'
if former == '' then
  for _, delivered in pairs(groups) do
    if is_after(delivered, place) then place = delivered end
  end
  redis.call('HSETNX', warm, 'beat', redis.call('TIME')[1] .. '000000')
elseif (groups[former] or groups[group]) and redis.call('HEXISTS', warm, 'beat') == 1 then
  place = ARGV[3]
else
  return nil
end

for name in pairs(groups) do
  redis.call('XGROUP', 'DESTROY', stream, name)
end
redis.call('XGROUP', 'CREATE', stream, group, place, 'MKSTREAM')
return {place, redis.call('HGET', warm, 'beat')}
