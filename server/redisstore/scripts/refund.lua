-- KEYS: tallies, over, counted
-- ARGV: the time, then for each: its name, most, window
local now = tonumber(ARGV[1])
for i = 2, #ARGV, 3 do
	local tally = redis.call('HGET', KEYS[1], ARGV[i])
	local count, over = string.match(tally or '', '^(%d+) (%d+)$')
	if count and tonumber(over) > now then
		count = tonumber(count)
		if count <= 1 then
			redis.call('HDEL', KEYS[1], ARGV[i])
			redis.call('ZREM', KEYS[2], ARGV[i])
			redis.call('ZREM', KEYS[3], ARGV[i])
		else
			if count >= tonumber(ARGV[i + 1]) then
				over = string.format('%.0f', now + tonumber(ARGV[i + 2]))
			end
			redis.call('HSET', KEYS[1], ARGV[i], (count - 1) .. ' ' .. over)
			redis.call('ZADD', KEYS[2], over, ARGV[i])
		end
	end
end
return 1
