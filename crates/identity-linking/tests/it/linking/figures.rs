//! F-114 and the policy itself.

use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{Assurance, LinkPolicyReplica};
use contracts::identity::v1::*;
use prost_types::FieldMask;
use tonic::Code;

use super::stage::{HANAKO, MOBILE, OTHER_MOBILE, Stage, person};
use crate::refused::{fields, reason};

#[tokio::test]
async fn how_many_are_linked_and_what_became_of_attempts_is_counted() {
    let stage = Stage::open("figures").await;
    let get = async |account: &str| {
        let request = GetLinkFiguresRequest { account_id: account.to_owned(), start_time: None };
        stage.at().links().get_link_figures(request).await.unwrap().into_inner()
    };
    assert_eq!(get("").await, GetLinkFiguresResponse::default(), "of nobody, nobody is linked");
    for name in [HANAKO, ("鈴木", "一郎"), ("佐藤", "二郎")] {
        stage.customer(name, MOBILE).await;
    }
    let follows = [1, 2].map(|who| stage.event("follow", &person(who), stage.moment(), ""));
    stage.send(&follows).await;
    stage.link(&person(1), HANAKO, MOBILE).await;
    stage.link(&person(2), HANAKO, MOBILE).await;
    stage.link(&person(2), HANAKO, MOBILE).await;
    stage.link(&person(3), HANAKO, OTHER_MOBILE).await;
    let figures = get(&stage.account.to_string()).await;
    let counts = (figures.customers, figures.linked_customers, figures.friends, figures.linked_friends);
    assert_eq!(counts, (4, 2, 2, 1));
    assert_eq!((figures.customer_link_rate, figures.friend_link_rate), (50.0, 50.0));
    let attempts: Vec<_> = figures.attempts.iter().map(|one| (&*one.outcome, &*one.reason, one.count)).collect();
    assert_eq!(
        attempts,
        [("REFUSED", "CUSTOMER_HAS_OTHER_LINE_USER", 2), ("CREATED_NEW", "PHONE_MISMATCH", 1), ("LINKED", "NONE", 1)]
    );
    assert!(figures.attempts.iter().all(|one| one.method == "LINK_FORM"));
    assert_eq!(get("").await, figures);
    let soon = prost_types::Timestamp { seconds: 4_000_000_000, nanos: 0 };
    let wrong = GetLinkFiguresRequest { account_id: "x".to_owned(), start_time: Some(soon) };
    assert_eq!(fields(stage.at().links().get_link_figures(wrong).await), ["account_id", "start_time"]);
}

#[tokio::test]
async fn what_ended_was_absorbed_is_blocked_older_or_another_accounts_is_not_counted() {
    let mut stage = Stage::open("figures_not").await;
    let get = async |stage: &Stage, account_id: &str, start_time: Option<prost_types::Timestamp>| {
        let request = GetLinkFiguresRequest { account_id: account_id.to_owned(), start_time };
        stage.at().links().get_link_figures(request).await.unwrap().into_inner()
    };
    let counts = |figures: &GetLinkFiguresResponse| {
        (figures.customers, figures.linked_customers, figures.friends, figures.linked_friends)
    };
    let first = stage.account;
    stage.customer(HANAKO, MOBILE).await;
    let follows = [1, 2, 3].map(|who| stage.event("follow", &person(who), stage.moment(), ""));
    stage.send(&follows).await;
    stage.send(&[stage.event("unfollow", &person(3), stage.moment(), "")]).await;
    stage.link(&person(1), HANAKO, OTHER_MOBILE).await;
    stage.link(&person(1), HANAKO, MOBILE).await;
    assert_eq!(counts(&get(&stage, "", None).await), (1, 1, 2, 1), "the provisional one was absorbed");
    stage.link(&person(2), ("鈴木", "一郎"), OTHER_MOBILE).await;
    stage.send(&[stage.tapped(&person(2), stage.moment(), "unlink:yes")]).await;
    assert_eq!(counts(&get(&stage, "", None).await), (2, 1, 2, 1), "one is linked no more");

    stage.alter("UPDATE identity.link_attempt SET decide_time = decide_time - interval '40 days'").await;
    let second = stage.house.account(stage.tenant, &crate::friend::user(201)).await.1;
    stage.account = second;
    stage.send(&[stage.event("follow", &person(4), stage.moment(), "")]).await;
    stage.link(&person(4), ("佐藤", "二郎"), "070-1234-5678").await;
    let attempts = |figures: &GetLinkFiguresResponse| figures.attempts.iter().map(|one| one.count).sum::<i64>();
    let before = kernel::Clock::now(&kernel::SystemClock) - chrono::TimeDelta::days(41);
    let before = prost_types::Timestamp { seconds: before.timestamp(), nanos: 0 };
    for (account, friends, recent, all) in
        [(String::new(), (3, 2), 1, 4), (first.to_string(), (2, 1), 0, 3), (second.to_string(), (1, 1), 1, 1)]
    {
        let (now, since) = (get(&stage, &account, None).await, get(&stage, &account, Some(before)).await);
        assert_eq!((now.friends, now.linked_friends), friends, "{account}");
        assert_eq!((attempts(&now), attempts(&since)), (recent, all), "{account}");
    }
    // A customer whom a LINE user of each provider is linked to is one.
    let linked = get(&stage, "", None).await.linked_customers;
    stage.link(&person(5), HANAKO, MOBILE).await;
    assert_eq!(stage.active().await, linked + 1);
    assert_eq!(get(&stage, "", None).await.linked_customers, linked);
}

#[tokio::test]
async fn a_policy_is_the_default_until_it_is_changed_field_by_field() {
    let stage = Stage::open("policy").await;
    let get = async || {
        let got = stage.at().policies().get_link_policy(GetLinkPolicyRequest {}).await;
        got.unwrap().into_inner().link_policy.unwrap()
    };
    let first = get().await;
    assert_eq!((first.on_no_match(), first.on_first_message()), (OnNoMatch::Create, OnFirstMessage::AskToLink));
    let least = first.least_assurance.unwrap();
    assert_eq!(
        (least.chat(), least.reminder(), least.personal()),
        (Assurance::Name, Assurance::NameAndMobile, Assurance::Proven)
    );
    stage.hold().await;
    let changed = get().await;
    assert_eq!(
        changed,
        LinkPolicy { on_no_match: OnNoMatch::Hold.into(), etag: changed.etag.clone(), ..first.clone() }
    );
    let update = |policy: LinkPolicy, paths: &[&str]| {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let request = UpdateLinkPolicyRequest { link_policy: Some(policy), update_mask: Some(FieldMask { paths }) };
        let mut policies = stage.at().policies();
        async move { policies.update_link_policy(request).await }
    };
    let stale = LinkPolicy { on_no_match: OnNoMatch::Create.into(), etag: first.etag, ..LinkPolicy::default() };
    assert_eq!(reason(update(stale, &["on_no_match"]).await), (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    let wrong = LinkPolicy { on_no_match: 99, ..LinkPolicy::default() };
    assert_eq!(
        fields(update(wrong, &["on_no_match", "on_first_message", "least_assurance.chat"]).await),
        ["link_policy.on_no_match", "link_policy.on_first_message", "link_policy.least_assurance.chat"]
    );
    assert_eq!(get().await, changed);

    // What others decide by is told to them, and stands in a snapshot.
    let least = LeastAssurance { reminder: Assurance::Proven.into(), ..LeastAssurance::default() };
    let stricter = LinkPolicy { least_assurance: Some(least), ..LinkPolicy::default() };
    update(stricter, &["least_assurance.reminder"]).await.unwrap();
    let told = stage.house.told(Some(stage.tenant)).await.into_iter().filter_map(|body| match body {
        Body::LinkPolicy(policy) => Some((policy.version, policy.least_reminder_assurance())),
        _ => None,
    });
    let told: Vec<(i64, Assurance)> = told.collect();
    assert_eq!(told, [(1, Assurance::NameAndMobile), (2, Assurance::Proven)]);
    let reader = crate::replica::reader(&stage.house).await;
    let kept = crate::replica::snapshot(&reader, &[ReplicaKind::LinkPolicy], "").await;
    let kept: Vec<_> = kept.iter().map(|(_, body)| body.clone()).collect();
    let wanted = LinkPolicyReplica { version: 2, least_reminder_assurance: Assurance::Proven.into() };
    assert_eq!(kept, [Body::LinkPolicy(wanted)]);
}
