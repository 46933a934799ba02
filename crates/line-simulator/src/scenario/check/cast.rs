//! Providers, accounts, people and chats.

use std::collections::{BTreeMap, BTreeSet};

use line_types::signature::ChannelSecret;
use serde_saphyr::Spanned;

use super::names::Names;
use super::{Faults, line_of};
use crate::scenario::CastChat;
use crate::scenario::file::{AccountFile, ChatFile, PersonFile, ProviderFile};
use crate::state::account::AccountSpec;
use crate::state::id::{ChannelId, PersonId};
use crate::state::person::PersonSpec;

const LONGEST_TOKEN: usize = 512;
const LONGEST_CHANNEL_ID: usize = 20;

/// Providers by name, and accounts with their provider. Who names no provider has the only one, or one made for it.
pub(super) fn accounts(
    providers: BTreeMap<String, ProviderFile>,
    accounts: BTreeMap<String, Spanned<AccountFile>>,
    faults: &mut Faults,
) -> (BTreeMap<String, String>, BTreeMap<String, (String, AccountSpec)>) {
    let mut providers: BTreeMap<String, String> =
        providers.into_iter().map(|(key, provider)| (key, provider.name)).collect();
    if providers.is_empty() && !accounts.is_empty() {
        providers.insert("provider".to_owned(), "Provider".to_owned());
    }
    let mut taken = BTreeSet::new();
    let mut found = BTreeMap::new();
    for (name, account) in accounts {
        let line = Some(line_of(&account));
        let account = account.value;
        let provider = match account.provider.clone() {
            Some(given) if providers.contains_key(&given) => Ok(given),
            Some(given) => Err(format!("provider: there is no provider `{given}`")),
            None if providers.len() == 1 => Ok(providers.keys().next().cloned().unwrap_or_default()),
            None => Err("provider: which one? Only where there is one it may be left out".to_owned()),
        };
        let provider = faults.take(line, provider);
        for reason in fixed(&account) {
            faults.add(line, reason);
        }
        for own in [&account.channel_id, &account.access_token].into_iter().flatten() {
            if !taken.insert(own.clone()) {
                faults.add(line, "channel_id and access_token are each account's own; another has the same");
            }
        }
        if let Some(provider) = provider {
            found.insert(name.clone(), (provider, spec(name, account)));
        }
    }
    (providers, found)
}

/// What is wrong with what the file fixes.
fn fixed(account: &AccountFile) -> Vec<String> {
    let mut wrong = Vec::new();
    let digits = |id: &String| (1..=LONGEST_CHANNEL_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit());
    if account.channel_id.as_ref().is_some_and(|id| !digits(id)) {
        wrong.push(format!("channel_id: 1 to {LONGEST_CHANNEL_ID} digits"));
    }
    if account.channel_secret.as_ref().is_some_and(|secret| ChannelSecret::parse(secret).is_err()) {
        wrong.push("channel_secret: 1 to 128 visible ASCII characters".to_owned());
    }
    let token = |text: &String| (1..=LONGEST_TOKEN).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if account.access_token.as_ref().is_some_and(|text| !token(text)) {
        wrong.push(format!("access_token: 1 to {LONGEST_TOKEN} visible ASCII characters"));
    }
    let url = account.webhook_url.as_ref();
    if url.is_some_and(|url| url::Url::parse(url).is_err()) {
        wrong.push("webhook_url: an absolute address".to_owned());
    }
    wrong
}

fn spec(name: String, account: AccountFile) -> AccountSpec {
    AccountSpec {
        name: account.name.unwrap_or(name),
        verified: account.verified,
        chat: account.chat,
        quota: account.quota,
        webhook_url: account.webhook_url,
        redelivery: account.redelivery,
        channel_id: account.channel_id.map(ChannelId::from),
        channel_secret: account.channel_secret,
        access_token: account.access_token,
    }
}

/// People under their names.
pub(super) fn people(people: BTreeMap<String, Spanned<PersonFile>>) -> BTreeMap<PersonId, PersonSpec> {
    let one = |(name, person): (String, Spanned<PersonFile>)| {
        let (person, usual) = (person.value, PersonSpec::default());
        let spec = PersonSpec {
            display_name: person.name.unwrap_or_else(|| name.clone()),
            language: person.language.or(usual.language),
            picture_url: person.picture_url,
            status_message: person.status_message,
            consented: person.consented.unwrap_or(usual.consented),
        };
        (PersonId::from(name), spec)
    };
    people.into_iter().map(one).collect()
}

/// Groups and rooms.
pub(super) fn chats(
    chats: BTreeMap<String, Spanned<ChatFile>>,
    names: &Names,
    faults: &mut Faults,
) -> BTreeMap<String, CastChat> {
    let mut found = BTreeMap::new();
    for (name, chat) in chats {
        let line = Some(line_of(&chat));
        let chat = chat.value;
        let members =
            chat.members.iter().filter_map(|member| faults.take(line, names.person("members", member))).collect();
        let account = chat.account.and_then(|account| faults.take(line, names.account(Some(&account))));
        found.insert(name, CastChat { kind: chat.kind, name: chat.name, members, account });
    }
    found
}
