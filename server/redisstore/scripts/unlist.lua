-- KEYS: recent, sealed
-- ARGV: ids of receipts
for _, id in ipairs(ARGV) do
	redis.call('ZREM', KEYS[1], id)
	redis.call('HDEL', KEYS[2], id)
end
return 1
