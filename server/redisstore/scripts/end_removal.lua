-- KEYS: keys, meta
-- ARGV: id of a server key, number of the attempt, done or undone
-- Returns 0 if a later attempt was begun meanwhile, which then decides.
if redis.call('HGET', KEYS[2], 'attempts' .. ARGV[1]) ~= ARGV[2] then
	return 0
end
if ARGV[3] == 'done' then
	redis.call('HSET', KEYS[2], 'removal' .. ARGV[1], 'done')
	redis.call('LREM', KEYS[1], 0, ARGV[1])
else
	redis.call('HDEL', KEYS[2], 'removal' .. ARGV[1], 'bar' .. ARGV[1])
end
return 1
