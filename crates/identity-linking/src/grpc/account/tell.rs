//! How an official account is told, with what is wrong with it and how many of its friends are known.

use contracts::identity::v1::{AccountFinding, AccountFindingKind, FriendCoverage, OfficialAccount as WireAccount};
use contracts::timestamp;
use identity_linking_core::account::{AccountPurpose, Coverage, Finding};
use line_types::id::BotUserId;

use crate::grpc::etag;
use crate::postgres::account::EquippedAccount;
use crate::replica;

/// An account as callers read it, without its secrets.
pub(super) fn tell(account: &EquippedAccount) -> WireAccount {
    let EquippedAccount { stored, equipment, coverage } = account;
    let is_for_customers = stored.value.purpose == AccountPurpose::Customers;
    WireAccount {
        account_id: stored.id.to_string(),
        provider_id: stored.value.provider.to_string(),
        channel_id: stored.value.channel_id.as_str().to_owned(),
        display_name: replica::text(stored.value.display_name.as_ref()),
        basic_id: replica::text(stored.value.basic_id.as_ref()),
        bot_user_id: stored.value.bot.as_ref().map(BotUserId::as_str).unwrap_or_default().to_owned(),
        state: replica::account_state(stored.value.state).into(),
        owner_organization_id: replica::optional(stored.value.owner_organization),
        default_organization_id: replica::optional(stored.value.default_organization),
        chat_mode: replica::text(stored.value.chat_mode.as_ref()),
        has_channel_secret: equipment.channel_secret,
        has_channel_credential: equipment.credential,
        etag: etag::of(stored.version),
        connect_time: stored.value.connect_time.map(timestamp),
        purpose: replica::purpose(stored.value.purpose).into(),
        findings: stored.value.findings().into_iter().map(tell_finding).collect(),
        friend_coverage: coverage.as_ref().filter(|_| is_for_customers).map(tell_coverage),
    }
}

fn tell_finding(finding: Finding) -> AccountFinding {
    let (kind, since) = match finding {
        Finding::ChatModeOn(since) => (AccountFindingKind::ChatModeOn, since),
    };
    AccountFinding {
        kind: kind.into(),
        find_time: Some(timestamp(since)),
        reason_ja: finding.reason_ja().to_owned(),
        reason_en: finding.reason_en().to_owned(),
    }
}

fn tell_coverage(coverage: &Coverage) -> FriendCoverage {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    FriendCoverage {
        as_of_date: coverage.as_of.to_string(),
        friends: number(coverage.friends),
        known_friends: number(coverage.known),
        unknown_friends: number(coverage.unknown()),
        advice_ja: coverage.advice_ja().unwrap_or_default().to_owned(),
        advice_en: coverage.advice_en().unwrap_or_default().to_owned(),
    }
}
