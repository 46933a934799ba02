//! F-35, F-39, D-7: whether a customer's LINE tab opens.

use chrono::{Days, Utc};
use contracts::events::v1::Assurance;
use contracts::identity::v1::*;
use prost_types::FieldMask;

use super::stage::{HANAKO, MOBILE, Stage, person};

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
    let today = kernel::Clock::now(&kernel::SystemClock).with_timezone(&Utc).date_naive();
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
