-- KEYS: accounts, emails, meta
-- ARGV: id, how the record begins (its server key and token), how it is to begin, what it is to end with
if barred(KEYS[3], string.sub(ARGV[3], 2, 9)) then
	return 'removed'
end
local email = redis.call('HGET', KEYS[2], ARGV[1])
local record = email and redis.call('HGET', KEYS[1], email)
if not record or string.sub(record, 1, #ARGV[2]) ~= ARGV[2] then
	return 'other'
end
local fixed = string.sub(record, #ARGV[2] + 1, #ARGV[2] + 24) -- id and time of creation
redis.call('HSET', KEYS[1], email, ARGV[3] .. fixed .. ARGV[4])
local was, is = string.sub(ARGV[2], 2, 9), string.sub(ARGV[3], 2, 9)
if was ~= is then
	discount(KEYS[3], 'accounts', was)
	redis.call('HINCRBY', KEYS[3], 'accounts' .. is, 1)
end
return 'ok'
