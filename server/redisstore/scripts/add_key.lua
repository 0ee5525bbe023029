-- KEYS: keys, meta
-- ARGV: id of a server key
-- Returns ok; removed; or, for a key whose removal was begun and not ended, the number of an attempt to undo that.
local state = redis.call('HGET', KEYS[2], 'removal' .. ARGV[1])
if state == 'done' then
	return 'removed'
end
if state then
	return redis.call('HINCRBY', KEYS[2], 'attempts' .. ARGV[1], 1)
end
if not redis.call('LPOS', KEYS[1], ARGV[1]) then
	redis.call('RPUSH', KEYS[1], ARGV[1])
end
return 'ok'
