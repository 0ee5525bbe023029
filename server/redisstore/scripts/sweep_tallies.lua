-- KEYS: tallies, over, counted
-- ARGV: the time, how many at most
local names = redis.call('ZRANGE', KEYS[2], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2])
for _, name in ipairs(names) do
	redis.call('HDEL', KEYS[1], name)
	redis.call('ZREM', KEYS[2], name)
	redis.call('ZREM', KEYS[3], name)
end
return #names
