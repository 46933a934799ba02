//! The control API under `/control`: making the world, acting as a person, ordering faults, turning the clock, reading
//! the books. JSON over HTTP; [`Control`] is its typed client. Never part of what LINE offers.

mod accounts;
mod answer;
mod books;
mod client;
mod clock;
mod faults;
mod people;
mod scenarios;

use std::sync::Arc;

use axum::Router;

pub use accounts::{AssertionKey, KeyId, NewAccount, NewProvider, Secret};
pub use books::{BooksQuery, Reset, Settled};
pub use client::{Control, ControlError};
pub use faults::FaultId;
pub(crate) use people::open;
pub use people::{Followed, NewFriends, NewPerson, OpenLink, UserCard};
pub use scenarios::PlayQuery;

use crate::platform::Platform;

pub(crate) fn routes() -> Router<Arc<Platform>> {
    let routes = accounts::routes()
        .merge(people::routes())
        .merge(faults::routes())
        .merge(books::routes())
        .merge(clock::routes())
        .merge(scenarios::routes());
    Router::new().nest("/control", routes)
}
