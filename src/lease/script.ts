import { RATES } from '../throttle/limits.js';

/** The version of the script and of its books. A report is refused if daemon and books differ in it. */
export const SCRIPT_VERSION = 1;

/** How long a host may use a grant, counted from the moment at which it asked. By its monotonic clock. */
export const LEASE_MS = 2500;

/** How long the store counts what a host holds, from its last report. See docs/shared-groups.md. */
export const EXPIRY_MS = 4000;

/** A step of the store's clock up to this length does no harm. After a longer silence the store forgets, and learns. */
export const GAP_MS = 1250;

/** A host without demand may keep its fair part, by weight, divided by this number. */
export const IDLE_PART = 256;

/** The shares are divided anew when this many hosts per millisecond have passed, not counting the first of them. */
export const HOSTS_PER_MS = 2;

/** Among so many hosts the shares are divided with each report, so that nobody waits for a report more. */
export const FEW_HOSTS = 16;

/**
 * The books of one group, in the store: what each host holds, wants and weighs. One call is the report of
 * one host and returns its grants. The store runs one script at a time, so nothing else locks.
 *
 * A report costs the same however many hosts there are. The division among them, which goes over all, is made
 * at most every (n - 16) / 2 ms, however many hosts come, go or change what they want in between: when a store begins
 * anew, they all come at once. `tools/leases/ledger.ts` is the same in TypeScript, for the simulator; a test holds
 * both against each other.
 *
 * KEYS[1] is a hash: '' has the sums, each other field is a host. ARGV: version, host, number of the report,
 * weight, 1 if the host leaves, then for each rate its limit, then what is wanted, then what is held. A test
 * adds the time in ms and the name of the run.
 *
 * The first line has the server refuse the whole script, and not its first write, when its memory is full, when
 * it is a replica, or has too few of them. Otherwise a call that begins by deleting old books would succeed.
 */
export const SCRIPT = `#!lua
local D, VERSION, EXPIRY, GAP, IDLE, PER_MS, FEW =
  ${RATES.length}, ${SCRIPT_VERSION}, ${EXPIRY_MS}, ${GAP_MS}, ${IDLE_PART}, ${HOSTS_PER_MS}, ${FEW_HOSTS}
local key, id, seq, weight = KEYS[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local now, run = tonumber(ARGV[6 + 3 * D]), ARGV[7 + 3 * D]
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
  run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
end
local function vector(first)
  local rates = {}
  for d = 1, D do rates[d] = tonumber(ARGV[first + d]) end
  return rates
end
local limits, wants, held = vector(5), vector(5 + D), vector(5 + 2 * D)

local packed = redis.call('HMGET', key, '', id)
local meta = packed[1] and cmsgpack.unpack(packed[1])
if tonumber(ARGV[1]) ~= VERSION or (meta and meta.version ~= VERSION) then
  return redis.error_reply('SLUICEVERSION ' .. (meta and meta.version or VERSION))
end
local own = packed[2] and cmsgpack.unpack(packed[2])
if not meta or meta.run ~= run or now < meta.last or now - meta.last > GAP then
  redis.call('DEL', key)
  own = nil
  meta = { version = VERSION, run = run, learn = now + EXPIRY, at = -1e15, n = 0 }
  meta.limit, meta.level, meta.need, meta.sum, meta.weights = {}, {}, {}, {}, {}
  for d = 1, D do
    meta.limit[d], meta.level[d], meta.need[d], meta.sum[d], meta.weights[d] = -1, -1, 0, 0, 0
  end
end
if own and seq <= own.seq then return 'stale' end
meta.last = now

local function step(rate) return math.max(1, math.floor(rate * 1024)) / 1024 end
local function asked(host, d)
  local limit = meta.limit[d]
  return math.min(limit, math.max(host.wants[d], limit * host.weight / meta.weights[d] / IDLE))
end
local function target(host, d)
  local rate = asked(host, d)
  if meta.level[d] >= 0 then rate = math.min(rate, meta.level[d] * host.weight) end
  return step(rate)
end
local function divide(hosts)
  meta.at, meta.n = now, #hosts
  for d = 1, D do
    local sharing, weights, limit, sum = {}, 0, -1, 0
    for _, host in ipairs(hosts) do
      if host.limits[d] >= 0 then
        sharing[#sharing + 1] = host
        weights = weights + host.weight
        sum = sum + host.held[d]
        if limit < 0 or host.limits[d] < limit then limit = host.limits[d] end
      end
    end
    meta.limit[d], meta.weights[d], meta.sum[d], meta.level[d] = limit, weights, sum, -1
    local order = {}
    for i, host in ipairs(sharing) do order[i] = { asked(host, d) / host.weight, host.id, host } end
    table.sort(order, function(a, b)
      if a[1] ~= b[1] then return a[1] < b[1] end
      return a[2] < b[2]
    end)
    local rest, left = limit, weights
    for _, one in ipairs(order) do
      if one[1] * left > rest then
        meta.level[d] = rest / left
        break
      end
      rest = rest - one[1] * one[3].weight
      left = left - one[3].weight
    end
    meta.need[d] = 0
    for _, one in ipairs(order) do
      meta.need[d] = meta.need[d] + math.max(0, target(one[3], d) - one[3].held[d])
    end
  end
end

local leaves = ARGV[5] == '1'
for d = 1, D do
  if own and own.limits[d] >= 0 then
    meta.sum[d] = meta.sum[d] - own.held[d]
    meta.weights[d] = meta.weights[d] - own.weight
  end
  if not leaves and limits[d] >= 0 then
    meta.sum[d] = meta.sum[d] + held[d]
    meta.weights[d] = meta.weights[d] + weight
    if meta.limit[d] < 0 or limits[d] < meta.limit[d] then meta.limit[d] = limits[d] end
  end
end
meta.n = meta.n - (own and 1 or 0) + (leaves and 0 or 1)
own = { id = id, expires = now + EXPIRY, seq = seq, weight = weight }
own.limits, own.wants, own.held = limits, wants, held
if leaves then redis.call('HDEL', key, id) end
if now - meta.at >= (meta.n - FEW) / PER_MS then
  local hosts = {}
  if not leaves then hosts[1] = own end
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    if all[i] ~= '' and all[i] ~= id then
      local host = cmsgpack.unpack(all[i + 1])
      if now >= host.expires then redis.call('HDEL', key, all[i]) else hosts[#hosts + 1] = host end
    end
  end
  divide(hosts)
  redis.call('PEXPIRE', key, 60000)
end
if leaves then
  redis.call('HSET', key, '', cmsgpack.pack(meta))
  return 'left'
end

local learns = now < meta.learn
local grants, kept = {}, {}
for d = 1, D do
  grants[d], kept[d] = -1, -1
  if limits[d] >= 0 then
    local free, aim, grant = meta.limit[d] - meta.sum[d], target(own, d), held[d]
    if aim > grant then
      if not learns and free > 0 then grant = math.min(aim, grant + free) end
    elseif free < 0 or (not learns and meta.need[d] > free) then
      grant = aim
    end
    grants[d], kept[d] = string.format('%.17g', grant), math.max(grant, held[d])
    meta.sum[d] = meta.sum[d] + kept[d] - held[d]
  end
end
own.held = kept
redis.call('HSET', key, '', cmsgpack.pack(meta), id, cmsgpack.pack(own))
return (learns and 'learning ' or 'granted ') .. meta.n .. ' ' .. table.concat(grants, ' ')
`;
