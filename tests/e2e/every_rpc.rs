//! S-1: every RPC of every service, called as another tenant with the first tenant's IDs, answers NOT_FOUND; those that
//! name nothing answer without a trace of the first tenant.

mod archive;
mod dynamic;
mod forwarding;
mod linking;
mod planning;
mod quarantine;
mod sharing;
mod world;

use contracts::AccessRules;
use contracts::access_proto::v1::Scope;
use serde_json::{Value, json};
use tests::{Options, Platform};
use tonic::Code;
use tsunagi::stage::Shop;

use dynamic::Calls;
use world::World;

/// What a call by the other tenant must come to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Must {
    /// It names something of the first tenant.
    NotFind,
    /// It names nothing, and must show nothing.
    ShowNothing,
    /// It is for the platform or for services; a tenant's own program may not call it at all.
    BeDenied,
}
use Must::{BeDenied, NotFind, ShowNothing};

#[tokio::test(flavor = "multi_thread")]
async fn every_rpc_with_another_tenants_ids_finds_nothing() -> anyhow::Result<()> {
    let platform = Platform::start(Options::default()).await?;
    let stage = platform.stage();
    let ours = Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
    let world = World::fill(&stage, &ours, &platform.admin_url()).await?;
    let theirs = Shop::open(&stage, "みどり歯科", "鈴木 一郎").await?;
    planning::known(&stage, &theirs).await?;
    let calls = Calls::new(&stage);
    let bodies = bodies(&world);

    // A sound body must work for its owner, or its NOT_FOUND for others would prove nothing.
    let mut wrong = Vec::new();
    for (path, must, body) in &bodies {
        if *must == NotFind && !CHANGES_TOO_MUCH.contains(path) {
            for (service, answer) in calls.everywhere(&ours.staff, path, body).await {
                match answer {
                    Err(status) if matches!(status.code(), Code::NotFound | Code::InvalidArgument) => {
                        wrong.push(format!("{path} of {service} does not serve its owner: {status}"));
                    }
                    Ok(_) | Err(_) => {}
                }
            }
        }
    }

    for (path, must, body) in &bodies {
        for (service, answer) in calls.everywhere(&theirs.staff, path, body).await {
            let right = match (must, &answer) {
                (NotFind, Err(status)) => status.code() == Code::NotFound,
                (BeDenied, Err(status)) => matches!(status.code(), Code::PermissionDenied | Code::NotFound),
                (ShowNothing, Ok(shown)) => !world.is_in(&shown.to_string()),
                (NotFind | BeDenied, Ok(_)) | (ShowNothing, Err(_)) => false,
            };
            if !right {
                wrong.push(format!("{path} of {service} must {must:?}: {answer:?}"));
            }
        }
    }
    // The owner still finds every dead letter as it was, in each service's list; what another tenant asked changed nothing.
    let list = "/tsunagi.operations.v1.DeadLetterService/ListDeadLetters";
    for (service, answer) in calls.everywhere(&ours.staff, list, &json!({ "state": "DEAD_LETTER_STATE_WAITING" })).await
    {
        let listed = answer.map(|shown| shown.to_string());
        if !listed.as_ref().is_ok_and(|listed| listed.contains(&world.dead_letter)) {
            wrong.push(format!("the dead letter of {service} does not wait any more: {listed:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // The first tenant's token with the second tenant's name, and the other way round, is not found either.
    let crossed = theirs.program.for_tenant(ours.tenant);
    for (_, answer) in calls.everywhere(&crossed, "/tsunagi.identity.v1.TenantService/GetTenant", &json!({})).await {
        assert_eq!(answer.as_ref().map_err(tonic::Status::code), Err(Code::NotFound), "{answer:?}");
    }
    Ok(())
}

/// A method that nobody wrote a body for would go untested.
#[test]
fn every_rpc_is_in_the_table() {
    let bodies = bodies(&World::default());
    let rules = AccessRules::load().unwrap();
    let missing: Vec<&str> =
        rules.iter().map(|(path, _)| path).filter(|path| !bodies.iter().any(|(known, _, _)| known == path)).collect();
    assert!(missing.is_empty(), "no body for {missing:?}");
    for (path, must, _) in &bodies {
        let rule = rules.get(path).unwrap_or_else(|| panic!("{path} is no method any more"));
        assert!(rule.scope != Scope::Platform || *must == BeDenied, "{path} is for the platform");
    }
}

/// Calls that would spoil the world for the calls after them; their owner does not make them first.
const CHANGES_TOO_MUCH: [&str; 17] = [
    "/tsunagi.identity.v1.PrincipalService/RevokePrincipal",
    "/tsunagi.identity.v1.PrincipalService/RegisterAssertionKey",
    "/tsunagi.identity.v1.PrincipalService/RemoveAssertionKey",
    "/tsunagi.identity.v1.AccountService/PauseOfficialAccount",
    "/tsunagi.identity.v1.AccountService/SetChannelSecret",
    "/tsunagi.identity.v1.AccountService/SetChannelCredential",
    "/tsunagi.identity.v1.AccountService/RotateWebhookKey",
    "/tsunagi.ingest.v1.ForwardingService/DeleteForwardingTarget",
    "/tsunagi.operations.v1.DeadLetterService/ReplayDeadLetter",
    "/tsunagi.operations.v1.DeadLetterService/DropDeadLetter",
    "/tsunagi.ingest.v1.QuarantineService/DropQuarantinedBody",
    "/tsunagi.identity.v1.LinkService/EndLink",
    "/tsunagi.identity.v1.LinkAttemptService/ResolveLinkAttempt",
    "/tsunagi.identity.v1.TakeoverService/ApproveTakeoverRequest",
    "/tsunagi.identity.v1.TakeoverService/DeclineTakeoverRequest",
    "/tsunagi.identity.v1.MergeService/UndoMerge",
    "/tsunagi.scheduler.v1.ReminderRuleService/DeleteReminderRule",
];

#[expect(clippy::too_many_lines, reason = "a table with one row a method")]
fn bodies(world: &World) -> Vec<(&'static str, Must, Value)> {
    let World {
        account, provider, organization, staff, staff_invitation, principal, friend, customer, activity, ..
    } = world;
    let World { conversation, message, picture, replay, line_user, dead_letter, timer, .. } = world;
    let text = json!({ "text": { "text": "x" } });
    let mut bodies = vec![
        ("/tsunagi.identity.v1.TenantService/CreateTenant", BeDenied, json!({ "displayName": "x" })),
        ("/tsunagi.identity.v1.TenantService/ListTenants", BeDenied, json!({})),
        ("/tsunagi.identity.v1.TenantService/GetTenant", ShowNothing, json!({})),
        (
            "/tsunagi.identity.v1.TenantService/UpdateTenant",
            ShowNothing,
            json!({ "tenant": { "displayName": "みどり歯科" } }),
        ),
        (
            "/tsunagi.identity.v1.PrincipalService/CreatePrincipal",
            ShowNothing,
            json!({ "displayName": "x", "rights": ["RIGHT_STAFF_READ"] }),
        ),
        ("/tsunagi.identity.v1.PrincipalService/ListPrincipals", ShowNothing, json!({})),
        ("/tsunagi.identity.v1.PrincipalService/RevokePrincipal", NotFind, json!({ "principalId": principal })),
        (
            "/tsunagi.identity.v1.PrincipalService/RegisterAssertionKey",
            NotFind,
            json!({ "principalId": principal, "key": { "keyId": "k", "publicKey": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=" } }),
        ),
        (
            "/tsunagi.identity.v1.PrincipalService/RemoveAssertionKey",
            NotFind,
            json!({ "principalId": principal, "keyId": "booking-1" }),
        ),
        (
            "/tsunagi.identity.v1.StaffService/CreateOrganization",
            ShowNothing,
            json!({ "organization": { "displayName": "x" } }),
        ),
        ("/tsunagi.identity.v1.StaffService/GetOrganization", NotFind, json!({ "organizationId": organization })),
        ("/tsunagi.identity.v1.StaffService/ListOrganizations", ShowNothing, json!({})),
        (
            "/tsunagi.identity.v1.StaffService/UpdateOrganization",
            NotFind,
            json!({ "organization": { "organizationId": organization, "displayName": "y" }, "updateMask": "displayName" }),
        ),
        (
            "/tsunagi.identity.v1.StaffService/CreateStaffMember",
            NotFind,
            json!({ "staffMember": { "displayName": "x", "active": true, "organizationIds": [organization] } }),
        ),
        ("/tsunagi.identity.v1.StaffService/GetStaffMember", NotFind, json!({ "staffId": staff })),
        ("/tsunagi.identity.v1.StaffService/ListStaffMembers", ShowNothing, json!({})),
        ("/tsunagi.identity.v1.StaffService/CreateStaffInvitation", NotFind, json!({ "staffId": staff })),
        ("/tsunagi.identity.v1.StaffService/ListStaffInvitations", NotFind, json!({ "staffId": staff })),
        (
            "/tsunagi.identity.v1.StaffService/RevokeStaffInvitation",
            NotFind,
            json!({ "staffInvitationId": staff_invitation }),
        ),
        ("/tsunagi.identity.v1.StaffService/UnbindStaffLine", NotFind, json!({ "staffId": staff })),
        (
            "/tsunagi.identity.v1.StaffService/UpdateStaffMember",
            NotFind,
            json!({ "staffMember": { "staffId": staff, "displayName": "佐藤 美咲" }, "updateMask": "displayName" }),
        ),
        (
            "/tsunagi.identity.v1.StaffAccountService/SetStaffAccountShare",
            BeDenied,
            json!({ "homeTenantId": organization, "accountId": account, "monthlyPushLimit": 1 }),
        ),
        ("/tsunagi.identity.v1.StaffAccountService/EndStaffAccountShare", BeDenied, json!({})),
        ("/tsunagi.identity.v1.StaffAccountService/GetStaffAccountShare", NotFind, json!({})),
        ("/tsunagi.identity.v1.StaffAccountService/UseStaffAccountShare", NotFind, json!({})),
        ("/tsunagi.identity.v1.StaffAccountService/LeaveStaffAccountShare", NotFind, json!({})),
        (
            "/tsunagi.identity.v1.AccountService/CreateProvider",
            ShowNothing,
            json!({ "provider": { "displayName": "x" } }),
        ),
        ("/tsunagi.identity.v1.AccountService/GetProvider", NotFind, json!({ "providerId": provider })),
        ("/tsunagi.identity.v1.AccountService/ListProviders", ShowNothing, json!({})),
        (
            "/tsunagi.identity.v1.AccountService/UpdateProvider",
            NotFind,
            json!({ "provider": { "providerId": provider, "displayName": "y" }, "updateMask": "displayName" }),
        ),
        (
            "/tsunagi.identity.v1.AccountService/CreateOfficialAccount",
            NotFind,
            json!({ "account": { "providerId": provider, "channelId": "1234567890" } }),
        ),
        ("/tsunagi.identity.v1.AccountService/GetOfficialAccount", NotFind, json!({ "accountId": account })),
        ("/tsunagi.identity.v1.AccountService/ListOfficialAccounts", ShowNothing, json!({})),
        (
            "/tsunagi.identity.v1.AccountService/UpdateOfficialAccount",
            NotFind,
            json!({ "account": { "accountId": account, "displayName": "y" }, "updateMask": "displayName" }),
        ),
        (
            "/tsunagi.identity.v1.AccountService/SetChannelSecret",
            NotFind,
            json!({ "accountId": account, "channelSecret": "0123456789abcdef0123456789abcdef" }),
        ),
        (
            "/tsunagi.identity.v1.AccountService/SetChannelCredential",
            NotFind,
            json!({ "accountId": account, "credential": { "longLivedToken": "x" } }),
        ),
        ("/tsunagi.identity.v1.AccountService/RotateWebhookKey", NotFind, json!({ "accountId": account })),
        ("/tsunagi.identity.v1.AccountService/ConnectOfficialAccount", NotFind, json!({ "accountId": account })),
        ("/tsunagi.identity.v1.AccountService/PauseOfficialAccount", NotFind, json!({ "accountId": account })),
        ("/tsunagi.identity.v1.FriendService/GetFriend", NotFind, json!({ "accountId": account, "friendId": friend })),
        (
            "/tsunagi.identity.v1.FriendService/UpdateFriend",
            NotFind,
            json!({ "friend": { "accountId": account, "friendId": friend, "attributes": { "prefecture": "東京都" } } }),
        ),
        ("/tsunagi.identity.v1.FriendService/ListFriends", NotFind, json!({ "accountId": account })),
        ("/tsunagi.identity.v1.FriendService/CountFriends", NotFind, json!({ "accountId": account })),
        (
            "/tsunagi.identity.v1.CustomerService/CreateCustomer",
            NotFind,
            json!({ "customer": { "name": { "family": "山田" }, "organizationId": organization } }),
        ),
        ("/tsunagi.identity.v1.CustomerService/GetCustomer", NotFind, json!({ "customerId": customer })),
        ("/tsunagi.identity.v1.CustomerService/ListCustomers", ShowNothing, json!({})),
        (
            "/tsunagi.identity.v1.CustomerService/UpdateCustomer",
            NotFind,
            json!({ "customer": { "customerId": customer, "birthDate": "1990-01-01" }, "updateMask": "birthDate" }),
        ),
        (
            "/tsunagi.identity.v1.CustomerService/RecordActivity",
            NotFind,
            json!({ "activity": { "customerId": customer, "kind": "ACTIVITY_KIND_RESERVATION", "externalReference": "r-2",
                "state": "ACTIVITY_STATE_ACTIVE", "startTime": "2027-01-01T01:00:00Z" } }),
        ),
        ("/tsunagi.identity.v1.CustomerService/GetActivity", NotFind, json!({ "activityId": activity })),
        ("/tsunagi.identity.v1.CustomerService/ListActivities", NotFind, json!({ "customerId": customer })),
        (
            "/tsunagi.identity.v1.ReplicaService/SnapshotReplicas",
            BeDenied,
            json!({ "kinds": ["REPLICA_KIND_ACCOUNT"] }),
        ),
        ("/tsunagi.identity.v1.RebuildService/PrepareRebuild", BeDenied, json!({ "replayId": replay })),
        (
            "/tsunagi.identity.v1.RebuildService/CheckRebuild",
            BeDenied,
            json!({ "replayId": replay, "webhookEventIds": ["01KE0000000000000000000000"] }),
        ),
        ("/tsunagi.identity.v1.RebuildService/FinishRebuild", BeDenied, json!({ "replayId": replay })),
        (
            "/tsunagi.ingest.v1.ReplayService/StartReplay",
            NotFind,
            json!({ "mode": "REPLAY_MODE_REDRIVE", "accountIds": [account], "validateOnly": true }),
        ),
        ("/tsunagi.ingest.v1.ReplayService/GetReplay", NotFind, json!({ "replayId": replay })),
        ("/tsunagi.ingest.v1.ReplayService/ListReplays", ShowNothing, json!({})),
        ("/tsunagi.ingest.v1.ReplayService/StopReplay", NotFind, json!({ "replayId": replay })),
        ("/tsunagi.messaging.v1.ConversationService/ListConversations", NotFind, json!({ "accountIds": [account] })),
        ("/tsunagi.messaging.v1.ConversationService/ListConversations", NotFind, json!({ "customerId": customer })),
        (
            "/tsunagi.messaging.v1.ConversationService/GetConversation",
            NotFind,
            json!({ "conversationId": conversation }),
        ),
        ("/tsunagi.messaging.v1.ConversationService/ListMessages", NotFind, json!({ "conversationId": conversation })),
        ("/tsunagi.messaging.v1.ConversationService/MarkRead", NotFind, json!({ "conversationId": conversation })),
        (
            "/tsunagi.messaging.v1.ConversationService/PutOffConversation",
            NotFind,
            json!({ "conversationId": conversation }),
        ),
        ("/tsunagi.messaging.v1.ConversationService/ClearPutOff", NotFind, json!({ "conversationId": conversation })),
        ("/tsunagi.messaging.v1.ConversationService/WatchConversations", NotFind, json!({ "accountIds": [account] })),
        (
            "/tsunagi.messaging.v1.MessageService/SendMessage",
            NotFind,
            json!({ "conversationId": conversation, "content": text, "requestId": uuid::Uuid::new_v4() }),
        ),
        ("/tsunagi.messaging.v1.MessageService/GetMessage", NotFind, json!({ "messageId": message })),
        ("/tsunagi.messaging.v1.MessageService/ListOutboundMessages", NotFind, json!({ "accountId": account })),
        (
            "/tsunagi.messaging.v1.MessageService/RescheduleMessage",
            NotFind,
            json!({ "messageId": message, "sendTime": "2027-01-01T01:00:00Z" }),
        ),
        ("/tsunagi.messaging.v1.MessageService/CancelMessage", NotFind, json!({ "messageId": message })),
        (
            "/tsunagi.messaging.v1.MessageService/SettleMessage",
            NotFind,
            json!({ "messageId": message, "arrived": true }),
        ),
        ("/tsunagi.messaging.v1.MessageService/FetchContent", NotFind, json!({ "messageId": picture })),
        ("/tsunagi.messaging.v1.DigestService/ListDigests", NotFind, json!({ "staffId": staff })),
        ("/tsunagi.messaging.v1.DigestService/ListDigests", ShowNothing, json!({})),
        ("/tsunagi.messaging.v1.ReminderService/ListReminders", ShowNothing, json!({ "activityId": activity })),
        ("/tsunagi.messaging.v1.NoticeService/GetNoticeSettings", ShowNothing, json!({})),
        (
            "/tsunagi.messaging.v1.NoticeService/UpdateNoticeSettings",
            ShowNothing,
            json!({ "rules": [{ "kind": "NOTICE_KIND_DIGEST", "line": true, "email": "EMAIL_USE_ALWAYS" }] }),
        ),
        (
            "/tsunagi.messaging.v1.NoticeService/SetNoticeWebhook",
            ShowNothing,
            json!({ "url": "https://hooks.example.com/" }),
        ),
        ("/tsunagi.messaging.v1.NoticeService/RotateNoticeWebhookSecret", ShowNothing, json!({})),
        ("/tsunagi.messaging.v1.NoticeService/DeleteNoticeWebhook", ShowNothing, json!({})),
        ("/tsunagi.messaging.v1.NoticeService/ListNotices", NotFind, json!({ "staffId": staff })),
        ("/tsunagi.messaging.v1.QuotaService/GetQuota", NotFind, json!({ "accountId": account })),
        (
            "/tsunagi.messaging.v1.LineGatewayService/IssueLinkToken",
            BeDenied,
            json!({ "accountId": account, "lineUserId": line_user }),
        ),
        (
            "/tsunagi.messaging.v1.LineGatewayService/GetProfile",
            BeDenied,
            json!({ "accountId": account, "lineUserId": line_user }),
        ),
        ("/tsunagi.messaging.v1.LineGatewayService/GetBotInfo", BeDenied, json!({ "accountId": account })),
        ("/tsunagi.messaging.v1.LineGatewayService/GetWebhookEndpoint", BeDenied, json!({ "accountId": account })),
        (
            "/tsunagi.messaging.v1.LineGatewayService/SetWebhookEndpoint",
            BeDenied,
            json!({ "accountId": account, "endpoint": "https://example.com/" }),
        ),
        ("/tsunagi.messaging.v1.LineGatewayService/TestWebhookEndpoint", BeDenied, json!({ "accountId": account })),
        ("/tsunagi.messaging.v1.LineGatewayService/ListFollowers", BeDenied, json!({ "accountId": account })),
        (
            "/tsunagi.messaging.v1.LineGatewayService/GetFollowerCount",
            BeDenied,
            json!({ "accountId": account, "date": "2026-04-01" }),
        ),
        (
            "/tsunagi.scheduler.v1.TimerService/CreateTimers",
            ShowNothing,
            json!({ "owner": "e2e", "timers": [{ "key": "theirs", "dueTime": "2100-01-01T00:00:00Z" }], "replace": true }),
        ),
        ("/tsunagi.scheduler.v1.TimerService/GetTimer", NotFind, json!({ "owner": "e2e", "key": timer })),
        ("/tsunagi.scheduler.v1.TimerService/ListTimers", ShowNothing, json!({ "owner": "e2e" })),
        (
            "/tsunagi.scheduler.v1.TimerService/MoveTimer",
            NotFind,
            json!({ "owner": "e2e", "key": timer, "dueTime": "2100-01-02T00:00:00Z" }),
        ),
        (
            "/tsunagi.scheduler.v1.TimerService/CancelTimers",
            ShowNothing,
            json!({ "owner": "e2e", "keys": { "keys": [timer] } }),
        ),
        ("/tsunagi.scheduler.v1.TimerService/ListMissedTimers", ShowNothing, json!({ "owner": "e2e" })),
        ("/tsunagi.operations.v1.DeadLetterService/ListDeadLetters", ShowNothing, json!({})),
        ("/tsunagi.operations.v1.DeadLetterService/GetDeadLetter", NotFind, json!({ "deadLetterId": dead_letter })),
        ("/tsunagi.operations.v1.DeadLetterService/ReplayDeadLetter", NotFind, json!({ "deadLetterId": dead_letter })),
        ("/tsunagi.operations.v1.DeadLetterService/DropDeadLetter", NotFind, json!({ "deadLetterId": dead_letter })),
    ];
    bodies.extend(archive::bodies(world));
    bodies.extend(quarantine::bodies(world));
    bodies.extend(linking::bodies(world));
    bodies.extend(planning::bodies(world));
    bodies.extend(forwarding::bodies(world));
    bodies
}
