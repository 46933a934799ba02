//! What can be asked of the stage.

use serde::Deserialize;
use tests::Service;

/// One command.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(crate) enum Ask {
    /// Starts a service and waits until it is ready; gives its process ID.
    Start { service: Named },
    /// Asks a service to end, and waits for it.
    Stop { service: Named },
    /// Makes so many friends of the first shop, without events; gives their user IDs.
    Friends { count: usize },
    /// Opens shops with accounts and friends, and waits until each friend has a conversation; gives what a peer needs to
    /// write to the same people.
    Lanes { tenants: usize, accounts: usize, friends: usize },
    /// Queues one message in every conversation of the lanes.
    Enqueue,
    /// Waits until the simulator has accepted so many sends since its books were opened.
    Accepted { count: u64, within_seconds: u64 },
    /// Opens new books at the simulator.
    Books,
    /// Friends write at a steady rate; gives how long each message took to be seen by staff.
    Watch { per_second: u32, seconds: u32, friends: usize },
    /// Adds customers of the first shop until there are so many.
    Customers { count: u64 },
    /// Makes held link attempts of the first shop, each matching one of its customers: every `stride`th from `customer` on; gives
    /// the number of the first.
    Held { count: u64, customer: u64, stride: u64 },
    /// Has so many held attempts decided again over gRPC; gives the seconds that took.
    Reconsider { first: u64, count: u64, callers: usize },
    /// Has a consumer listen to timers, of so many tenants; nothing, if one does.
    Listen { tenants: usize },
    /// Makes timers of all tenants, all due so many seconds from now; gives the seconds that took, and those left until then.
    Timers { count: u64, ahead_seconds: f64 },
    /// Waits until so many timers of the ones made last were heard; gives how late each was.
    Heard { count: usize, within_seconds: u64 },
    /// Makes timers that are due one after the other at a steady rate; gives how late each was heard.
    Pace { per_second: u32, seconds: u32 },
    /// Has timers wait that are due in hours and days, from this number to before that.
    Others { from: u64, to: u64 },
    /// Deletes so many rows that are due at one instant from a table of its own; gives the seconds that took.
    Floor { count: u64 },
    /// Asks the database; gives its rows as text.
    Query { sql: String },
    /// Ends.
    Quit,
}

/// A service by the name of its binary.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Named {
    WebhookIngest,
    IdentityLinking,
    MessagingOutbox,
    Scheduler,
}

impl From<Named> for Service {
    fn from(named: Named) -> Self {
        match named {
            Named::WebhookIngest => Self::WebhookIngest,
            Named::IdentityLinking => Self::IdentityLinking,
            Named::MessagingOutbox => Self::MessagingOutbox,
            Named::Scheduler => Self::Scheduler,
        }
    }
}
