//! Who calls a service: a principal's token, the tenant, and, when one acts, the staff member.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use kernel::{Clock as _, PrincipalId, StaffId, SystemClock, TenantId, Timestamp};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// The key a caller signs staff assertions with.
#[derive(Clone)]
pub struct StaffKey {
    id: String,
    pair: Arc<Ed25519KeyPair>,
}

impl std::fmt::Debug for StaffKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StaffKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl StaffKey {
    /// A new key named `id`.
    pub fn new(id: &str) -> anyhow::Result<Self> {
        let seed: [u8; 32] = rand::random();
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| anyhow::anyhow!("no key of this seed"))?;
        Ok(Self { id: id.to_owned(), pair: Arc::new(pair) })
    }

    /// The `kid`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The public half, 32 bytes.
    #[must_use]
    pub fn public_key(&self) -> Vec<u8> {
        self.pair.public_key().as_ref().to_vec()
    }

    /// An assertion made at `now` that `staff` acts through `principal`, valid for five minutes, the longest a service takes.
    #[must_use]
    pub fn assertion(&self, principal: PrincipalId, tenant: TenantId, staff: StaffId, now: Timestamp) -> String {
        let now = now.timestamp();
        let header = serde_json::json!({ "alg": "EdDSA", "typ": "JWT", "kid": self.id });
        let claims = serde_json::json!({
            "iss": principal, "sub": staff, "tenant": tenant, "iat": now, "exp": now + 300,
        });
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = URL_SAFE_NO_PAD.encode(self.pair.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

/// A caller of the gRPC services. Cheap to copy; narrow it with [`Caller::for_tenant`] and [`Caller::as_staff`].
#[derive(Clone, Debug)]
pub struct Caller {
    token: String,
    tenant: Option<TenantId>,
    staff: Option<(StaffKey, StaffId)>,
    /// How far ahead of the machine's clock the platform lives, in milliseconds; all callers that came of one another share it.
    ahead: Arc<AtomicI64>,
}

/// A connection on which every call carries its caller.
pub type Connection = InterceptedService<Channel, Caller>;

impl Caller {
    /// The holder of `token`.
    #[must_use]
    pub fn new(token: impl Into<String>) -> Self {
        Self { token: token.into(), tenant: None, staff: None, ahead: Arc::default() }
    }

    /// The holder of another token, who lives by the same clock.
    #[must_use]
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: token.into(), tenant: None, staff: None, ..self.clone() }
    }

    /// Turns the clock this caller and all that share it live by; the services' own is turned by whoever turns LINE's.
    pub(super) fn turn(&self, by: TimeDelta) {
        self.ahead.fetch_add(by.num_milliseconds(), Ordering::Relaxed);
    }

    fn now(&self) -> Timestamp {
        SystemClock.now() + TimeDelta::milliseconds(self.ahead.load(Ordering::Relaxed))
    }

    /// The same caller, working for `tenant`.
    #[must_use]
    pub fn for_tenant(&self, tenant: TenantId) -> Self {
        Self { tenant: Some(tenant), ..self.clone() }
    }

    /// The same caller, with a staff member behind it.
    #[must_use]
    pub fn as_staff(&self, key: &StaffKey, staff: StaffId) -> Self {
        Self { staff: Some((key.clone(), staff)), ..self.clone() }
    }

    /// A lazy connection to the service at `url`.
    pub fn connect(&self, url: &str) -> anyhow::Result<Connection> {
        let channel = Endpoint::from_shared(url.to_owned())?.connect_lazy();
        Ok(InterceptedService::new(channel, self.clone()))
    }

    /// The token, in clear: this is for platforms that are thrown away.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The principal the token names.
    fn principal(&self) -> Option<PrincipalId> {
        self.token.split('.').nth(1)?.parse().ok()
    }
}

impl Interceptor for Caller {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let ascii = |text: String| text.parse().map_err(|_| Status::internal("metadata is not ASCII"));
        let metadata = request.metadata_mut();
        metadata.insert("authorization", ascii(format!("Bearer {}", self.token))?);
        if let Some(tenant) = self.tenant {
            metadata.insert("tsunagi-tenant", ascii(tenant.to_string())?);
        }
        if let (Some((key, staff)), Some(tenant), Some(principal)) = (&self.staff, self.tenant, self.principal()) {
            metadata.insert("tsunagi-staff-assertion", ascii(key.assertion(principal, tenant, *staff, self.now()))?);
        }
        Ok(request)
    }
}
