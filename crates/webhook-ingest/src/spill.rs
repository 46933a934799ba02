//! The second durable place: while Postgres is away or slow, waiting bodies go, packed, into a JetStream stream, and from
//! there to Postgres once it is back. The same body may end up in both places; storing it twice stores it once. The replica that
//! spilled a body remembers it as well ([`kept`]), for what is nowhere but in NATS is lost with NATS.

mod kept;
mod message;
mod mover;
mod put;

pub(crate) use kept::Kept;
pub(crate) use mover::Mover;
pub(crate) use put::Spill;
