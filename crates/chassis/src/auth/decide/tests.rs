use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta};
use proptest::prelude::*;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::*;

const METHOD: &str = "/tsunagi.messaging.v1.MessageService/SendMessage";

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn now() -> Timestamp {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap()
}

fn rule(scope: Scope, staff_assertion: StaffAssertion) -> MethodRule {
    MethodRule { right: Right::MessagesSend, scope, staff_assertion, streams: false }
}

fn rights(rights: &[Right]) -> BTreeSet<i32> {
    rights.iter().map(|right| i32::from(*right)).collect()
}

/// A world with one principal and one staff member (ID 9 of tenant 1).
struct World {
    known: Known,
    token: Token,
}

impl World {
    fn of(tenant: Option<u128>, held: &[Right]) -> Self {
        let token = Token::generate(tenant.map(|tenant| id(tenant).into()), id(5).into()).unwrap();
        let signer = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let key = AssertionKey { id: "k".to_owned(), public: signer.public_key().as_ref().try_into().unwrap() };
        let principal = Principal {
            token_hash: token.hash(),
            rights: rights(held),
            methods: BTreeSet::new(),
            keys: vec![key],
            revoked_at: None,
            expires_at: None,
        };
        let member = StaffMember {
            acting: ActingStaff {
                id: id(9).into(),
                display_name: "花子".to_owned(),
                administrator: false,
                organization_ids: Vec::new(),
            },
            rights: rights(&[Right::MessagesSend, Right::Master]),
            active: true,
        };
        let mut known = Known::default();
        known.principals.insert((token.tenant, token.principal), Arc::new(principal));
        known.staff.insert((id(1).into(), id(9).into()), Arc::new(member));
        Self { known, token }
    }

    fn principal(&mut self) -> &mut Principal {
        Arc::make_mut(self.known.principals.get_mut(&(self.token.tenant, self.token.principal)).unwrap())
    }

    fn member(&mut self) -> &mut StaffMember {
        Arc::make_mut(self.known.staff.get_mut(&(id(1).into(), id(9).into())).unwrap())
    }

    fn decide(&self, rule: MethodRule, tenant: Option<&str>, assertion: Option<&str>) -> Result<Caller, Refusal> {
        let token = self.token.reveal();
        let credentials = Credentials { token: Some(token.expose()), tenant, assertion };
        decide(Some(rule), METHOD, credentials, &self.known, now())
    }
}

fn assertion(tenant: u128, staff: u128) -> String {
    let signer = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let header = serde_json::json!({ "alg": "EdDSA", "kid": "k" });
    let issued = now().timestamp();
    let claims = serde_json::json!({
        "iss": id(5), "sub": id(staff), "tenant": id(tenant), "iat": issued, "exp": issued + 60,
    });
    let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", encode(&header), encode(&claims));
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signer.sign(text.as_bytes())))
}

const OPTIONAL: StaffAssertion = StaffAssertion::Unspecified;

#[test]
fn a_tenants_principal_works_in_its_tenant_and_in_no_other() {
    let world = World::of(Some(1), &[Right::MessagesSend]);
    let rule = rule(Scope::Tenant, OPTIONAL);
    let own = id(1).to_string();
    let caller = world.decide(rule, None, None).unwrap();
    assert_eq!(caller.tenant(), id(1).into());
    assert!(caller.has(Right::MessagesSend) && !caller.has(Right::Master));
    assert!(world.decide(rule, Some(&own), None).is_ok());
    assert_eq!(world.decide(rule, Some(&id(2).to_string()), None).unwrap_err(), Refusal::TenantUnknown);
    assert_eq!(world.decide(rule, Some("x"), None).unwrap_err(), Refusal::TenantMalformed);
}

#[test]
fn a_platform_principal_names_its_tenant_and_never_the_platforms_own_rows() {
    let world = World::of(None, &[Right::MessagesSend]);
    let rule = rule(Scope::Tenant, OPTIONAL);
    assert_eq!(world.decide(rule, None, None).unwrap_err(), Refusal::TenantMissing);
    assert_eq!(world.decide(rule, Some(&id(2).to_string()), None).unwrap().tenant(), id(2).into());
    assert_eq!(world.decide(rule, Some(&Uuid::nil().to_string()), None).unwrap_err(), Refusal::TenantUnknown);
}

#[test]
fn platform_methods_are_for_platform_principals() {
    let rule = rule(Scope::Platform, OPTIONAL);
    let tenants = World::of(Some(1), &[Right::MessagesSend]);
    assert_eq!(tenants.decide(rule, None, None).unwrap_err(), Refusal::PlatformOnly);
    let platforms = World::of(None, &[Right::MessagesSend]);
    assert!(platforms.decide(rule, None, None).unwrap().tenant().uuid().is_nil());
    assert_eq!(platforms.decide(rule, None, Some(&assertion(1, 9))).unwrap_err(), Refusal::Assertion);
}

#[test]
fn wrong_revoked_expired_and_unknown_tokens_look_the_same() {
    let rule = rule(Scope::Tenant, OPTIONAL);
    let good = World::of(Some(1), &[Right::MessagesSend]);
    let other = Token::generate(good.token.tenant, good.token.principal).unwrap().reveal();
    let unknown = Token::generate(good.token.tenant, id(6).into()).unwrap().reveal();
    let moved = Token::parse(&good.token.reveal().expose().replace(&id(1).to_string(), "platform")).unwrap().reveal();
    for token in [Some(other.expose()), Some(unknown.expose()), Some(moved.expose()), Some("x"), None] {
        let credentials = Credentials { token, ..Credentials::default() };
        assert_eq!(decide(Some(rule), METHOD, credentials, &good.known, now()).unwrap_err(), Refusal::Token);
        assert_eq!(decide(None, METHOD, credentials, &good.known, now()).unwrap_err(), Refusal::Token);
    }
    let mut revoked = World::of(Some(1), &[Right::MessagesSend]);
    revoked.principal().revoked_at = Some(now());
    assert_eq!(revoked.decide(rule, None, None).unwrap_err(), Refusal::Token);
    let mut expired = World::of(Some(1), &[Right::MessagesSend]);
    expired.principal().expires_at = Some(now());
    assert_eq!(expired.decide(rule, None, None).unwrap_err(), Refusal::Token);
    expired.principal().expires_at = Some(now() + TimeDelta::seconds(1));
    assert!(expired.decide(rule, None, None).is_ok());
}

#[test]
fn a_list_of_methods_is_the_only_ones() {
    let mut world = World::of(Some(1), &[Right::MessagesSend]);
    let rule = rule(Scope::Tenant, OPTIONAL);
    world.principal().methods = BTreeSet::from(["/other/Method".to_owned()]);
    assert_eq!(world.decide(rule, None, None).unwrap_err(), Refusal::MethodNotListed);
    world.principal().methods.insert(METHOD.to_owned());
    assert!(world.decide(rule, None, None).is_ok());
}

#[test]
fn rights_with_a_staff_member_are_those_both_hold() {
    let rule = rule(Scope::Tenant, StaffAssertion::Required);
    let mut world = World::of(Some(1), &[Right::MessagesSend, Right::CustomersRead]);
    assert_eq!(world.decide(rule, None, None).unwrap_err(), Refusal::AssertionMissing);
    let signed = assertion(1, 9);
    let caller = world.decide(rule, None, Some(&signed)).unwrap();
    assert_eq!(caller.staff().unwrap().id, id(9).into());
    assert!(caller.has(Right::MessagesSend) && !caller.has(Right::CustomersRead) && !caller.has(Right::Master));
    for (tenant, staff) in [(2, 9), (1, 8)] {
        assert_eq!(world.decide(rule, None, Some(&assertion(tenant, staff))).unwrap_err(), Refusal::Assertion);
    }
    world.member().rights.clear();
    assert_eq!(world.decide(rule, None, Some(&signed)).unwrap_err(), Refusal::RightMissing);
    world.member().active = false;
    assert_eq!(world.decide(rule, None, Some(&signed)).unwrap_err(), Refusal::Assertion);
    let powerless = World::of(Some(1), &[]);
    assert_eq!(powerless.decide(rule, None, Some(&signed)).unwrap_err(), Refusal::RightMissing);
}

proptest! {
    #[test]
    fn nobody_ever_holds_more_than_their_program(
        held in proptest::collection::btree_set(1i32..20, 0..10),
        staffs in proptest::collection::btree_set(1i32..20, 0..10),
        acts: bool,
    ) {
        let mut world = World::of(Some(1), &[]);
        world.principal().rights.clone_from(&held);
        world.member().rights.clone_from(&staffs);
        let signed = assertion(1, 9);
        let outcome = world.decide(rule(Scope::Tenant, OPTIONAL), None, acts.then_some(&signed));
        let needed = i32::from(Right::MessagesSend);
        prop_assert_eq!(outcome.is_ok(), held.contains(&needed) && (!acts || staffs.contains(&needed)));
        if let Ok(caller) = outcome {
            for right in (1..20).filter_map(|right| Right::try_from(right).ok()) {
                let both = held.contains(&right.into()) && (!acts || staffs.contains(&right.into()));
                prop_assert_eq!(caller.has(right), both);
            }
        }
    }
}
