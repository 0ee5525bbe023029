-- What stands before every script. Times are Unix milliseconds. A partition is what shares a hash tag; its meta hash has
-- the fields: high, the latest time that a write was given; and, each followed by the id of a server key, secrets and
-- receipts, how many stand that it sealed, until, when the last of them expires, and bar, see bar.lua.

local function clock()
	local time = redis.call('TIME')
	return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function raise(meta, at)
	local high = redis.call('HGET', meta, 'high')
	if not high or tonumber(high) < tonumber(at) then
		redis.call('HSET', meta, 'high', at)
	end
end

local function barred(meta, key)
	local bar = redis.call('HGET', meta, 'bar' .. key)
	return bar and string.sub(bar, 1, 1) == 'b'
end

-- discount takes one from what a key has sealed.
local function discount(meta, kind, key)
	if redis.call('HINCRBY', meta, kind .. key, -1) > 0 then
		return
	end
	redis.call('HDEL', meta, kind .. key)
	if redis.call('HEXISTS', meta, 'secrets' .. key) + redis.call('HEXISTS', meta, 'receipts' .. key) == 0 then
		redis.call('HDEL', meta, 'until' .. key)
	end
end

-- prolong lets the engine delete keys at a time, or later if it is to do so later already.
local function prolong(keys, at)
	for _, key in ipairs(keys) do
		if redis.call('PTTL', key) == -1 then
			redis.call('PEXPIREAT', key, at)
		else
			redis.call('PEXPIREAT', key, at, 'GT')
		end
	end
end
