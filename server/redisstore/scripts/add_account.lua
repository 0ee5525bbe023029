-- KEYS: accounts (record by e-mail address), emails (by id), meta
-- ARGV: e-mail address, id, record, id of the server key, the time
raise(KEYS[3], ARGV[5])
if barred(KEYS[3], ARGV[4]) then
	return 'removed'
end
if redis.call('HEXISTS', KEYS[1], ARGV[1]) + redis.call('HEXISTS', KEYS[2], ARGV[2]) > 0 then
	return 'exists'
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[1])
redis.call('HINCRBY', KEYS[3], 'accounts' .. ARGV[4], 1)
return 'ok'
