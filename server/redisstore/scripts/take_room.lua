-- KEYS: expiries, sizes; of one owner
-- ARGV: the secret's id, its size, when it expires, the time, the most secrets and bytes (0 for any number), when the
--       engine may delete the keys
-- Returns 1 if there was room, which the secret takes.
for _, gone in ipairs(redis.call('ZRANGE', KEYS[1], '-inf', ARGV[4], 'BYSCORE')) do
	redis.call('HINCRBY', KEYS[2], 'all', -tonumber(redis.call('HGET', KEYS[2], gone) or 0))
	redis.call('HDEL', KEYS[2], gone)
	redis.call('ZREM', KEYS[1], gone)
end
local count = redis.call('ZCARD', KEYS[1]) + 1
local size = tonumber(redis.call('HGET', KEYS[2], 'all') or 0) + tonumber(ARGV[2])
local secrets, bytes = tonumber(ARGV[5]), tonumber(ARGV[6])
if secrets > 0 and count > secrets or bytes > 0 and size > bytes then
	return 0
end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2], 'all', string.format('%.0f', size))
prolong(KEYS, ARGV[7])
return 1
