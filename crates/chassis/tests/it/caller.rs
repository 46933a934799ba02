//! Principals and staff to call as, and the assertions programs sign for staff.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chassis::auth::Token;
use chassis::auth::replica::{put_principal, put_staff};
use chassis::postgres::Database;
use contracts::access_proto::v1::Right;
use contracts::events::v1::{AssertionKey, PrincipalReplica, StaffReplica};
use kernel::{Clock as _, SystemClock, TenantId};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use uuid::Uuid;

/// A principal with its token and the key it signs with.
pub(crate) struct Program {
    pub(crate) token: Token,
    pub(crate) replica: PrincipalReplica,
}

impl Program {
    /// Made known to the service with these rights.
    pub(crate) async fn known(database: &Database, tenant: Option<TenantId>, rights: &[Right]) -> Self {
        let token = Token::generate(tenant, Uuid::new_v4().into()).unwrap();
        let replica = PrincipalReplica {
            principal_id: token.principal.to_string(),
            version: 1,
            tenant_id: tenant.map(|tenant| tenant.to_string()).unwrap_or_default(),
            token_hash: token.hash().to_vec(),
            rights: rights.iter().map(|right| i32::from(*right)).collect(),
            methods: Vec::new(),
            assertion_keys: vec![AssertionKey { key_id: "k".to_owned(), public_key: public_key() }],
            revoke_time: None,
            expire_time: None,
        };
        let mut program = Self { token, replica };
        program.change(database, |_| {}).await;
        program
    }

    /// Changes what the service knows of it.
    pub(crate) async fn change(&mut self, database: &Database, change: impl FnOnce(&mut PrincipalReplica)) {
        change(&mut self.replica);
        self.replica.version += 1;
        let mut worker = database.worker().acquire().await.unwrap();
        assert!(put_principal(&mut worker, database.schema(), &self.replica).await.unwrap());
    }

    /// An assertion that `staff` of `tenant` acts, as claims to change before they are signed.
    pub(crate) fn claims(&self, tenant: TenantId, staff: Uuid) -> serde_json::Value {
        let now = SystemClock.now().timestamp();
        serde_json::json!({
            "iss": self.replica.principal_id, "sub": staff, "tenant": tenant, "iat": now, "exp": now + 120,
        })
    }
}

/// `claims`, signed with the key `seed` under the ID `k`.
pub(crate) fn signed(claims: &serde_json::Value, seed: u8) -> String {
    let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text =
        format!("{}.{}", encode(&serde_json::json!({ "alg": "EdDSA", "typ": "JWT", "kid": "k" })), encode(claims));
    let signature = signer(seed).sign(text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The seed of the key that programs register.
pub(crate) const OWN_KEY: u8 = 7;

fn signer(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn public_key() -> Vec<u8> {
    signer(OWN_KEY).public_key().as_ref().to_vec()
}

/// A staff member the service knows, with these rights.
pub(crate) async fn known_staff(database: &Database, tenant: TenantId, rights: &[Right]) -> Uuid {
    let staff = Uuid::new_v4();
    let replica = StaffReplica {
        staff_id: staff.to_string(),
        version: 1,
        display_name: "花子".to_owned(),
        organization_ids: Vec::new(),
        rights: rights.iter().map(|right| i32::from(*right)).collect(),
        administrator: false,
        active: true,
    };
    let mut tx = database.tenant(tenant).await.unwrap();
    put_staff(&mut tx, &replica).await.unwrap();
    tx.commit().await.unwrap();
    staff
}
