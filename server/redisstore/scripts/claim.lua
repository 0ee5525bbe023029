-- KEYS: secret, receipt, secrets, owned, meta
-- ARGV: the hash in the secret's id, its receipt's id, the marks that the receipt is to have, the time
-- Returns the owner of the secret if the claim has won, else false. What the bytes of records are, record.go says.
raise(KEYS[5], ARGV[4])
local head = redis.call('GETRANGE', KEYS[1], 0, 91)
if head == '' then
	return false
end
if string.sub(head, 2, 35) ~= ARGV[2] then
	return redis.error_reply('the secret has another receipt')
end
if struct.unpack('>i8', head, 85) <= math.max(tonumber(ARGV[4]), clock()) then
	return false
end
local account, key = string.sub(head, 36, 51), string.sub(head, 68, 75)
local pair = ARGV[1] .. string.sub(head, 4, 35)
redis.call('UNLINK', KEYS[1])
if redis.call('EXISTS', KEYS[2]) == 1 then
	redis.call('SETRANGE', KEYS[2], 1, ARGV[3])
end
if account == string.rep('\0', 16) then
	account = ''
else
	redis.call('ZREM', KEYS[4], account .. pair)
end
redis.call('ZREM', KEYS[3], key .. pair .. account)
discount(KEYS[5], 'secrets', key)
return string.sub(head, 52, 67)
