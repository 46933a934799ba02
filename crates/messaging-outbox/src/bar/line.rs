//! LINE's calls for the bars of one staff account, and what may go wrong with them.

use std::time::Duration;

use kernel::AccountId;
use line_client::{ChannelAccessToken, Failure};

use crate::access_token::TokenTrouble;
use crate::postgres::account::AccountKey;
use crate::sender::Tools;

/// How long LINE may take to answer one call.
pub(super) const DEADLINE: Duration = Duration::from_secs(3);

/// One account's way to LINE.
pub(super) struct Line<'t> {
    pub(super) tools: &'t Tools,
    pub(super) key: AccountKey,
    pub(super) token: ChannelAccessToken,
}

impl Line<'_> {
    pub(super) fn account(&self) -> AccountId {
        self.key.account
    }
}

/// Why a run cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// LINE knows a menu no more, or has no image of it.
    #[error("LINE has lost a rich menu")]
    MenuLost,
    /// LINE did not do what it was asked.
    #[error(transparent)]
    Line(#[from] Failure),
    /// There is no token.
    #[error(transparent)]
    Token(#[from] TokenTrouble),
    /// The database is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl Trouble {
    /// What it means that a call which names a menu failed.
    pub(super) fn of_menu(failure: Failure) -> Self {
        match failure.status {
            Some(400 | 404) => Self::MenuLost,
            _ => Self::Line(failure),
        }
    }
}
