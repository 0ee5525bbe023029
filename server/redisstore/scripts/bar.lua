-- KEYS: meta
-- ARGV: id of a server key, number of the attempt, b to bar it or o to open it again
-- The number of the latest attempt that has been here stands after b or o, and those before it come too late.
-- Returns ok, late, or used: then it is not barred.
local bar = redis.call('HGET', KEYS[1], 'bar' .. ARGV[1])
if bar and tonumber(string.sub(bar, 2)) > tonumber(ARGV[2]) then
	return 'late'
end
local used = redis.call('HEXISTS', KEYS[1], 'secrets' .. ARGV[1]) + redis.call('HEXISTS', KEYS[1], 'receipts' .. ARGV[1]) > 0
local letter = used and 'o' or ARGV[3]
redis.call('HSET', KEYS[1], 'bar' .. ARGV[1], letter .. ARGV[2])
return used and ARGV[3] == 'b' and 'used' or 'ok'
