-- Exchanges a process's leases of a tenant's limits: src/core/limit-ledger.ts says what each number means, and a test
-- holds this script against it. One call sees and changes all the limits that a request needs, so that nothing is granted
-- of one when another one is spent.
--
-- KEYS: a limit each, all of one tenant and so in one slot of a cluster. ARGV: the process, how long it holds what it
-- holds without another word (ms), how long what is spent for good is kept (ms), then for each key: kind, limit, give or
-- add, floor, held, need, want, seed.
-- Returns for each key granted, left and spent, as text: Redis would cut a Lua number to an integer.
local process, lease_ms, keep_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now_ms = math.floor(now_us / 1000)
local exact = '%.17g'

local rows, enough = {}, true
for at, key in ipairs(KEYS) do
  local base = 3 + (at - 1) * 8
  local row = {
    kind = ARGV[base + 1], limit = tonumber(ARGV[base + 2]), give = tonumber(ARGV[base + 3]),
    floor = tonumber(ARGV[base + 4]), held = tonumber(ARGV[base + 5]), need = tonumber(ARGV[base + 6]),
    want = tonumber(ARGV[base + 7]), seed = tonumber(ARGV[base + 8]), spent = 0,
  }
  if row.kind == 'rate' then
    local known = redis.call('HMGET', key, 'level', 'at')
    -- Of a bucket that is not there the process knows as much as anybody: it is new, or full, or Redis has lost it.
    local level = tonumber(known[1]) or row.seed
    row.fresh = not known[1]
    -- After a failover the clock may have gone back.
    local elapsed_us = math.max(0, now_us - (tonumber(known[2]) or now_us))
    row.left = math.min(row.limit, math.min(row.limit, level + elapsed_us * row.limit / 60000000) + row.give)
  else
    local others, lost, known = 0, true, redis.call('HGETALL', key)
    for i = 1, #known, 2 do
      if known[i] == '#spent' then
        row.spent, lost = tonumber(known[i + 1]), false
      elseif known[i] ~= process then
        local held, until_ms = string.match(known[i + 1], '^(%S+) (%S+)$')
        if tonumber(until_ms) > now_ms then
          others = others + tonumber(held)
        else
          redis.call('HDEL', key, known[i])
        end
      end
    end
    local total = math.max((lost and row.seed or row.spent) + row.give, row.floor)
    if total ~= row.spent then
      row.spent = total
      redis.call('HSET', key, '#spent', string.format(exact, total))
    end
    row.left = row.limit - row.spent - others - row.held
  end
  if row.need > 0 and row.need > row.left then enough = false end
  rows[at] = row
end

local replies = {}
for at, key in ipairs(KEYS) do
  local row = rows[at]
  local granted = 0
  if enough then granted = math.max(0, math.floor(math.min(row.want, row.left))) end
  local left = row.left - granted
  if row.kind == 'rate' then
    if row.fresh or granted > 0 or row.give ~= 0 then
      redis.call('HSET', key, 'level', string.format(exact, left), 'at', string.format('%.0f', now_us))
      -- When it is forgotten it is full, and so it is by all that any process knows: from empty that takes a minute.
      redis.call('PEXPIRE', key, math.max(60000, math.ceil((row.limit - left) * 60000 / row.limit)) + 1000)
    end
  else
    local held = row.held + granted
    if held > 0 then
      redis.call('HSET', key, process, string.format(exact, held) .. ' ' .. (now_ms + lease_ms))
    else
      redis.call('HDEL', key, process)
    end
    redis.call('PEXPIRE', key, row.spent > 0 and keep_ms or 2 * lease_ms)
  end
  replies[#replies + 1] = string.format(exact, granted)
  replies[#replies + 1] = string.format(exact, left)
  replies[#replies + 1] = string.format(exact, row.spent)
end
return replies
