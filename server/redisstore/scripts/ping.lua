-- KEYS: ping
redis.call('SET', KEYS[1], '')
return 1
