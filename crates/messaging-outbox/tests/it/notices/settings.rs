//! How staff are told, and what became of notices, as callers see both.

use contracts::events::v1::StaffNoticeKind;
use contracts::messaging::v1 as wire;
use tonic::Code;
use tonic_types::StatusExt as _;
use uuid::Uuid;
use wire::{EmailUse, NoticeChannel, NoticeKind, NoticeState};

use super::endpoint::Endpoint;
use super::mail_server::{Act, MailServer};
use super::place::{Office, friends_come, matter, settled};
use crate::house::House;
use crate::world::{Tenant, World};

fn rule(kind: NoticeKind, line: bool, email: EmailUse) -> wire::NoticeRule {
    wire::NoticeRule { kind: kind.into(), line, email: email.into(), webhook: true }
}

async fn update(
    house: &House,
    tenant: &Tenant,
    rules: Vec<wire::NoticeRule>,
    etag: &str,
) -> Result<wire::NoticeSettings, tonic::Status> {
    let request = wire::UpdateNoticeSettingsRequest { rules, etag: etag.to_owned() };
    let answer = house.notices(tenant).update_notice_settings(request).await?;
    Ok(answer.into_inner().notice_settings.unwrap())
}

async fn get(house: &House, tenant: &Tenant) -> wire::NoticeSettings {
    let answer = house.notices(tenant).get_notice_settings(wire::GetNoticeSettingsRequest {}).await.unwrap();
    answer.into_inner().notice_settings.unwrap()
}

async fn list(
    house: &House,
    tenant: &Tenant,
    request: wire::ListNoticesRequest,
) -> Result<wire::ListNoticesResponse, tonic::Status> {
    Ok(house.notices(tenant).list_notices(request).await?.into_inner())
}

#[tokio::test]
async fn rules_are_set_kind_by_kind_and_what_is_wrong_with_them_is_named() {
    let world = World::new("notice_rules").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let usual = get(&house, &tenant).await;
    assert_eq!(usual.rules.len(), 6);
    assert!(usual.rules.iter().all(|rule| rule.line && rule.webhook && rule.email() == EmailUse::WithoutLine));
    assert_eq!(usual.webhook, None);

    let digest = rule(NoticeKind::Digest, false, EmailUse::Always);
    let changed = update(&house, &tenant, vec![digest], &usual.etag).await.unwrap();
    assert_eq!(changed.rules[0], digest);
    assert_eq!(changed.rules[1..], usual.rules[1..]);
    assert_ne!(changed.etag, usual.etag);
    assert_eq!(get(&house, &tenant).await, changed);
    let stale = update(&house, &tenant, vec![digest], &usual.etag).await.unwrap_err();
    assert_eq!(
        (stale.code(), stale.get_details_error_info().unwrap().reason.as_str()),
        (Code::Aborted, "ETAG_MISMATCH")
    );

    let good = rule(NoticeKind::Digest, true, EmailUse::Never);
    for (rules, field) in [
        (vec![], "rules"),
        (vec![wire::NoticeRule { kind: 0, ..good }], "rules[0].kind"),
        (vec![good, wire::NoticeRule { kind: 99, ..good }], "rules[1].kind"),
        (vec![good, good], "rules[1].kind"),
        (vec![wire::NoticeRule { email: 0, ..good }], "rules[0].email"),
        (vec![good; 7], "rules"),
    ] {
        let status = update(&house, &tenant, rules, "").await.unwrap_err();
        let violations = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!((status.code(), violations[0].field.as_str()), (Code::InvalidArgument, field));
    }
    assert_eq!(get(&house, &tenant).await, changed, "nothing of it was kept");

    let both = [true, false]
        .map(|line| update(&house, &tenant, vec![rule(NoticeKind::LinkHeld, line, EmailUse::Never)], &changed.etag));
    let both = futures::future::join_all(both).await;
    assert_eq!(both.iter().filter(|one| one.is_ok()).count(), 1, "of two changes of one version one is made");
    house.close().await;
}

#[tokio::test]
async fn a_rule_says_by_which_channels_its_kind_goes() {
    let world = World::new("notice_channels").await;
    let server = MailServer::start(&[Act::Take]).await;
    let house = world.open_with(|config| config.mail = Some(server.config())).await;
    let tenant = world.tenant(&house).await;
    let office = Office::open(&world, &tenant).await;
    let member = office.member(&world, &tenant, office.branch, true).await;
    member.contact(&world, &tenant, 2, office.account, &member.line_user, "sato@shop.example").await;
    let rules = vec![
        rule(NoticeKind::FriendAdded, false, EmailUse::Always),
        rule(NoticeKind::LinkHeld, true, EmailUse::Always),
        rule(NoticeKind::ChatModeOn, false, EmailUse::Never),
    ];
    update(&house, &tenant, rules, "").await.unwrap();
    for kind in [StaffNoticeKind::FriendAdded, StaffNoticeKind::LinkHeld, StaffNoticeKind::ChatModeOn] {
        world.say(&tenant, matter(Uuid::new_v4(), kind, Some(office.branch), &tenant)).await;
    }
    settled(&house, &tenant, NoticeChannel::Email, 2).await;
    settled(&house, &tenant, NoticeChannel::Line, 1).await;
    let channels = |kind: NoticeKind| {
        let (house, tenant) = (&house, &tenant);
        async move {
            let request = wire::ListNoticesRequest { kind: kind.into(), ..Default::default() };
            let notices = list(house, tenant, request).await.unwrap().notices;
            assert_eq!(notices.len(), 1);
            notices[0].deliveries.iter().map(|one| (one.channel(), one.state())).collect::<Vec<_>>()
        }
    };
    let delivered = |channel| (channel, NoticeState::Delivered);
    assert_eq!(channels(NoticeKind::FriendAdded).await, [delivered(NoticeChannel::Email)]);
    let both = [delivered(NoticeChannel::Line), delivered(NoticeChannel::Email)];
    assert_eq!(channels(NoticeKind::LinkHeld).await, both);
    assert_eq!(channels(NoticeKind::ChatModeOn).await, []);
    assert_eq!((server.letters().len(), office.pushed(&world).await.len()), (2, 1));
    house.close().await;
}

#[tokio::test]
async fn notices_are_listed_by_member_kind_and_state_and_of_no_other_tenant() {
    let world = World::new("notice_list").await;
    let endpoint = Endpoint::start(&[200]).await;
    let house = world.open_with(|config| config.egress = endpoint.egress("127.0.0.1")).await;
    let (tenant, other) = (world.tenant(&house).await, world.tenant(&house).await);
    let office = Office::open(&world, &tenant).await;
    let first = office.member(&world, &tenant, office.branch, true).await;
    let second = office.member(&world, &tenant, office.branch, true).await;
    second.contact(&world, &tenant, 2, office.account, "", "").await;
    friends_come(&world, &tenant, &office, 3).await;
    settled(&house, &tenant, NoticeChannel::Line, 6).await;

    let of = |request| list(&house, &tenant, request);
    let all = of(wire::ListNoticesRequest::default()).await.unwrap();
    assert_eq!((all.notices.len(), all.next_page_token.as_str()), (6, ""));
    let mut paged = Vec::new();
    let mut page_token = String::new();
    loop {
        let page = of(wire::ListNoticesRequest { page_size: 2, page_token, ..Default::default() }).await.unwrap();
        paged.extend(page.notices);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(paged, all.notices);
    let firsts = of(wire::ListNoticesRequest { staff_id: first.id.to_string(), ..Default::default() }).await.unwrap();
    assert!(firsts.notices.len() == 3 && firsts.notices.iter().all(|one| one.staff_id == first.id.to_string()));
    let state = |state: NoticeState| wire::ListNoticesRequest { state: state.into(), ..Default::default() };
    let unreached = of(state(NoticeState::NoChannel)).await.unwrap().notices;
    assert!(unreached.len() == 3 && unreached.iter().all(|one| one.staff_id == second.id.to_string()));
    assert_eq!(of(state(NoticeState::Pending)).await.unwrap().notices.len(), 0);
    let held = wire::ListNoticesRequest { kind: NoticeKind::LinkHeld.into(), ..Default::default() };
    assert_eq!(of(held).await.unwrap().notices.len(), 0);

    // A staff member who is no administrator: the tenant's own is one, until it is said otherwise.
    let (at, of_tenant) = (&house, &tenant);
    let as_staff = |request: wire::ListNoticesRequest| async move {
        at.notices(of_tenant).list_notices(of_tenant.as_staff(request)).await
    };
    let seen = as_staff(wire::ListNoticesRequest::default()).await.unwrap().into_inner().notices;
    assert_eq!(seen.len(), 6, "an administrator sees all");
    world.admin("UPDATE messaging.staff_replica SET administrator = false, changed = pg_current_xact_id()").await;
    testkit::eventually(crate::world::SOON, || async {
        let seen = as_staff(wire::ListNoticesRequest::default()).await.unwrap().into_inner().notices;
        if seen.is_empty() { Ok(()) } else { Err(seen.len()) }
    })
    .await
    .unwrap();
    let anothers = wire::ListNoticesRequest { staff_id: first.id.to_string(), ..Default::default() };
    assert_eq!(as_staff(anothers).await.unwrap_err().code(), Code::NotFound);

    for (request, field) in [
        (wire::ListNoticesRequest { staff_id: "x".to_owned(), ..Default::default() }, "staff_id"),
        (wire::ListNoticesRequest { kind: 99, ..Default::default() }, "kind"),
        (wire::ListNoticesRequest { state: -1, ..Default::default() }, "state"),
        (wire::ListNoticesRequest { page_size: -1, ..Default::default() }, "page_size"),
        (wire::ListNoticesRequest { page_token: "x".to_owned(), ..Default::default() }, "page_token"),
    ] {
        let status = of(request).await.unwrap_err();
        assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, field);
    }

    house.notices(&tenant).set_notice_webhook(wire::SetNoticeWebhookRequest { url: endpoint.url() }).await.unwrap();
    assert_eq!(list(&house, &other, wire::ListNoticesRequest::default()).await.unwrap().notices.len(), 0);
    let theirs = wire::ListNoticesRequest { staff_id: first.id.to_string(), ..Default::default() };
    assert_eq!(list(&house, &other, theirs).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(get(&house, &other).await.webhook, None);
    let rotate = house.notices(&other).rotate_notice_webhook_secret(wire::RotateNoticeWebhookSecretRequest {}).await;
    assert_eq!(rotate.unwrap_err().code(), Code::NotFound);
    let delete = house.notices(&other).delete_notice_webhook(wire::DeleteNoticeWebhookRequest {}).await;
    assert_eq!(delete.unwrap_err().code(), Code::NotFound);
    assert!(get(&house, &tenant).await.webhook.is_some());
    house.close().await;
}
