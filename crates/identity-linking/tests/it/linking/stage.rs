//! A tenant with an account, LINE users who tap and type, and LINE's word about them.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{AnswerRequested, Assurance, LinkReplica};
use contracts::identity::v1::*;
use identity_linking_core::matching::{Case, Refusal, decide};
use kernel::{AccountId, Clock as _, SystemClock, TenantId};
use prost_types::FieldMask;
use sqlx::AssertSqlSafe;
use testkit::eventually;
use url::Url;

use crate::friend::BOT;
use crate::house::{Caller, House, SOON};

pub(crate) const MOBILE: &str = "090-1234-5678";
pub(crate) const OTHER_MOBILE: &str = "080-8765-4321";
/// From where browsers ask, where it does not matter.
const ADDRESS: &str = "192.0.2.1";

/// What LINE's dialog was given.
pub(crate) type Nonce = String;
/// Family and given name.
pub(crate) type Name<'a> = (&'a str, &'a str);

pub(crate) const HANAKO: Name<'static> = ("山田", "花子");

/// The LINE user with a number.
pub(crate) fn person(number: u32) -> String {
    format!("U{number:032x}")
}

pub(crate) struct Stage {
    pub(crate) house: House,
    pub(crate) tenant: TenantId,
    pub(crate) provider: String,
    pub(crate) account: AccountId,
    /// How many events LINE sent.
    sent: AtomicUsize,
    /// The moment of the last event, by LINE's clock.
    clock: AtomicI64,
}

/// A form page in a browser.
pub(crate) struct Form {
    page: Url,
    address: String,
    cookie: String,
    proof: String,
    pub(crate) html: String,
}

/// What a page answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) dialog: Option<Url>,
    pub(crate) html: String,
}

impl Answered {
    pub(crate) fn nonce(&self) -> Nonce {
        let dialog = self.dialog.as_ref().unwrap_or_else(|| panic!("{self:?}"));
        nonce_in(dialog.as_str())
    }
}

/// The nonce in the address of LINE's dialog.
pub(crate) fn nonce_in(dialog: &str) -> Nonce {
    let dialog = Url::parse(dialog).unwrap();
    assert_eq!((dialog.host_str(), dialog.path()), (Some("access.line.example"), "/dialog/bot/accountLink"));
    dialog.query_pairs().find(|(name, _)| name == "nonce").unwrap().1.into_owned()
}

fn browser() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

impl Form {
    /// Sends what was typed.
    pub(crate) async fn submit(&self, fields: &[(&str, &str)]) -> Answered {
        self.try_submit(fields).await.unwrap()
    }

    /// The same, where nobody may answer.
    pub(crate) async fn try_submit(&self, fields: &[(&str, &str)]) -> reqwest::Result<Answered> {
        let mut fields = fields.to_vec();
        fields.push(("proof", &self.proof));
        let request = browser().post(self.page.clone()).header("cookie", &self.cookie);
        let answer = request.header("x-forwarded-for", &self.address).form(&fields).send().await?;
        let dialog = answer.headers().get("location").map(|to| to.to_str().unwrap().parse().unwrap());
        Ok(Answered { status: answer.status().as_u16(), dialog, html: answer.text().await? })
    }
}

impl Stage {
    pub(crate) async fn open(hint: &str) -> Self {
        Self::in_house(House::open(hint).await).await
    }

    pub(crate) async fn in_house(house: House) -> Self {
        let tenant = house.tenant().await;
        let (provider, account) = house.account(tenant, BOT).await;
        let clock = AtomicI64::new(SystemClock.now().timestamp_millis());
        Self { house, tenant, provider, account, sent: AtomicUsize::new(0), clock }
    }

    pub(crate) fn at(&self) -> Caller {
        self.house.at(self.tenant)
    }

    /// LINE's clock, in milliseconds; it never tells the same moment twice.
    pub(crate) fn moment(&self) -> i64 {
        let now = SystemClock.now().timestamp_millis();
        self.clock.fetch_max(now, Ordering::Relaxed);
        self.clock.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// An event of a user at a moment, with what it holds beside.
    pub(crate) fn event(&self, kind: &'static str, user: &str, at: i64, more: &str) -> (&'static str, String) {
        let source = format!(r#""source":{{"type":"user","userId":"{user}"}}"#);
        let account = self.account;
        (kind, format!(r#"{{"type":"{kind}","mode":"active","timestamp":{at},{source}{more},"x":"{account}"}}"#))
    }

    pub(crate) fn tapped(&self, user: &str, at: i64, data: &str) -> (&'static str, String) {
        self.event("postback", user, at, &format!(r#","postback":{{"data":"tsunagi:{data}"}}"#))
    }

    pub(crate) fn wrote(&self, user: &str) -> (&'static str, String) {
        self.event("message", user, self.moment(), r#","message":{"id":"1","type":"text","text":"a"}"#)
    }

    /// LINE's word that a user confirmed.
    pub(crate) fn confirmed(&self, user: &str, at: i64, nonce: &str) -> (&'static str, String) {
        self.event("accountLink", user, at, &format!(r#","link":{{"result":"ok","nonce":"{nonce}"}}"#))
    }

    /// LINE's word that somebody failed.
    pub(crate) fn failed(&self, nonce: &str) -> (&'static str, String) {
        let at = self.moment();
        let link = format!(r#""link":{{"result":"failed","nonce":"{nonce}"}}"#);
        ("accountLink", format!(r#"{{"type":"accountLink","mode":"active","timestamp":{at},{link}}}"#))
    }

    /// Sends events that nobody handles yet; the next ones that are sent are waited for with them.
    pub(crate) async fn leave(&self, events: &[(&'static str, String)]) {
        self.house.webhooks(self.tenant, self.account, events).await;
        self.sent.fetch_add(events.len(), Ordering::Relaxed);
    }

    /// Sends events, and waits until they were handled.
    pub(crate) async fn send(&self, events: &[(&'static str, String)]) {
        self.send_as(self.account, events, false).await;
    }

    pub(crate) async fn send_as(&self, account: AccountId, events: &[(&'static str, String)], effects_off: bool) {
        self.house.webhooks_as(self.tenant, account, events, effects_off).await;
        let sent = self.sent.fetch_add(events.len(), Ordering::Relaxed) + events.len();
        let admin = self.house.admin().await;
        let waits = "SELECT count(*) FROM identity.parked_message WHERE gave_up_at IS NULL";
        // Many take longer, where they wait for each other.
        let many = Duration::from_millis(500) * u32::try_from(events.len()).unwrap();
        eventually(SOON + many, || async {
            let taken: i64 = sqlx::query_scalar("SELECT count(*) FROM identity.inbox").fetch_one(&admin).await.unwrap();
            let parked: i64 = sqlx::query_scalar(waits).fetch_one(&admin).await.unwrap();
            if usize::try_from(taken).unwrap() >= sent && parked == 0 { Ok(()) } else { Err((taken, parked, sent)) }
        })
        .await
        .unwrap();
    }

    /// What a user was told in the chat, the latest last.
    pub(crate) async fn answers(&self, user: &str) -> Vec<AnswerRequested> {
        let told = self.house.told(Some(self.tenant)).await.into_iter();
        let answers = told.filter_map(|body| if let Body::AnswerRequested(one) = body { Some(one) } else { None });
        answers.filter(|one| one.line_user_id == user).collect()
    }

    /// What the other services were told of links.
    pub(crate) async fn told_links(&self) -> Vec<LinkReplica> {
        let told = self.house.told(Some(self.tenant)).await.into_iter();
        told.filter_map(|body| if let Body::Link(link) = body { Some(link) } else { None }).collect()
    }

    /// Taps a button, and takes the form token out of the card that comes.
    pub(crate) async fn tap(&self, user: &str, data: &str) -> String {
        self.send(&[self.tapped(user, self.moment(), data)]).await;
        let card = self.answers(user).await.pop().expect("a card");
        token_in(&card)
    }

    /// Opens the form of a token.
    pub(crate) async fn look(&self, token: &str) -> Form {
        self.look_from(ADDRESS, token).await
    }

    pub(crate) async fn look_from(&self, address: &str, token: &str) -> Form {
        let page = self.house.pages_url().join(&format!("/f/{token}")).unwrap();
        let shown = browser().get(page.clone()).header("x-forwarded-for", address).send().await.unwrap();
        assert_eq!(shown.status().as_u16(), 200);
        let cookie = shown.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let html = shown.text().await.unwrap();
        let proof = html.split(r#"name="proof" value=""#).nth(1).unwrap().split('"').next().unwrap().to_owned();
        Form { page, address: address.to_owned(), cookie, proof, html }
    }

    /// Taps 「予約を確認する」, types, and is led to LINE's dialog.
    pub(crate) async fn ask(&self, user: &str, name: Name<'_>, mobile: &str) -> Nonce {
        let token = self.tap(user, "reservations").await;
        let fields = [("family", name.0), ("given", name.1), ("mobile", mobile)];
        self.look(&token).await.submit(&fields).await.nonce()
    }

    /// Taps 「お問い合わせ」, types, and is led to LINE's dialog.
    pub(crate) async fn inquire(&self, user: &str, name: Name<'_>) -> Nonce {
        let token = self.tap(user, "inquiry").await;
        let fields = [("family", name.0), ("given", name.1), ("text", "明日は空いていますか")];
        self.look(&token).await.submit(&fields).await.nonce()
    }

    /// LINE says that a user confirmed; what was decided.
    pub(crate) async fn confirm(&self, user: &str, nonce: &str) -> LinkAttempt {
        self.send(&[self.confirmed(user, self.moment(), nonce)]).await;
        self.attempt_of(user).await
    }

    /// Asks by the link form, and confirms.
    pub(crate) async fn link(&self, user: &str, name: Name<'_>, mobile: &str) -> LinkAttempt {
        let nonce = self.ask(user, name, mobile).await;
        self.confirm(user, &nonce).await
    }

    pub(crate) async fn friend(&self, user: &str) -> String {
        let (account_id, line_user_id) = (self.account.to_string(), user.to_owned());
        let request = GetFriendRequest { account_id, line_user_id, ..GetFriendRequest::default() };
        self.at().friends().get_friend(request).await.unwrap().into_inner().friend.unwrap().friend_id
    }

    /// A user's latest attempt.
    pub(crate) async fn attempt_of(&self, user: &str) -> LinkAttempt {
        self.attempts_of(user).await.remove(0)
    }

    pub(crate) async fn attempts_of(&self, user: &str) -> Vec<LinkAttempt> {
        let friend_id = self.friend(user).await;
        let request = ListLinkAttemptsRequest { friend_id, page_size: 200, ..ListLinkAttemptsRequest::default() };
        self.at().attempts().list_link_attempts(request).await.unwrap().into_inner().link_attempts
    }

    /// All links of a user, ended ones too, the latest first.
    pub(crate) async fn links_of(&self, user: &str) -> Vec<Link> {
        let request = ListLinksRequest { friend_id: self.friend(user).await, ..ListLinksRequest::default() };
        self.at().links().list_links(request).await.unwrap().into_inner().links
    }

    /// The customer a user is linked to, and how surely; nobody: empty.
    pub(crate) async fn linked(&self, user: &str) -> Vec<(String, Assurance)> {
        let links = self.links_of(user).await.into_iter().filter(|link| link.end_time.is_none());
        links.map(|link| (link.customer_id.clone(), link.assurance())).collect()
    }

    /// How many links are active.
    pub(crate) async fn active(&self) -> i64 {
        self.count("identity.link WHERE end_time IS NULL").await
    }

    pub(crate) async fn count(&self, of: &str) -> i64 {
        let statement = AssertSqlSafe(format!("SELECT count(*) FROM {of}"));
        sqlx::query_scalar(statement).fetch_one(&self.house.admin().await).await.unwrap()
    }

    /// Changes rows behind the service's back, as time would.
    pub(crate) async fn alter(&self, statement: &'static str) {
        let changed = sqlx::query(statement).execute(&self.house.admin().await).await.unwrap();
        assert!(changed.rows_affected() > 0, "{statement}");
    }

    /// A customer on record.
    pub(crate) async fn customer(&self, name: Name<'_>, mobile: &str) -> String {
        self.customer_read(name, ("", ""), mobile).await
    }

    /// The same, with a reading.
    pub(crate) async fn customer_read(&self, name: Name<'_>, reading: Name<'_>, mobile: &str) -> String {
        let name = PersonName {
            family: name.0.to_owned(),
            given: name.1.to_owned(),
            family_reading: reading.0.to_owned(),
            given_reading: reading.1.to_owned(),
        };
        let phones = vec![Phone { number: mobile.to_owned(), kind: 0 }];
        let customer = Customer { name: Some(name), phones, ..Customer::default() };
        let request = CreateCustomerRequest { customer: Some(customer), request_id: String::new() };
        self.at().customers().create_customer(request).await.unwrap().into_inner().customer.unwrap().customer_id
    }

    pub(crate) async fn record(&self, customer: &str) -> Customer {
        let request = GetCustomerRequest { customer_id: customer.to_owned(), ..GetCustomerRequest::default() };
        self.at().customers().get_customer(request).await.unwrap().into_inner().customer.unwrap()
    }

    /// How a customer stands with LINE.
    pub(crate) async fn standing(&self, customer: &str) -> LineStanding {
        self.record(customer).await.line.unwrap()
    }

    pub(crate) async fn suspicions(&self) -> Vec<DuplicateSuspicion> {
        let request = ListDuplicateSuspicionsRequest::default();
        self.at().duplicates().list_duplicate_suspicions(request).await.unwrap().into_inner().duplicate_suspicions
    }

    /// A branch; its ID.
    pub(crate) async fn branch(&self, name: &str) -> String {
        let organization = Organization { display_name: name.to_owned(), ..Organization::default() };
        let request = CreateOrganizationRequest { organization: Some(organization), request_id: String::new() };
        let created = self.at().staff().create_organization(request).await.unwrap().into_inner();
        created.organization.unwrap().organization_id
    }

    /// Whose the account's new friends are from now on; empty: nobody's.
    pub(crate) async fn put_default(&self, organization: &str) {
        let account = OfficialAccount {
            account_id: self.account.to_string(),
            default_organization_id: organization.to_owned(),
            ..OfficialAccount::default()
        };
        let mask = FieldMask { paths: vec!["default_organization_id".to_owned()] };
        let request = UpdateOfficialAccountRequest { account: Some(account), update_mask: Some(mask) };
        self.at().accounts().update_official_account(request).await.unwrap();
    }

    /// Whose a customer is from now on.
    pub(crate) async fn give(&self, customer: &str, organization: &str) {
        let (customer_id, organization_id) = (customer.to_owned(), organization.to_owned());
        let wanted = Customer { customer_id, organization_id, ..Customer::default() };
        let mask = FieldMask { paths: vec!["organization_id".to_owned()] };
        let request = UpdateCustomerRequest { customer: Some(wanted), update_mask: Some(mask) };
        self.at().customers().update_customer(request).await.unwrap();
    }

    pub(crate) async fn policy(&self, policy: LinkPolicy) {
        let request = UpdateLinkPolicyRequest { link_policy: Some(policy), update_mask: None };
        self.at().policies().update_link_policy(request).await.unwrap();
    }

    /// The tenant holds what does not match.
    pub(crate) async fn hold(&self) {
        self.policy(LinkPolicy { on_no_match: OnNoMatch::Hold.into(), ..LinkPolicy::default() }).await;
    }

    /// Waits until what is looked at is as wanted.
    pub(crate) async fn until<T>(look: impl AsyncFnMut() -> Result<T, String>) -> T {
        eventually(SOON, look).await.unwrap()
    }

    /// Every decision follows again from what was kept of it (L-01); where nothing was compared, the reason says why.
    pub(crate) async fn replay(&self) {
        let rows: Vec<(String, String, Option<String>)> = sqlx::query_as(
            "SELECT outcome, reason, facts::text FROM identity.link_attempt WHERE outcome IS NOT NULL AND review_time IS NULL",
        )
        .fetch_all(&self.house.admin().await)
        .await
        .unwrap();
        assert!(!rows.is_empty(), "something was decided");
        for (outcome, reason, facts) in rows {
            let Some(facts) = facts else {
                assert!(Refusal::named(&reason).is_some() && outcome == "REFUSED", "{outcome} {reason}");
                continue;
            };
            let case: Case = serde_json::from_str(&facts).unwrap();
            let again = decide(&case);
            assert_eq!((again.outcome.as_str(), again.reason.as_str()), (&*outcome, &*reason), "{case:?}");
        }
    }
}

/// The form token in a card.
pub(crate) fn token_in(card: &AnswerRequested) -> String {
    let card: serde_json::Value = serde_json::from_str(&card.line_objects[0]).unwrap();
    let address = card["template"]["actions"][0]["uri"].as_str().expect("a button that opens a form");
    address.split_once("/f/").unwrap().1.to_owned()
}

/// What was decided, and why.
pub(crate) fn decision(attempt: &LinkAttempt) -> (LinkOutcome, LinkReason) {
    (attempt.outcome(), attempt.reason())
}
