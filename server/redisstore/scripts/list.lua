-- KEYS: recent, sealed
-- ARGV: the receipt's id, its key sealed, when the engine may delete the list, how many entries it keeps
-- Returns 1 if the receipt was not on the list before.
local last = redis.call('ZRANGE', KEYS[1], 0, 0, 'REV', 'WITHSCORES')
if redis.call('ZADD', KEYS[1], 'NX', (tonumber(last[2]) or 0) + 1, ARGV[1]) == 0 then
	return 0
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
local over = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[4])
if over > 0 then
	for _, oldest in ipairs(redis.call('ZRANGE', KEYS[1], 0, over - 1)) do
		redis.call('ZREM', KEYS[1], oldest)
		redis.call('HDEL', KEYS[2], oldest)
	end
end
prolong(KEYS, ARGV[3])
return 1
