-- KEYS: receipt
-- ARGV: how the record begins if a write before this one has been made
-- Writes what is there already: whoever waits until this write is durable knows that the one before it is.
local begins = redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1)
if begins == ARGV[1] then
	redis.call('SETRANGE', KEYS[1], 0, string.sub(begins, 1, 1))
end
return begins
