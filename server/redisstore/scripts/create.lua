-- KEYS: secret, receipt, secrets, receipts, owned, meta
-- ARGV: the secret's and the receipt's record, when they expire, when the engine may delete them, their entries in
--       secrets and receipts, the entry in owned or '', the ids of their server keys, the time
if redis.call('EXISTS', KEYS[1], KEYS[2]) > 0 then
	return 'taken'
end
if barred(KEYS[6], ARGV[10]) or barred(KEYS[6], ARGV[11]) then
	return 'removed'
end
raise(KEYS[6], ARGV[12])
redis.call('SET', KEYS[1], ARGV[1], 'PXAT', ARGV[5])
redis.call('SET', KEYS[2], ARGV[2], 'PXAT', ARGV[6])
redis.call('ZADD', KEYS[3], ARGV[3], ARGV[7])
redis.call('ZADD', KEYS[4], ARGV[4], ARGV[8])
if ARGV[9] ~= '' then
	redis.call('ZADD', KEYS[5], 0, ARGV[9])
end
for kind, i in pairs({secrets = 3, receipts = 4}) do
	local key = ARGV[i + 7]
	redis.call('HINCRBY', KEYS[6], kind .. key, 1)
	local last = redis.call('HGET', KEYS[6], 'until' .. key)
	if not last or tonumber(last) < tonumber(ARGV[i]) then
		redis.call('HSET', KEYS[6], 'until' .. key, ARGV[i])
	end
end
return 'ok'
