-- KEYS: tallies, over, counted
-- ARGV: the time, how many tallies are kept, then for each: its name, most, window, lock
-- A tally is its count, a space, and when it is over. Returns how long one of them is locked, or 0.
local now, locked, counts, overs = tonumber(ARGV[1]), 0, {}, {}
for i = 3, #ARGV, 4 do
	local tally = redis.call('HGET', KEYS[1], ARGV[i])
	local count, over = string.match(tally or '', '^(%d+) (%d+)$')
	count, over = tonumber(count or 0), tonumber(over or 0)
	if over <= now then
		count, over = 0, now + tonumber(ARGV[i + 2])
	elseif count >= tonumber(ARGV[i + 1]) then
		locked = math.max(locked, over - now)
	end
	counts[i], overs[i] = count, over
end
if locked > 0 then
	return locked
end
local last = redis.call('ZRANGE', KEYS[3], 0, 0, 'REV', 'WITHSCORES')
local turn = tonumber(last[2]) or 0
for i = 3, #ARGV, 4 do
	local count, over = counts[i] + 1, overs[i]
	if count >= tonumber(ARGV[i + 1]) then
		over = now + tonumber(ARGV[i + 3])
	end
	over = string.format('%.0f', over)
	turn = turn + 1
	redis.call('HSET', KEYS[1], ARGV[i], count .. ' ' .. over)
	redis.call('ZADD', KEYS[2], over, ARGV[i])
	redis.call('ZADD', KEYS[3], turn, ARGV[i])
end
local many = redis.call('ZCARD', KEYS[3]) - tonumber(ARGV[2])
if many > 0 then
	local oldest = redis.call('ZPOPMIN', KEYS[3], many)
	for i = 1, #oldest, 2 do
		redis.call('HDEL', KEYS[1], oldest[i])
		redis.call('ZREM', KEYS[2], oldest[i])
	end
end
return 0
