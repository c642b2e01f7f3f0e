-- One step of the limits that processes share (shared.py): settle what calls have used, take note of a pause,
-- reserve for a call. It is atomic, and all moments in it are on Redis' own clock, in seconds.
--
-- KEYS, all in one hash slot:
--   1  slots: a sorted set of leases, with the moments at which they end
--   2  members: a sorted set of the wrappers that share, with the moments of their last sign of life
--   3  line: a sorted set of those that wait for a slot, '<since when> <who>', with the moments of their last step
--   4  quota: a hash, what one model has used
-- ARGV:
--   1  member
--   2  seconds of the rate that may go at once
--   3, 4  the limits as the member knows them, requests and tokens a minute; 0 where it does not
--   5  slots that there are
--   6  seconds of a new pause, or 0
--   7  '1' to reserve a request and tokens, 8 the tokens, 9 the longest wait in seconds
--   10 the lease of the slot that is wanted, or '', 11 its seconds, 12 since when it is waited for, or ''
--   13 and on, five for each lease that has changed: the lease; its seconds from now on, 0 when it has ended, -1
--   when that stays; the quota that it has reserved from; requests, and tokens, used more than reserved
-- The answer, words in one string, which costs less than many: whether a request was reserved, whether the slot is leased, seconds to wait, seconds of pause,
-- for requests and for tokens the level, the seconds for which it is held, and the limit; the members that
-- live, the quota, since when the slot is waited for.

local KEPT = 7200 -- seconds without a step after which nothing is kept
local ALIVE = 10 -- seconds without a step after which a member counts as gone
local WAITING = 0.2 -- seconds without a step after which a member does not wait for a slot any more

local slots, members, line, quota = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local member, burst, count = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000

-- The quota. `born` names it: what was reserved from one that is gone is not given back to its successor.
local stored = redis.call('HMGET', quota, 'born', 'paused',
    'requests', 'requests_at', 'requests_limit', 'tokens', 'tokens_at', 'tokens_limit')
local born = stored[1] or string.format('%.6f', now)
local paused = tonumber(stored[2] or 0)

local function bucket_of(per_minute, level, at, limit)
    local bucket = {level = tonumber(level or 0), at = tonumber(at or now), limit = per_minute}
    if bucket.limit == 0 then bucket.limit = tonumber(limit or 0) end
    bucket.rate = bucket.limit / 60
    bucket.size = 1 + bucket.rate * burst
    bucket.at = math.min(bucket.at, math.max(now, paused)) -- should Redis' clock have gone back
    if now > bucket.at then -- it leaks; a credit, below 0, does not
        if bucket.level > 0 then bucket.level = math.max(0, bucket.level - bucket.rate * (now - bucket.at)) end
        bucket.at = now
    end
    return bucket
end
local requests = bucket_of(tonumber(ARGV[3]), stored[3], stored[4], stored[5])
local tokens = bucket_of(tonumber(ARGV[4]), stored[6], stored[7], stored[8])

for i = 13, #ARGV, 5 do
    local lease, seconds = ARGV[i], tonumber(ARGV[i + 1])
    if seconds == 0 then
        redis.call('ZREM', slots, lease)
    elseif seconds > 0 then
        redis.call('ZADD', slots, now + seconds, lease)
        redis.call('EXPIRE', slots, KEPT)
    end
    if ARGV[i + 2] == born then
        requests.level = requests.level + tonumber(ARGV[i + 3])
        tokens.level = tokens.level + tonumber(ARGV[i + 4])
    end
end

local pause = tonumber(ARGV[6])
if pause > 0 and now + pause > paused then
    paused = now + pause
    if requests.limit > 0 then -- after it requests go one by one, without a burst before the first
        if requests.at <= now then
            requests.level = math.max(0, requests.level - requests.rate * pause) + requests.size - 1
        end
        requests.at = paused
    end
end

local wait, reserved = 0, false
if ARGV[7] == '1' and paused <= now then
    local amounts = {[requests] = 1, [tokens] = tonumber(ARGV[8])}
    for bucket, amount in pairs(amounts) do
        if bucket.limit > 0 and bucket.level + amount > bucket.size then
            wait = math.max(wait, (bucket.level + amount - bucket.size) / bucket.rate)
        end
    end
    if wait <= tonumber(ARGV[9]) then
        reserved = true
        for bucket, amount in pairs(amounts) do
            if bucket.limit > 0 then bucket.level = bucket.level + amount end
        end
    end
end

local lease, since, leased = ARGV[10], ARGV[12], false
if lease ~= '' and wait == 0 and paused <= now then
    if since == '' then since = string.format('%.6f', now) end
    redis.call('ZREMRANGEBYSCORE', slots, '-inf', now)
    redis.call('ZREMRANGEBYSCORE', line, '-inf', now - WAITING)
    local mine, ahead = since .. ' ' .. member .. ' ' .. quota, 0
    for _, other in ipairs(redis.call('ZRANGE', line, 0, -1)) do
        if other < mine then ahead = ahead + 1 end
    end
    if count - redis.call('ZCARD', slots) > ahead then
        leased = true
        redis.call('ZADD', slots, now + tonumber(ARGV[11]), lease)
        redis.call('EXPIRE', slots, KEPT)
        redis.call('ZREM', line, mine)
    else
        redis.call('ZADD', line, now, mine)
        redis.call('EXPIRE', line, KEPT)
    end
end

local left = math.max(0, paused - now)
redis.call('ZADD', members, now + math.max(wait, left), member)
redis.call('ZREMRANGEBYSCORE', members, '-inf', now - ALIVE)
redis.call('EXPIRE', members, KEPT)
local function exact(number) return string.format('%.17g', number) end -- Redis would take the fraction away
redis.call('HSET', quota, 'born', born, 'paused', exact(paused),
    'requests', exact(requests.level), 'requests_at', exact(requests.at), 'requests_limit', exact(requests.limit),
    'tokens', exact(tokens.level), 'tokens_at', exact(tokens.at), 'tokens_limit', exact(tokens.limit))
redis.call('EXPIRE', quota, math.ceil(KEPT + left))

return table.concat({
    reserved and '1' or '0', leased and '1' or '0', exact(wait), exact(left),
    exact(requests.level), exact(math.max(0, requests.at - now)), exact(requests.limit),
    exact(tokens.level), exact(math.max(0, tokens.at - now)), exact(tokens.limit),
    tostring(redis.call('ZCARD', members)), born, since,
}, ' ')
