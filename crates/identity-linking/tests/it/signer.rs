//! A program that signs for its staff, as a staff app does.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contracts::access_proto::v1::Right;
use contracts::events::v1::AssertionKey;
use contracts::identity::v1::*;
use kernel::{Clock as _, SystemClock, TenantId};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use testkit::eventually;
use tonic::{Code, Request};

use crate::house::{Caller, House, SOON};

/// A program that signs for its staff.
pub(crate) struct Signer {
    pub(crate) caller: Caller,
    tenant: TenantId,
    principal: String,
    key: Ed25519KeyPair,
}

impl Signer {
    pub(crate) async fn new(house: &House, tenant: TenantId, rights: &[Right]) -> Self {
        let at = house.at(tenant);
        let request = CreatePrincipalRequest {
            display_name: "staff app".to_owned(),
            rights: rights.iter().map(|right| i32::from(*right)).collect(),
            ..CreatePrincipalRequest::default()
        };
        let created = at.principals().create_principal(request).await.unwrap().into_inner();
        let principal = created.principal.unwrap().principal_id;
        let key = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
        let public = AssertionKey { key_id: "k".to_owned(), public_key: key.public_key().as_ref().to_vec() };
        let register = RegisterAssertionKeyRequest { principal_id: principal.clone(), key: Some(public) };
        at.principals().register_assertion_key(register).await.unwrap();
        let caller = Caller(house.client(&chassis::config::Secret::new(created.token)));
        Self { caller, tenant, principal, key }
    }

    /// A request that `staff` acts in.
    pub(crate) fn acting<T>(&self, staff: &StaffMember, message: T) -> Request<T> {
        let now = SystemClock.now().timestamp();
        let claims = serde_json::json!({
            "iss": self.principal, "sub": staff.staff_id, "tenant": self.tenant, "iat": now, "exp": now + 60,
        });
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let head = part(serde_json::json!({ "alg": "EdDSA", "typ": "JWT", "kid": "k" }));
        let signed = format!("{head}.{}", part(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()));
        let mut request = Request::new(message);
        request.metadata_mut().insert("tsunagi-staff-assertion", format!("{signed}.{signature}").parse().unwrap());
        request
    }

    /// Waits until the service's directory knows program and staff.
    pub(crate) async fn known(&self, staff: &StaffMember) {
        eventually(SOON, || async {
            match self.caller.tenants().get_tenant(self.acting(staff, GetTenantRequest {})).await {
                Err(status) if status.code() == Code::Unauthenticated => Err(status.to_string()),
                _ => Ok(()),
            }
        })
        .await
        .unwrap();
    }
}
