-- KEYS: meta
-- ARGV: id of a server key
-- Returns done, used, or the number of this attempt. From then on no account is sealed with the key.
if redis.call('HGET', KEYS[1], 'removal' .. ARGV[1]) == 'done' then
	return 'done'
end
if redis.call('HEXISTS', KEYS[1], 'accounts' .. ARGV[1]) == 1 then
	return 'used'
end
local attempt = redis.call('HINCRBY', KEYS[1], 'attempts' .. ARGV[1], 1)
redis.call('HSET', KEYS[1], 'removal' .. ARGV[1], 'begun', 'bar' .. ARGV[1], 'b' .. attempt)
return attempt
