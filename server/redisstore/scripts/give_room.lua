-- KEYS: expiries, sizes; of one owner
-- ARGV: the secret's id
if redis.call('ZREM', KEYS[1], ARGV[1]) == 1 then
	redis.call('HINCRBY', KEYS[2], 'all', -tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or 0))
	redis.call('HDEL', KEYS[2], ARGV[1])
end
return 1
