//! F-35, F-39, D-7: whether a customer's LINE tab opens.

use std::sync::Arc;

use chrono::{Days, TimeDelta, Utc};
use contracts::events::v1::Assurance;
use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::*;
use kernel::{Clock as _, ManualClock, SystemClock};
use prost_types::FieldMask;

use super::stage::{HANAKO, MOBILE, Stage, person};
use crate::friend::user;
use crate::house::House;

async fn plan(stage: &Stage, plan: Plan, premium_from: &str) {
    let tenant = Tenant {
        tenant_id: stage.tenant.to_string(),
        plan: plan.into(),
        line_tab_premium_from: premium_from.to_owned(),
        ..Tenant::default()
    };
    let paths = ["plan", "line_tab_premium_from"].map(str::to_owned).to_vec();
    let request = UpdateTenantRequest { tenant: Some(tenant), update_mask: Some(FieldMask { paths }) };
    stage.at().tenants().update_tenant(request).await.unwrap();
}

#[tokio::test]
async fn the_tab_opens_by_plan_and_date_and_by_how_sure_the_link_is() {
    let stage = Stage::open("tab").await;
    let customer = stage.customer(HANAKO, MOBILE).await;
    let nonce = stage.inquire(&person(1), HANAKO).await;
    stage.confirm(&person(1), &nonce).await;
    let tab = async || stage.standing(&customer).await.tab();
    assert_eq!(tab().await, LineTab::Open, "by a name alone, as the policy is at first");
    let today = SystemClock.now().with_timezone(&Utc).date_naive();
    let (past, future) = (today - Days::new(3), today + Days::new(3));
    plan(&stage, Plan::Basic, &future.to_string()).await;
    assert_eq!(tab().await, LineTab::Open);
    plan(&stage, Plan::Basic, &past.to_string()).await;
    assert_eq!(tab().await, LineTab::Plan);
    let closed = stage.standing(&customer).await;
    assert!(closed.linked, "the mark stays");
    assert!(closed.tab_reason_ja.contains("プレミアムプラン") && closed.tab_reason_ja.contains("日から"));
    assert!(closed.tab_reason_en.starts_with(&format!("Since {past}")));
    plan(&stage, Plan::Premium, &past.to_string()).await;
    assert_eq!(tab().await, LineTab::Open);
    assert_eq!(stage.standing(&customer).await.tab_reason_ja, "");

    let least = LeastAssurance { chat: Assurance::Proven.into(), ..LeastAssurance::default() };
    stage.policy(LinkPolicy { least_assurance: Some(least), ..LinkPolicy::default() }).await;
    assert_eq!(tab().await, LineTab::AssuranceTooLow);
    let link = stage.links_of(&person(1)).await.remove(0);
    let vouch = ConfirmLinkRequest { link_id: link.link_id, note: "会員証で確認".to_owned(), etag: link.etag };
    let vouched = stage.at().links().confirm_link(vouch).await.unwrap().into_inner().link.unwrap();
    assert_eq!((vouched.assurance(), &*vouched.note), (Assurance::Proven, "会員証で確認"));
    assert_eq!(tab().await, LineTab::Open);
    assert_eq!(stage.told_links().await.pop().unwrap().assurance(), Assurance::Proven);
    let link_id = vouched.link_id;
    stage.at().links().end_link(EndLinkRequest { link_id, note: "x".to_owned(), etag: String::new() }).await.unwrap();
    assert_eq!(tab().await, LineTab::NotLinked);
}

#[tokio::test]
async fn the_tab_closes_at_the_first_instant_of_the_day_where_the_tenant_lives_and_opens_at_once_by_upgrading() {
    let clock = ManualClock::at(SystemClock.now());
    let stage = Stage::in_house(House::open_by("tab_instant", Arc::new(clock.clone())).await).await;
    let customer = stage.customer(HANAKO, MOBILE).await;
    stage.link(&person(1), HANAKO, MOBILE).await;
    let tab = async || stage.standing(&customer).await.tab();
    // What the other services go by.
    let told = async || {
        let told = stage.house.told(Some(stage.tenant)).await.into_iter().rev();
        let mut of_tenant = told.filter_map(|body| if let Body::Tenant(told) = body { Some(told) } else { None });
        of_tenant.next().unwrap().line_tab_close_time.map(|time| contracts::to_timestamp(&time).unwrap())
    };
    // In Tokyo the day begins at 15:00 UTC of the day before.
    let day = SystemClock.now().date_naive() + Days::new(2);
    let begins = day.and_hms_opt(0, 0, 0).unwrap().and_utc() - TimeDelta::hours(9);
    plan(&stage, Plan::Basic, &day.to_string()).await;
    assert_eq!(told().await, Some(begins));
    clock.set(begins - TimeDelta::microseconds(1));
    assert_eq!(tab().await, LineTab::Open);
    clock.set(begins);
    assert_eq!(tab().await, LineTab::Plan);
    plan(&stage, Plan::Premium, &day.to_string()).await;
    assert_eq!((tab().await, told().await), (LineTab::Open, None));
    plan(&stage, Plan::Basic, &day.to_string()).await;
    assert_eq!(tab().await, LineTab::Plan);
    plan(&stage, Plan::Basic, "").await;
    assert_eq!(tab().await, LineTab::Open, "a tenant without a day keeps it");
}

#[tokio::test]
async fn lines_own_chat_closes_the_tab_where_no_account_is_left_to_talk_by() {
    let stage = Stage::open("tab_chat").await;
    let customer = stage.customer(HANAKO, MOBILE).await;
    stage.link(&person(1), HANAKO, MOBILE).await;
    let tab = async || stage.standing(&customer).await.tab();
    let second = stage.house.registered(stage.tenant, &stage.provider, &user(200)).await;
    stage.house.messaging.bot(&second.to_string(), &user(200));
    let account_id = second.to_string();
    let connect = ConnectOfficialAccountRequest { account_id: account_id.clone(), webhook_endpoint: String::new() };
    stage.at().accounts().connect_official_account(connect.clone()).await.unwrap();
    stage
        .alter(
            "UPDATE identity.official_account SET chat_mode = 'chat', chat_mode_time = now()
             WHERE account_id = (SELECT account_id FROM identity.friendship)",
        )
        .await;
    let heard = async |kind: &'static str, who: u32| {
        stage.send_as(second, &[stage.event(kind, &person(who), stage.moment(), "")], false).await;
    };
    assert_eq!(tab().await, LineTab::ChatModeOn);
    heard("follow", 2).await;
    assert_eq!(tab().await, LineTab::ChatModeOn, "whom else the other account knows does not matter");
    heard("follow", 1).await;
    assert_eq!(tab().await, LineTab::Open, "by the other account");
    heard("unfollow", 1).await;
    assert_eq!(tab().await, LineTab::ChatModeOn, "which the LINE user blocked");
    heard("follow", 1).await;
    assert_eq!(tab().await, LineTab::Open);
    stage.at().accounts().pause_official_account(PauseOfficialAccountRequest { account_id }).await.unwrap();
    assert_eq!(tab().await, LineTab::ChatModeOn, "which is switched off");
    stage.at().accounts().connect_official_account(connect).await.unwrap();
    assert_eq!(tab().await, LineTab::Open);
}
