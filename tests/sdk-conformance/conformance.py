"""LINE's official Python SDK as the client of the simulator: every endpoint called, every webhook parsed."""

import base64
import os
import time
import uuid

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from linebot.v3 import insight as i
from linebot.v3 import messaging as m
from linebot.v3 import oauth as o
from linebot.v3.exceptions import InvalidSignatureError
from linebot.v3.messaging.exceptions import ApiException
from linebot.v3.oauth.exceptions import ApiException as OAuthException
from linebot.v3.webhook import SignatureValidator, WebhookParser

from stage import Checks, Control, Receiver

BASE = os.environ["LINE_SIMULATOR_URL"]
control, receiver, check = Control(BASE), Receiver(), Checks()
provider = control.post("/providers", {"name": "Example"})["provider"]
card = control.post(
    "/accounts", {"provider": provider, "name": "Shop", "verified": True, "quota": 1000, "webhook_url": receiver.url}
)
account = card["channel_id"]
settings = m.Configuration(host=BASE, access_token=card["access_token"])
api = m.MessagingApi(m.ApiClient(settings))
blob = m.MessagingApiBlob(m.ApiClient(settings))
insight = i.Insight(i.ApiClient(i.Configuration(host=BASE, access_token=card["access_token"])))
parser = WebhookParser(card["channel_secret"])


def person(**spec):
    name = control.post("/people", spec)["person"]
    return name, control.get(f"/accounts/{account}/people/{name}")["user_id"]


def act(who, **what):
    return control.post(f"/accounts/{account}/people/{who}/acts", what)


def event():
    """The next webhook's first event, verified and parsed by the SDK."""
    body, signature = receiver.next()
    payload = parser.parse(body, signature, as_payload=True)
    assert payload.destination == card["bot_user_id"]
    return payload.events[0]


def kind(name, wanted, found):
    check.equal(f"webhook {name}", type(found).__name__, wanted)
    return found


def text(words="hello"):
    return m.TextMessage(text=words)


def webhooks():
    hanako, user = person(display_name="Hanako", picture_url="https://example.com/h.png", status_message="hi")
    act(hanako, act="add_friend")
    follow = kind("follow", "FollowEvent", event())
    check.equal("follow is not an unblock", follow.follow.is_unblocked, False)
    act(hanako, act="block")
    kind("unfollow", "UnfollowEvent", event())
    act(hanako, act="unblock")
    check.equal("follow after a block", event().follow.is_unblocked, True)
    contents = [
        ("TextMessageContent", {"type": "text", "text": "寿司 🍣", "extra": {"mention": {"mentionees": [
            {"type": "user", "index": 0, "length": 2, "userId": user, "isSelf": False}]}}}),
        ("StickerMessageContent", {"type": "sticker", "package_id": "446", "sticker_id": "1988"}),
        ("ImageMessageContent", {"type": "image", "image_set": {"id": "S1", "index": 1, "total": 1}}),
        ("VideoMessageContent", {"type": "video", "duration_ms": 1500}),
        ("AudioMessageContent", {"type": "audio", "duration_ms": 1500}),
        ("FileMessageContent", {"type": "file", "file_name": "a.pdf"}),
        ("LocationMessageContent", {"type": "location", "title": "Here", "latitude": 35.6, "longitude": 139.7}),
    ]
    messages = {}
    for wanted, writing in contents:
        done = act(hanako, act="write", **writing)
        message = event().message
        check.equal(f"webhook message {writing['type']}", type(message).__name__, wanted)
        check.equal(f"message {writing['type']} keeps its id", message.id, done["message_id"])
        messages[writing["type"]] = message
    act(hanako, act="postback", data="a=1", params={"date": "2026-08-10"})
    check.equal("postback params", kind("postback", "PostbackEvent", event()).postback.params, {"date": "2026-08-10"})
    act(hanako, act="finish_video", tracking_id="t")
    kind("videoPlayComplete", "VideoPlayCompleteEvent", event())
    act(hanako, act="beacon", hwid="d41d8cd98f", kind="enter")
    kind("beacon", "BeaconEvent", event())
    for change in ("joined", "renewed", "left"):
        act(hanako, act="membership", kind=change, membership_id=3189)
        kind(f"membership {change}", "MembershipEvent", event())
    others = {
        "ModuleEvent": {"type": "module", "module": {"type": "attached", "botId": "U1", "scopes": ["message:send"]}},
        "ActivatedEvent": {"type": "activated", "chatControl": {"expireAt": 1}},
        "DeactivatedEvent": {"type": "deactivated"},
        "BotSuspendedEvent": {"type": "botSuspended"},
        "BotResumedEvent": {"type": "botResumed"},
        "PnpDeliveryCompletionEvent": {"type": "delivery", "delivery": {"data": "hash"}},
        "UnknownEvent": {"type": "notInventedYet"},
    }
    for wanted, raw in others.items():
        control.post(f"/accounts/{account}/events", raw)
        kind(raw["type"], wanted, event())
    act(hanako, act="write", type="text", text="standby", standby=True)
    standby = event()
    check.equal("standby has a mode and no reply token", (standby.mode.value, standby.reply_token), ("standby", None))
    act(hanako, act="write", type="text", text="signed")
    body, signature = receiver.next()
    check.that("signature", SignatureValidator(card["channel_secret"]).validate(body, signature))
    try:
        parser.parse(body + " ", signature)
        check.that("a changed body is noticed", False)
    except InvalidSignatureError:
        check.that("a changed body is noticed", True)
    return hanako, user, messages


def chats(hanako, user):
    for name, profile in (("group", api.get_group_member_profile), ("room", api.get_room_member_profile)):
        chat = control.post("/chats", {"kind": name, "name": "Family", "members": [hanako]})
        changes = f"/chats/{chat}/changes"
        control.post(changes, {"change": "invite_account", "account": account})
        kind(f"join {name}", "JoinEvent", event())
        guest, _ = person()
        control.post(changes, {"change": "members_join", "people": [guest]})
        check.equal("one member joined", len(kind("memberJoined", "MemberJoinedEvent", event()).joined.members), 1)
        control.post(changes, {"change": "members_leave", "people": [guest]})
        kind("memberLeft", "MemberLeftEvent", event())
        if name == "group":
            written = act(hanako, act="write", type="text", text="teh", chat=chat)
            check.equal("group source", event().source.group_id, chat)
            act(hanako, act="edit", message_id=written["message_id"], text="the", chat=chat)
            edited = event()
            known = type(edited).__name__ in ("UnknownEvent", "MessageEditedEvent")
            check.that(f"webhook messageEdited ({type(edited).__name__})", known)
            act(hanako, act="unsend", message_id=written["message_id"], chat=chat)
            unsent = kind("unsend", "UnsendEvent", event())
            check.equal("unsend names the message", unsent.unsend.message_id, written["message_id"])
            check.equal("group summary", api.get_group_summary(chat).group_name, "Family")
        sent = api.push_message(m.PushMessageRequest(to=chat, messages=[text()]))
        check.that(f"push to a {name}", sent.sent_messages[0].id)
        count, ids, leave = (
            (api.get_group_member_count, api.get_group_members_ids, api.leave_group)
            if name == "group"
            else (api.get_room_member_count, api.get_room_members_ids, api.leave_room)
        )
        check.equal(f"{name} member count", count(chat).count, 1)
        check.equal(f"{name} member ids", ids(chat).member_ids, [user])
        check.equal(f"{name} member profile", profile(chat, user).display_name, "Hanako")
        leave(chat)
        kind(f"leave {name}", "LeaveEvent", event())
        check.refused(f"a left {name} is gone", 404, ApiException, lambda: count(chat))


def sending(hanako, user):
    token = act(hanako, act="write", type="text", text="question")["reply_token"]
    quote = event().message.quote_token
    reply = m.ReplyMessageRequest(reply_token=token, messages=[m.TextMessage(text="answer", quote_token=quote)])
    answered = api.reply_message_with_http_info(reply)
    check.that("reply", answered.data.sent_messages[0].quote_token)
    check.that("request id", uuid.UUID(answered.headers["x-line-request-id"]))
    check.refused("a reply token works once", 400, ApiException, lambda: api.reply_message(reply), "Invalid reply token")
    key = str(uuid.uuid4())
    push = m.PushMessageRequest(to=user, messages=[text("once")], custom_aggregation_units=["promo"])
    first = api.push_message_with_http_info(push, key)
    check.that("push", first.data.sent_messages[0].id)
    again = check.refused("a retry key is taken once", 409, ApiException, lambda: api.push_message(push, key), "already")
    accepted = again and again.headers.get("x-line-accepted-request-id")
    check.equal("accepted request id", accepted, first.headers["x-line-request-id"])
    check.refused("a retry key is a UUID", 400, ApiException, lambda: api.push_message(push, "key"))
    check.equal("multicast", api.multicast(m.MulticastRequest(to=[user], messages=[text("m")]), str(uuid.uuid4())), {})
    check.equal("broadcast", api.broadcast(m.BroadcastRequest(messages=[text("b")]), str(uuid.uuid4())), {})
    confirm = m.ConfirmTemplate(text="Sure?", actions=[m.MessageAction(label="Yes", text="yes"), m.PostbackAction(label="No", data="n")])
    flex = m.FlexMessage(alt_text="card", contents=m.FlexBubble(body=m.FlexBox(layout="vertical", contents=[m.FlexText(text="hi")])))
    card_message = m.TemplateMessage(alt_text="card", template=confirm)
    rich = [card_message, flex, m.StickerMessage(package_id="446", sticker_id="1988"), m.LocationMessage(title="Here", address="There", latitude=35.6, longitude=139.7),
            m.ImageMessage(original_content_url="https://example.com/a.jpg", preview_image_url="https://example.com/b.jpg")]
    sent = api.push_message(m.PushMessageRequest(to=user, messages=rich)).sent_messages
    check.equal("five kinds of messages", len(sent), 5)
    act(hanako, act="tap", message_id=sent[0].id, label="No")
    check.equal("a tapped card", event().postback.data, "n")
    check.refused("an empty text", 400, ApiException, lambda: api.push_message(m.PushMessageRequest(to=user, messages=[text("")])), "messages[0].text")
    check.refused("a foreign user", 400, ApiException, lambda: api.push_message(m.PushMessageRequest(to="U" + "0" * 32, messages=[text()])), "Failed to send messages")
    for validate in (api.validate_reply, api.validate_push, api.validate_multicast, api.validate_narrowcast, api.validate_broadcast):
        validate(m.ValidateMessageRequest(messages=[text()]))
        check.refused(f"{validate.__name__} refuses", 400, ApiException, lambda: validate(m.ValidateMessageRequest(messages=[text("")])))


def reading(hanako, user, messages):
    profile = api.get_profile(user)
    check.equal("profile", (profile.display_name, profile.language, profile.status_message), ("Hanako", "ja", "hi"))
    check.equal("bot info", (api.get_bot_info().user_id, api.get_bot_info().chat_mode), (card["bot_user_id"], "bot"))
    check.equal("followers", api.get_followers(limit=10).user_ids, [user])
    check.equal("quota", (api.get_message_quota().type, api.get_message_quota().value), ("limited", 1000))
    counted = insight.get_number_of_followers("20200101")
    check.equal("followers of a day", (counted.status, counted.followers, counted.blocks), ("ready", 0, 0))
    check.that("consumption", api.get_message_quota_consumption().total_usage > 0)
    check.equal("aggregation usage", api.get_aggregation_unit_usage().num_of_custom_aggregation_units, 1)
    check.equal("aggregation names", api.get_aggregation_unit_name_list(limit="10").custom_aggregation_units, ["promo"])
    for method in ("reply", "push", "multicast", "broadcast"):
        counted = getattr(api, f"get_number_of_sent_{method}_messages")
        check.equal(f"delivery {method}", counted("20200101").status, "ready")
    api.show_loading_animation(m.ShowLoadingAnimationRequest(chat_id=user, loading_seconds=5))
    check.that("loading", True)
    api.mark_messages_as_read_by_token(m.MarkMessagesAsReadByTokenRequest(mark_as_read_token=messages["text"].mark_as_read_token))
    check.that("mark as read", True)
    check.that("content", bytes(blob.get_message_content(messages["image"].id)).startswith(b"\xff\xd8"))
    check.that("preview", len(blob.get_message_content_preview(messages["video"].id)) > 0)
    check.equal("transcoding", blob.get_message_content_transcoding_by_message_id(messages["video"].id).status, "succeeded")
    slow = act(hanako, act="write", type="video", preparing_ms=60_000)["message_id"]
    event()
    check.equal("content in preparation", blob.get_message_content_with_http_info(slow).status_code, 202)
    act(hanako, act="unsend", message_id=messages["image"].id)
    event()
    check.refused("unsent content", 410, ApiException, lambda: blob.get_message_content(messages["image"].id))
    api.set_webhook_endpoint(m.SetWebhookEndpointRequest(endpoint=receiver.url))
    check.equal("webhook endpoint", (api.get_webhook_endpoint().endpoint, api.get_webhook_endpoint().active), (receiver.url, True))
    tested = api.test_webhook_endpoint(m.TestWebhookEndpointRequest())
    check.equal("webhook test", (tested.success, tested.status_code, tested.reason), (True, 200, "OK"))
    check.equal("the test webhook is empty and signed", parser.parse(*receiver.next()), [])


def linking(hanako, user):
    stranger, _ = person()
    for who, wanted in ((hanako, "ok"), (stranger, "failed")):
        token = api.issue_link_token(user).link_token
        url = f"{BASE}/dialog/bot/accountLink?linkToken={token}&nonce=nonce-0123456789"
        check.equal(f"dialog {wanted}", control.post(f"/people/{who}/open", {"url": url})["status"], 200)
        linked = kind(f"accountLink {wanted}", "AccountLinkEvent", event())
        check.equal(f"link result {wanted}", (linked.link.result, linked.link.nonce), (wanted, "nonce-0123456789"))
        check.equal(f"only ok has a source ({wanted})", linked.source is not None, wanted == "ok")


def base64url(number):
    """The number as a JWK carries it (RFC 7518, section 6.3.1)."""
    octets = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def tokens():
    oauth = o.ChannelAccessToken(o.ApiClient(o.Configuration(host=BASE)))
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    numbers = key.public_key().public_numbers()
    public = {"n": base64url(numbers.n), "e": base64url(numbers.e)}
    kid = control.post(f"/accounts/{account}/assertion-keys", public)["kid"]
    now = int(time.time())
    claims = {"iss": account, "sub": account, "aud": "https://api.line.me/", "exp": now + 1700, "token_exp": 86_400}
    assertion = jwt.encode(claims, key, algorithm="RS256", headers={"kid": kid})
    grant, jwt_type = "client_credentials", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    v21 = oauth.issue_channel_token_by_jwt(grant, jwt_type, assertion)
    check.equal("token v2.1", (v21.expires_in, v21.token_type), (86_400, "Bearer"))
    check.equal("verify v2.1", oauth.verify_channel_token_by_jwt(v21.access_token).client_id, account)
    check.equal("key ids", oauth.gets_all_valid_channel_access_token_key_ids(jwt_type, assertion).kids, [v21.key_id])
    own = m.MessagingApi(m.ApiClient(m.Configuration(host=BASE, access_token=v21.access_token)))
    check.equal("a v2.1 token works", own.get_bot_info().user_id, card["bot_user_id"])
    oauth.revoke_channel_token_by_jwt(account, card["channel_secret"], v21.access_token)
    check.refused("a revoked token", 401, ApiException, own.get_bot_info, "Authentication failed")
    stateless = oauth.issue_stateless_channel_token_by_jwt_assertion(assertion)
    check.equal("stateless token by assertion", stateless.expires_in, 900)
    stateless = oauth.issue_stateless_channel_token_by_client_secret(account, card["channel_secret"])
    check.equal("stateless token by secret", stateless.expires_in, 900)
    short = oauth.issue_channel_token(grant, account, card["channel_secret"]).access_token
    check.equal("verify short-lived", oauth.verify_channel_token(short).client_id, account)
    oauth.revoke_channel_token(short)
    check.refused("a revoked short-lived token", 400, OAuthException, lambda: oauth.verify_channel_token(short))
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    forged = jwt.encode(claims, other, algorithm="RS256", headers={"kid": kid})
    check.refused("a forged assertion", 400, OAuthException, lambda: oauth.issue_channel_token_by_jwt(grant, jwt_type, forged))
    unknown = jwt.encode(claims, key, algorithm="RS256", headers={"kid": "unknown"})
    check.refused("an unknown key", 404, OAuthException, lambda: oauth.issue_channel_token_by_jwt(grant, jwt_type, unknown))


def png(width, height):
    """The head of a PNG image: what tells its size."""
    return b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big")


def rich_menus(hanako, user):
    size = m.RichMenuSize(width=2500, height=843)
    area = m.RichMenuArea(bounds=m.RichMenuBounds(x=0, y=0, width=2500, height=843), action=m.PostbackAction(data="menu"))
    shape = {"size": size, "selected": False, "chat_bar_text": "Tap", "areas": [area]}
    api.validate_rich_menu_object(m.RichMenuRequest(name="m", **shape))
    nameless = m.RichMenuRequest(**shape)
    check.refused("a menu without a name", 400, ApiException, lambda: api.create_rich_menu(nameless), "must be specified")
    menu, other = (api.create_rich_menu(m.RichMenuRequest(name=name, **shape)).rich_menu_id for name in ("m", "other"))
    check.equal("rich menu", (api.get_rich_menu(menu).name, api.get_rich_menu(menu).areas[0].bounds.height), ("m", 843))
    check.equal("rich menus", [known.rich_menu_id for known in api.get_rich_menu_list().richmenus], [menu, other])
    check.refused("a menu without an image", 400, ApiException, lambda: api.link_rich_menu_id_to_user(user, menu), "must upload")

    def upload(name):
        blob.set_rich_menu_image(name, body=bytearray(png(2500, 843)), _headers={"Content-Type": "image/png"})

    upload(menu)
    upload(other)
    check.refused("a second image", 400, ApiException, lambda: upload(menu), "already")
    check.equal("rich menu image", bytes(blob.get_rich_menu_image(menu)), png(2500, 843))
    check.refused("no default", 404, ApiException, api.get_default_rich_menu_id, "no default richmenu")
    api.set_default_rich_menu(menu)
    check.equal("default", api.get_default_rich_menu_id().rich_menu_id, menu)
    act(hanako, act="tap_rich_menu", area=0)
    check.equal("a tapped menu", event().postback.data, "menu")
    api.link_rich_menu_id_to_user(user, other)
    check.equal("menu of a user", api.get_rich_menu_id_of_user(user).rich_menu_id, other)
    api.unlink_rich_menu_id_from_user(user)
    check.refused("no menu of a user", 404, ApiException, lambda: api.get_rich_menu_id_of_user(user), "the user has no richmenu")

    def accepted(name, answer):
        check.equal(name, answer.status_code, 202)
        control.post("/clock", {"advance_ms": 1000})
        return answer.headers["x-line-request-id"]

    bulk = m.RichMenuBulkLinkRequest(rich_menu_id=menu, user_ids=[user])
    accepted("bulk link", api.link_rich_menu_id_to_users_with_http_info(bulk))
    check.equal("linked in bulk", api.get_rich_menu_id_of_user(user).rich_menu_id, menu)
    operation = m.RichMenuBatchLinkOperation(var_from=menu, to=other)
    batch = m.RichMenuBatchRequest(operations=[operation], resume_request_key="k")
    api.validate_rich_menu_batch_request(batch)
    request = accepted("batch", api.rich_menu_batch_with_http_info(batch))
    progress = api.get_rich_menu_batch_progress(request)
    check.equal("progress", (progress.phase, progress.completed_time > progress.accepted_time), ("succeeded", True))
    check.equal("replaced in a batch", api.get_rich_menu_id_of_user(user).rich_menu_id, other)
    unlink = m.RichMenuBulkUnlinkRequest(user_ids=[user])
    accepted("bulk unlink", api.unlink_rich_menu_id_from_users_with_http_info(unlink))
    check.refused("unlinked in bulk", 404, ApiException, lambda: api.get_rich_menu_id_of_user(user))
    api.create_rich_menu_alias(m.CreateRichMenuAliasRequest(rich_menu_alias_id="tab-a", rich_menu_id=menu))
    api.update_rich_menu_alias("tab-a", m.UpdateRichMenuAliasRequest(rich_menu_id=other))
    check.equal("alias", api.get_rich_menu_alias("tab-a").rich_menu_id, other)
    check.equal("aliases", len(api.get_rich_menu_alias_list().aliases), 1)
    api.delete_rich_menu_alias("tab-a")
    check.refused("a deleted alias", 404, ApiException, lambda: api.get_rich_menu_alias("tab-a"), "alias not found")
    api.cancel_default_rich_menu()
    api.delete_rich_menu(menu)
    check.refused("a deleted menu", 404, ApiException, lambda: api.get_rich_menu(menu), "Not found")


hanako, user, messages = webhooks()
chats(hanako, user)
sending(hanako, user)
reading(hanako, user, messages)
linking(hanako, user)
rich_menus(hanako, user)
tokens()
check.every_endpoint(control.get("/books/requests"))
check.end()
