-- KEYS: accounts, emails, meta
-- ARGV: id
local email = redis.call('HGET', KEYS[2], ARGV[1])
if not email then
	return 0
end
local record = redis.call('HGET', KEYS[1], email)
redis.call('HDEL', KEYS[1], email)
redis.call('HDEL', KEYS[2], ARGV[1])
discount(KEYS[3], 'accounts', string.sub(record, 2, 9))
return 1
