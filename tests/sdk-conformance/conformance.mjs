// LINE's official Node SDK as the client of the simulator: every endpoint called, every webhook verified and typed.

import { createSign, generateKeyPairSync, randomUUID } from "node:crypto";
import { buffer } from "node:stream/consumers";

import { BASE, Checks, Receiver, control, line } from "./stage.mjs";
import { complaints } from "./types.mjs";

const post = (path, body = {}) => control("POST", path, body);
const check = new Checks();
const receiver = new Receiver();
const url = await receiver.start();
const { provider } = await post("/providers", { name: "Example" });
const spec = { provider, name: "Shop", verified: true, quota: 1000, webhook_url: url };
const card = await post("/accounts", spec);
receiver.secret = card.channel_secret;
const account = card.channel_id;
const config = { baseURL: BASE, channelAccessToken: card.access_token };
const api = new line.messagingApi.MessagingApiClient(config);
const blob = new line.messagingApi.MessagingApiBlobClient(config);
const insight = new line.insight.InsightClient(config);
const typed = [];

async function person(extra = {}) {
  const { person: name } = await post("/people", extra);
  const { user_id: user } = await control("GET", `/accounts/${account}/people/${name}`);
  return [name, user];
}
const act = (who, what) => post(`/accounts/${account}/people/${who}/acts`, what);
const text = (words = "hello") => ({ type: "text", text: words });

// The next webhook's first event; `known` ones are type-checked at the end.
async function event(known = true) {
  const { body } = await receiver.next();
  if (body.destination !== card.bot_user_id) throw new Error("destination is another bot");
  if (known) typed.push(body);
  return body.events[0];
}
async function kind(wanted, known = true) {
  const found = await event(known);
  check.equal(`webhook ${wanted}`, found.type, wanted);
  return found;
}

async function webhooks() {
  const [hanako, user] = await person({ display_name: "Hanako", picture_url: "https://example.com/h.png" });
  await act(hanako, { act: "add_friend" });
  check.equal("follow is not an unblock", (await kind("follow")).follow.isUnblocked, false);
  await act(hanako, { act: "block" });
  await kind("unfollow");
  await act(hanako, { act: "unblock" });
  check.equal("follow after a block", (await event()).follow.isUnblocked, true);
  const mention = { mentionees: [{ type: "user", index: 0, length: 2, userId: user, isSelf: false }] };
  const writings = [
    { type: "text", text: "寿司 🍣", extra: { mention } },
    { type: "sticker", package_id: "446", sticker_id: "1988" },
    { type: "image", image_set: { id: "S1", index: 1, total: 1 } },
    { type: "video", duration_ms: 1500 },
    { type: "audio", duration_ms: 1500 },
    { type: "file", file_name: "a.pdf" },
    { type: "location", title: "Here", latitude: 35.6, longitude: 139.7 },
    { type: "image", external_url: "https://example.com/external.jpg" },
  ];
  const messages = {};
  for (const writing of writings) {
    const done = await act(hanako, { act: "write", ...writing });
    const { message } = await kind("message");
    check.equal(`message ${writing.type}`, [message.type, message.id], [writing.type, done.message_id]);
    messages[writing.type] ??= message;
  }
  await act(hanako, { act: "postback", data: "a=1", params: { date: "2026-08-10" } });
  check.equal("postback params", (await kind("postback")).postback.params, { date: "2026-08-10" });
  await act(hanako, { act: "finish_video", tracking_id: "t" });
  await kind("videoPlayComplete");
  await act(hanako, { act: "beacon", hwid: "d41d8cd98f", kind: "enter" });
  await kind("beacon");
  for (const change of ["joined", "renewed", "left"]) {
    await act(hanako, { act: "membership", kind: change, membership_id: 3189 });
    await kind("membership");
  }
  const others = [
    { type: "module", module: { type: "attached", botId: "U1", scopes: ["message:send"] } },
    { type: "activated", chatControl: { expireAt: 1 } },
    { type: "deactivated" },
    { type: "botSuspended" },
    { type: "botResumed" },
    { type: "delivery", delivery: { data: "hash" } },
  ];
  for (const other of others) {
    await post(`/accounts/${account}/events`, other);
    await kind(other.type);
  }
  await post(`/accounts/${account}/events`, { type: "notInventedYet" });
  await kind("notInventedYet", false);
  await act(hanako, { act: "write", ...text("standby"), standby: true });
  const standby = await event();
  check.equal("standby has a mode and no reply token", [standby.mode, "replyToken" in standby], ["standby", false]);
  await act(hanako, { act: "write", ...text("signed") });
  const { raw, signature } = await receiver.next();
  check.that("signature", line.validateSignature(raw, card.channel_secret, signature));
  check.that("a changed body is noticed", !line.validateSignature(`${raw} `, card.channel_secret, signature));
  return { hanako, user, messages };
}

async function chats({ hanako, user }) {
  for (const name of ["group", "room"]) {
    const Name = name === "group" ? "Group" : "Room";
    const chat = await post("/chats", { kind: name, name: "Family", members: [hanako] });
    const change = (what, more = {}) => post(`/chats/${chat}/changes`, { change: what, ...more });
    await change("invite_account", { account });
    await kind("join");
    const [guest] = await person();
    await change("members_join", { people: [guest] });
    check.equal("one member joined", (await kind("memberJoined")).joined.members.length, 1);
    await change("members_leave", { people: [guest] });
    await kind("memberLeft");
    if (name === "group") {
      const { message_id: id } = await act(hanako, { act: "write", ...text("teh"), chat });
      check.equal("group source", (await event()).source, { groupId: chat, type: "group", userId: user });
      await act(hanako, { act: "edit", message_id: id, text: "the", chat });
      check.equal("edited text", (await kind("messageEdited", false)).message.text, "the");
      await act(hanako, { act: "unsend", message_id: id, chat });
      check.equal("unsend names the message", (await kind("unsend")).unsend.messageId, id);
      check.equal("group summary", (await api.getGroupSummary(chat)).groupName, "Family");
    }
    const sent = await api.pushMessage({ to: chat, messages: [text()] });
    check.that(`push to a ${name}`, sent.sentMessages[0].id);
    check.equal(`${name} member count`, (await api[`get${Name}MemberCount`](chat)).count, 1);
    check.equal(`${name} member ids`, (await api[`get${Name}MembersIds`](chat)).memberIds, [user]);
    const profile = await api[`get${Name}MemberProfile`](chat, user);
    check.equal(`${name} member profile`, profile.displayName, "Hanako");
    await api[`leave${Name}`](chat);
    await kind("leave");
    await check.refused(`a left ${name} is gone`, 404, () => api[`get${Name}MemberCount`](chat));
  }
}

async function sending({ hanako, user }) {
  const { reply_token: replyToken } = await act(hanako, { act: "write", ...text("question") });
  const quoteToken = (await event()).message.quoteToken;
  const reply = { replyToken, messages: [{ ...text("answer"), quoteToken }] };
  const answered = await api.replyMessageWithHttpInfo(reply);
  check.that("reply", answered.body.sentMessages[0].quoteToken);
  check.that("request id", answered.httpResponse.headers.get("x-line-request-id"));
  await check.refused("a reply token works once", 400, () => api.replyMessage(reply), "Invalid reply token");
  const key = randomUUID();
  const push = { to: user, messages: [text("once")], customAggregationUnits: ["promo"] };
  const first = await api.pushMessageWithHttpInfo(push, key);
  const again = await check.refused("a retry key is taken once", 409, () => api.pushMessage(push, key), "already");
  const accepted = again.headers.get("x-line-accepted-request-id");
  check.equal("accepted request id", accepted, first.httpResponse.headers.get("x-line-request-id"));
  check.equal("the first answer comes back", JSON.parse(again.body).sentMessages, first.body.sentMessages);
  await check.refused("a retry key is a UUID", 400, () => api.pushMessage(push, "key"));
  check.equal("multicast", await api.multicast({ to: [user], messages: [text("m")] }, randomUUID()), {});
  check.equal("broadcast", await api.broadcast({ messages: [text("b")] }, randomUUID()), {});
  const actions = [{ type: "message", label: "Yes", text: "yes" }, { type: "postback", label: "No", data: "n" }];
  const template = { type: "confirm", text: "Sure?", actions };
  const contents = { type: "bubble", body: { type: "box", layout: "vertical", contents: [text("hi")] } };
  const rich = [
    { type: "template", altText: "card", template },
    { type: "flex", altText: "card", contents },
    { type: "sticker", packageId: "446", stickerId: "1988" },
    { type: "location", title: "Here", address: "There", latitude: 35.6, longitude: 139.7 },
    { type: "audio", originalContentUrl: "https://example.com/a.m4a", duration: 1000 },
  ];
  const { sentMessages } = await api.pushMessage({ to: user, messages: rich });
  check.equal("five kinds of messages", sentMessages.map((m) => "quoteToken" in m), [true, true, true, false, false]);
  await act(hanako, { act: "tap", message_id: sentMessages[0].id, label: "No" });
  check.equal("a tapped card", (await event()).postback.data, "n");
  const empty = { messages: [text("")] };
  await check.refused("an empty text", 400, () => api.pushMessage({ to: user, ...empty }), "messages[0].text");
  const foreign = { to: `U${"0".repeat(32)}`, messages: [text()] };
  await check.refused("a foreign user", 400, () => api.pushMessage(foreign), "Failed to send messages");
  for (const method of ["Reply", "Push", "Multicast", "Narrowcast", "Broadcast"]) {
    await api[`validate${method}`]({ messages: [text()] });
    await check.refused(`validate${method} refuses`, 400, () => api[`validate${method}`](empty));
  }
}

async function reading({ hanako, user, messages }) {
  const profile = await api.getProfile(user);
  check.equal("profile", [profile.displayName, profile.language], ["Hanako", "ja"]);
  const info = await api.getBotInfo();
  check.equal("bot info", [info.userId, info.chatMode, info.markAsReadMode], [card.bot_user_id, "bot", "auto"]);
  check.equal("followers", (await api.getFollowers(undefined, 10)).userIds, [user]);
  check.equal("quota", await api.getMessageQuota(), { type: "limited", value: 1000 });
  const counted = { blocks: 0, followers: 0, status: "ready", targetedReaches: 0 };
  check.equal("followers of a day", await insight.getNumberOfFollowers("20200101"), counted);
  check.that("consumption", (await api.getMessageQuotaConsumption()).totalUsage > 0);
  check.equal("aggregation usage", (await api.getAggregationUnitUsage()).numOfCustomAggregationUnits, 1);
  check.equal("aggregation names", (await api.getAggregationUnitNameList("10")).customAggregationUnits, ["promo"]);
  for (const method of ["Reply", "Push", "Multicast", "Broadcast"]) {
    const counted = await api[`getNumberOfSent${method}Messages`]("20200101");
    check.equal(`delivery ${method}`, counted, { status: "ready", success: 0 });
  }
  const loading = await api.showLoadingAnimationWithHttpInfo({ chatId: user, loadingSeconds: 5 });
  check.equal("loading", loading.httpResponse.status, 202);
  await api.markMessagesAsReadByToken({ markAsReadToken: messages.text.markAsReadToken });
  check.that("mark as read", true);
  const image = await buffer(await blob.getMessageContent(messages.image.id));
  check.equal("content", image.subarray(0, 2).toString("hex"), "ffd8");
  check.that("preview", (await buffer(await blob.getMessageContentPreview(messages.video.id))).length > 0);
  const transcoding = await blob.getMessageContentTranscodingByMessageId(messages.video.id);
  check.equal("transcoding", transcoding.status, "succeeded");
  await act(hanako, { act: "unsend", message_id: messages.image.id });
  await event();
  await check.refused("unsent content", 410, () => blob.getMessageContent(messages.image.id));
  await api.setWebhookEndpoint({ endpoint: url });
  check.equal("webhook endpoint", await api.getWebhookEndpoint(), { active: true, endpoint: url });
  const tested = await api.testWebhookEndpoint({});
  check.equal("webhook test", [tested.success, tested.statusCode, tested.reason], [true, 200, "OK"]);
  check.equal("the test webhook is empty and signed", (await receiver.next()).body.events, []);
}

async function linking({ hanako, user }) {
  const [stranger] = await person();
  for (const [who, wanted] of [[hanako, "ok"], [stranger, "failed"]]) {
    const { linkToken } = await api.issueLinkToken(user);
    const page = `${BASE}/dialog/bot/accountLink?linkToken=${linkToken}&nonce=nonce-0123456789`;
    check.equal(`dialog ${wanted}`, (await post(`/people/${who}/open`, { url: page })).status, 200);
    const linked = await kind("accountLink");
    check.equal(`link result ${wanted}`, linked.link, { nonce: "nonce-0123456789", result: wanted });
    check.equal(`only ok has a source (${wanted})`, "source" in linked, wanted === "ok");
  }
}

async function tokens() {
  const oauth = new line.channelAccessToken.ChannelAccessTokenClient({ baseURL: BASE });
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const { n, e } = publicKey.export({ format: "jwk" });
  const { kid } = await post(`/accounts/${account}/assertion-keys`, { n, e });
  const exp = Math.floor(Date.now() / 1000) + 1700;
  const claims = { iss: account, sub: account, aud: "https://api.line.me/", exp, token_exp: 86_400 };
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg: "RS256", typ: "JWT", kid })}.${part(claims)}`;
  const assertion = `${signed}.${createSign("RSA-SHA256").update(signed).sign(privateKey, "base64url")}`;
  const [grant, jwt] = ["client_credentials", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"];
  const v21 = await oauth.issueChannelTokenByJWT(grant, jwt, assertion);
  check.equal("token v2.1", [v21.expires_in, v21.token_type], [86_400, "Bearer"]);
  check.equal("verify v2.1", (await oauth.verifyChannelTokenByJWT(v21.access_token)).client_id, account);
  const kids = (await oauth.getsAllValidChannelAccessTokenKeyIds(jwt, assertion)).kids;
  check.equal("key ids", kids, [v21.key_id]);
  const own = new line.messagingApi.MessagingApiClient({ baseURL: BASE, channelAccessToken: v21.access_token });
  check.equal("a v2.1 token works", (await own.getBotInfo()).userId, card.bot_user_id);
  await oauth.revokeChannelTokenByJWT(account, card.channel_secret, v21.access_token);
  await check.refused("a revoked token", 401, () => own.getBotInfo(), "Authentication failed");
  check.equal("stateless by assertion", (await oauth.issueStatelessChannelTokenByJWTAssertion(assertion)).expires_in, 900);
  const stateless = await oauth.issueStatelessChannelTokenByClientSecret(account, card.channel_secret);
  check.equal("stateless by secret", stateless.expires_in, 900);
  const short = (await oauth.issueChannelToken(grant, account, card.channel_secret)).access_token;
  check.equal("verify short-lived", (await oauth.verifyChannelToken(short)).client_id, account);
  await oauth.revokeChannelToken(short);
  await check.refused("a revoked short-lived token", 400, () => oauth.verifyChannelToken(short));
}

// The head of a PNG image: what tells its size.
function png(width, height) {
  const head = Buffer.from("89504e470d0a1a0a0000000d494844520000000000000000", "hex");
  head.writeUInt32BE(width, 16);
  head.writeUInt32BE(height, 20);
  return new Blob([head], { type: "image/png" });
}

async function richMenus({ hanako, user }) {
  const size = { width: 2500, height: 843 };
  const areas = [{ bounds: { x: 0, y: 0, ...size }, action: { type: "postback", data: "menu" } }];
  const object = { size, selected: false, name: "m", chatBarText: "Tap", areas };
  await api.validateRichMenuObject(object);
  const nameless = { ...object, name: undefined };
  await check.refused("a menu without a name", 400, () => api.createRichMenu(nameless), "must be specified");
  const { richMenuId: menu } = await api.createRichMenu(object);
  const { richMenuId: other } = await api.createRichMenu({ ...object, name: "other" });
  const known = await api.getRichMenu(menu);
  check.equal("rich menu", [known.richMenuId, known.size.height, known.areas[0].action.data], [menu, 843, "menu"]);
  check.equal("rich menus", (await api.getRichMenuList()).richmenus.map((m) => m.name), ["m", "other"]);
  await check.refused("a menu without an image", 400, () => api.linkRichMenuIdToUser(user, menu), "must upload");
  for (const id of [menu, other]) await blob.setRichMenuImage(id, png(2500, 843));
  await check.refused("a second image", 400, () => blob.setRichMenuImage(menu, png(2500, 843)), "already");
  check.equal("rich menu image", (await buffer(await blob.getRichMenuImage(menu))).length, 24);
  await check.refused("no default", 404, () => api.getDefaultRichMenuId(), "no default richmenu");
  await api.setDefaultRichMenu(menu);
  check.equal("default", (await api.getDefaultRichMenuId()).richMenuId, menu);
  await act(hanako, { act: "tap_rich_menu", area: 0 });
  check.equal("a tapped menu", (await event()).postback.data, "menu");
  await api.linkRichMenuIdToUser(user, other);
  check.equal("menu of a user", (await api.getRichMenuIdOfUser(user)).richMenuId, other);
  await api.unlinkRichMenuIdFromUser(user);
  await check.refused("no menu of a user", 404, () => api.getRichMenuIdOfUser(user), "the user has no richmenu");
  const later = () => post("/clock", { advance_ms: 1000 });
  const accepted = async (name, call) => {
    const { httpResponse } = await call;
    check.equal(name, httpResponse.status, 202);
    await later();
    return httpResponse.headers.get("x-line-request-id");
  };
  await accepted("bulk link", api.linkRichMenuIdToUsersWithHttpInfo({ richMenuId: menu, userIds: [user] }));
  check.equal("linked in bulk", (await api.getRichMenuIdOfUser(user)).richMenuId, menu);
  const operations = [{ type: "link", from: menu, to: other }];
  await api.validateRichMenuBatchRequest({ operations });
  const request = await accepted("batch", api.richMenuBatchWithHttpInfo({ operations, resumeRequestKey: "k" }));
  check.equal("progress", (await api.getRichMenuBatchProgress(request)).phase, "succeeded");
  check.equal("replaced in a batch", (await api.getRichMenuIdOfUser(user)).richMenuId, other);
  await accepted("bulk unlink", api.unlinkRichMenuIdFromUsersWithHttpInfo({ userIds: [user] }));
  await check.refused("unlinked in bulk", 404, () => api.getRichMenuIdOfUser(user));
  await api.createRichMenuAlias({ richMenuAliasId: "tab-a", richMenuId: menu });
  await api.updateRichMenuAlias("tab-a", { richMenuId: other });
  const alias = { richMenuAliasId: "tab-a", richMenuId: other };
  check.equal("alias", await api.getRichMenuAlias("tab-a"), alias);
  check.equal("aliases", (await api.getRichMenuAliasList()).aliases, [alias]);
  await api.deleteRichMenuAlias("tab-a");
  await check.refused("a deleted alias", 404, () => api.getRichMenuAlias("tab-a"), "alias not found");
  await api.cancelDefaultRichMenu();
  await api.deleteRichMenu(menu);
  await check.refused("a deleted menu", 404, () => api.getRichMenu(menu), "Not found");
}

const world = await webhooks();
await chats(world);
await sending(world);
await reading(world);
await linking(world);
await richMenus(world);
await tokens();
check.everyEndpoint(await control("GET", `/books/requests`));
const wrong = complaints(typed);
check.that(`${typed.length} webhooks fit the SDK's types`, wrong === "", wrong);
check.end();
