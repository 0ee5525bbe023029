-- KEYS: meta
-- ARGV: the time
raise(KEYS[1], ARGV[1])
return 1
