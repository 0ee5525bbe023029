-- KEYS: secrets, owned, meta, then a secret and its receipt for each entry
-- ARGV: the time, then entries of secrets
-- Returns how many secrets have expired.
local deleted = 0
for i = 2, #ARGV do
	local entry = ARGV[i]
	local expires = redis.call('ZSCORE', KEYS[1], entry)
	if expires and tonumber(expires) <= tonumber(ARGV[1]) then
		local secret, receipt = KEYS[2 * i], KEYS[2 * i + 1]
		redis.call('UNLINK', secret)
		if redis.call('GETRANGE', receipt, 1, 1) == 'n' then
			redis.call('SETRANGE', receipt, 1, 'e' .. struct.pack('>i8', tonumber(expires)))
		end
		if #entry > 72 then
			redis.call('ZREM', KEYS[2], string.sub(entry, 73) .. string.sub(entry, 9, 72))
		end
		redis.call('ZREM', KEYS[1], entry)
		discount(KEYS[3], 'secrets', string.sub(entry, 1, 8))
		deleted = deleted + 1
	end
end
return deleted
