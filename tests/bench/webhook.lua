-- wrk's script: every request is a LINE webhook of about 1 KiB with an ID of its own, signed as it is made.
-- Reads CHANNEL_SECRET, BOT_USER_ID, WEBHOOK_PATH and USERS_FILE (one LINE user ID a line: who writes, in turn) from the
-- environment, prints one JSON line at the end.
local ffi = require("ffi")
ffi.cdef[[
  const void *EVP_sha256(void);
  unsigned char *HMAC(const void *md, const void *key, int key_length, const unsigned char *text, size_t length,
                      unsigned char *out, unsigned int *out_length);
  int EVP_EncodeBlock(unsigned char *to, const unsigned char *from, int length);
]]
local crypto = ffi.load("libcrypto.so.3")
local sha256 = crypto.EVP_sha256()
local digest, digest_length = ffi.new("unsigned char[32]"), ffi.new("unsigned int[1]")
local encoded = ffi.new("unsigned char[64]")

local secret, bot, path = os.getenv("CHANNEL_SECRET"), os.getenv("BOT_USER_ID"), os.getenv("WEBHOOK_PATH")
local text = string.rep("予約", 90)
local crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
local sent, stamp, nonce = 0, 0, ""
local users = {}
for line in io.lines(os.getenv("USERS_FILE")) do users[#users + 1] = line end

local function base32(number, digits)
  local out = {}
  for place = digits, 1, -1 do
    local index = number % 32
    out[place] = crockford:sub(index + 1, index + 1)
    number = (number - index) / 32
  end
  return table.concat(out)
end

function init()
  math.randomseed(os.time() + tonumber(tostring({}):match("0x(%x+)"), 16) % 1000000)
  stamp = os.time() * 1000
  nonce = base32(math.random(0, 2 ^ 30), 8)
end

function request()
  sent = sent + 1
  local id = base32(stamp, 10) .. nonce .. base32(sent, 8)
  local user = users[sent % #users + 1]
  local body = '{"destination":"' .. bot .. '","events":[{"type":"message","mode":"active","timestamp":' .. stamp ..
    ',"webhookEventId":"' .. id .. '","deliveryContext":{"isRedelivery":false},"source":{"type":"user","userId":"' .. user ..
    '"},"replyToken":"' .. base32(sent, 32) .. '","message":{"id":"' .. string.format("%d%07d", stamp / 1000, sent) ..
    '","type":"text","quoteToken":"' .. base32(sent, 24) .. '","text":"' .. text .. '"}}]}'
  crypto.HMAC(sha256, secret, #secret, body, #body, digest, digest_length)
  local length = crypto.EVP_EncodeBlock(encoded, digest, 32)
  local headers = { ["Content-Type"] = "application/json; charset=utf-8", ["X-Line-Signature"] = ffi.string(encoded, length) }
  return wrk.format("POST", path, headers, body)
end

function done(summary, latency)
  local seconds = summary.duration / 1e6
  io.write(string.format(
    '{"requests":%d,"seconds":%.3f,"per_second":%.1f,"p50_ms":%.3f,"p99_ms":%.3f,"max_ms":%.3f,"refused":%d,"broken":%d,"timeouts":%d}\n',
    summary.requests, seconds, summary.requests / seconds, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    latency.max / 1e3, summary.errors.status, summary.errors.connect + summary.errors.read + summary.errors.write,
    summary.errors.timeout))
end
