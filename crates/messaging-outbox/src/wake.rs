//! Wake-ups: something changed, and whoever waits for it should look. A lost one costs a little time; every waiter also looks
//! by itself now and then.

use bus::Bus;
use chassis::Host;
use chassis::postgres::TenantTx;
use futures::StreamExt as _;
use kernel::TenantId;
use tokio::sync::{broadcast, mpsc};
use uuid::Uuid;

use crate::postgres::account::AccountKey;

/// Between replicas: a conversation of this tenant changed.
const CHANGES: &str = "signal.v1.messaging.changes";
/// Between replicas: something is to be sent or told, a content to be fetched, or conversations to be placed.
const WORK: &str = "signal.v1.messaging.work";
/// Wake-ups that wait for a slow listener at most; it looks by itself when it missed some.
const DEPTH: usize = 1024;

/// What there is to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// A conversation of this tenant changed.
    Change(TenantId),
    /// A message of this account waits in the send queue.
    Queue(AccountKey),
    /// An account, a tenant or a suspension changed: any queue may have been set in motion.
    Look,
    /// A content waits to be fetched.
    Content,
    /// A notice waits to be told by e-mail or webhook.
    Notice,
    /// It may have changed whose conversations are.
    Placing,
}

/// Where wake-ups come together: this replica's own at once, the others' through NATS.
#[derive(Clone)]
pub(crate) struct Wakes {
    local: broadcast::Sender<Wake>,
    remote: mpsc::Sender<Wake>,
}

impl Wakes {
    pub(crate) fn start(host: &Host, bus: &Bus) -> Self {
        let (remote, outgoing) = mpsc::channel(DEPTH);
        let wakes = Self { local: broadcast::Sender::new(DEPTH), remote };
        let stopping = host.stopping();
        host.spawn("messaging.wake.out", {
            let (bus, stopping) = (bus.clone(), stopping.clone());
            async move {
                stopping.run_until_cancelled(tell(bus, outgoing)).await;
                Ok(())
            }
        });
        host.spawn("messaging.wake.in", {
            let (bus, local) = (bus.clone(), wakes.local.clone());
            async move {
                stopping.run_until_cancelled(listen(bus, local)).await;
                Ok(())
            }
        });
        wakes
    }

    /// Wakes everybody once `tx` is committed.
    pub(crate) fn after(&self, tx: &mut TenantTx, wake: Wake) {
        let wakes = self.clone();
        tx.after_commit(move || wakes.send(wake));
    }

    /// Wakes everybody now.
    pub(crate) fn send(&self, wake: Wake) {
        // Nobody listening, or too much to tell: whoever waits looks by itself.
        let _ = self.local.send(wake);
        let _ = self.remote.try_send(wake);
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Wake> {
        self.local.subscribe()
    }
}

async fn tell(bus: Bus, mut outgoing: mpsc::Receiver<Wake>) {
    let mut wakes = Vec::new();
    while outgoing.recv_many(&mut wakes, DEPTH).await > 0 {
        wakes.dedup();
        for wake in wakes.drain(..) {
            match wake {
                Wake::Change(tenant) => bus.signal(CHANGES, tenant.uuid().as_bytes().to_vec()).await,
                Wake::Queue(key) => {
                    let bytes = [*key.tenant.uuid().as_bytes(), *key.account.uuid().as_bytes()].concat();
                    bus.signal(WORK, bytes).await;
                }
                Wake::Look => bus.signal(WORK, &b"look"[..]).await,
                Wake::Content => bus.signal(WORK, &b"content"[..]).await,
                Wake::Notice => bus.signal(WORK, &b"notice"[..]).await,
                Wake::Placing => bus.signal(WORK, &b"placing"[..]).await,
            }
        }
    }
}

async fn listen(bus: Bus, local: broadcast::Sender<Wake>) {
    let changes = bus.watch(CHANGES).await.map(|bytes| Uuid::from_slice(&bytes).ok().map(|id| Wake::Change(id.into())));
    let work = bus.watch(WORK).await.map(|bytes| work(&bytes));
    let mut wakes = futures::stream::select(changes, work);
    while let Some(wake) = wakes.next().await {
        if let Some(wake) = wake {
            let _ = local.send(wake);
        }
    }
}

fn work(bytes: &[u8]) -> Option<Wake> {
    match bytes {
        b"look" => Some(Wake::Look),
        b"content" => Some(Wake::Content),
        b"notice" => Some(Wake::Notice),
        b"placing" => Some(Wake::Placing),
        key => {
            let (tenant, account) = key.split_at_checked(16)?;
            let id = |bytes: &[u8]| Uuid::from_slice(bytes).ok();
            Some(Wake::Queue(AccountKey { tenant: id(tenant)?.into(), account: id(account)?.into() }))
        }
    }
}
