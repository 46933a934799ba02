//! What a newcomer reads: what was made, and lines to copy.

use std::fmt::Write as _;

use crate::scenario::Cast;

/// The cast, with everything a bot is configured with.
pub(super) fn cast(cast: &Cast) -> String {
    let mut text = String::new();
    for (name, card) in &cast.accounts {
        let _ = writeln!(text, "account {name}");
        for (word, value) in [
            ("channel ID", card.channel_id.as_str()),
            ("channel secret", &card.channel_secret),
            ("access token", &card.access_token),
            ("bot user ID", card.bot_user_id.as_str()),
        ] {
            let _ = writeln!(text, "  {word:<15}{value}");
        }
    }
    let people: Vec<&str> = cast.people.iter().map(crate::state::id::PersonId::as_str).collect();
    let _ = write!(text, "people  {}", people.join(", "));
    text
}

/// Lines to copy into a shell, for the first account and the first person.
pub(super) fn lines(base_url: &str, cast: &Cast) -> String {
    let (Some(account), Some(person)) = (cast.accounts.values().next(), cast.people.first()) else {
        return format!("The control API is at {base_url}/control.");
    };
    let (channel, token) = (&account.channel_id, &account.access_token);
    let json = "-H 'content-type: application/json'";
    let act = format!("{base_url}/control/accounts/{channel}/people/{person}/acts");
    format!(
        "
Try in another shell. Where your bot gets its webhooks:
  curl {base_url}/control/accounts/{channel} -X PATCH {json} -d '{{\"webhook_url\":\"http://127.0.0.1:3000/callback\"}}'
{person} writes to it:
  curl {act} {json} -d '{{\"act\":\"write\",\"type\":\"text\",\"text\":\"hello\"}}'
What LINE would have sent to your bot, and what came of it:
  curl {base_url}/control/books/webhooks
Send as the bot, to every friend (in your bot: the SDK with the base URL {base_url}):
  curl {base_url}/v2/bot/message/broadcast -H 'authorization: Bearer {token}' {json} \\
    -d '{{\"messages\":[{{\"type\":\"text\",\"text\":\"hello everybody\"}}]}}'
What arrived:
  curl {base_url}/control/books/sent
Ctrl-C stops it. Everything else: crates/line-simulator/README.md"
    )
}
