-- KEYS: receipts, meta, then a receipt for each entry
-- ARGV: the time, then entries of receipts
-- Returns for each receipt that has expired its number in ARGV and the list that it is on, or ''.
local deleted = {}
for i = 2, #ARGV do
	local entry, receipt = ARGV[i], KEYS[i + 1]
	local expires = redis.call('ZSCORE', KEYS[1], entry)
	if expires and tonumber(expires) <= tonumber(ARGV[1]) then
		local listed = redis.call('GETRANGE', receipt, 109, 125)
		redis.call('UNLINK', receipt)
		redis.call('ZREM', KEYS[1], entry)
		discount(KEYS[2], 'receipts', string.sub(entry, 1, 8))
		table.insert(deleted, i)
		table.insert(deleted, string.sub(listed, 1, 1) == '\1' and string.sub(listed, 2) or '')
	end
end
return deleted
