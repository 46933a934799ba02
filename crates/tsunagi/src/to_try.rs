//! What `tsunagi run` prints: where the platform can be reached, and first things to try, to be pasted into a shell.

use crate::local::Local;
use crate::stage::Shop;

/// Prints it.
#[expect(clippy::print_stdout, reason = "the addresses are what was asked for")]
pub(crate) fn tell(platform: &Local, shop: &Shop) {
    println!("\nTsunagi is running; Ctrl-C stops it.\n\n{}", addresses(platform, shop));
    println!("{}\n{}", a_conversation(platform, shop), a_link(platform, shop));
}

fn addresses(platform: &Local, shop: &Shop) -> String {
    let stage = platform.stage();
    let told = [
        ("webhooks", stage.webhook_url(&shop.webhook_key)),
        ("form pages", stage.pages.clone()),
        ("identity-linking", stage.identity.clone()),
        ("messaging-outbox", stage.messaging.clone()),
        ("webhook-ingest", stage.ingest.clone()),
        ("scheduler", stage.scheduler.clone()),
        ("LINE (simulated)", platform.simulator_url().to_owned()),
        ("operator's token", stage.operator.token().to_owned()),
        ("shop's tenant", shop.tenant.to_string()),
        ("shop's token", shop.program.token().to_owned()),
    ];
    told.map(|(what, value)| format!("  {what:<18}  {value}\n")).concat()
}

/// A customer writes, the shop reads it and answers.
fn a_conversation(platform: &Local, shop: &Shop) -> String {
    let (line, account, program) = (platform.simulator_url(), &shop.card.channel_id, program());
    let (messaging, token) = (&platform.stage().messaging, shop.program.token());
    format!(
        r#"A customer writes:

  person=$(curl -s {line}/control/people -H 'content-type: application/json' \
    -d '{{"display_name":"はなこ"}}' | python3 -c 'import json,sys; print(json.load(sys.stdin)["person"])')
  curl -s {line}/control/accounts/{account}/people/$person/acts -H 'content-type: application/json' \
    -d '{{"act":"write","type":"text","text":"こんにちは"}}'

The shop reads it, and answers:

  export TSUNAGI_MESSAGING_URL={messaging} TSUNAGI_TOKEN={token}
  conversation=$({program} conversation list \
    | python3 -c 'import json,sys; print(json.load(sys.stdin)["conversations"][0]["conversation_id"])')
  {program} conversation messages --conversation-id $conversation
  {program} message send --conversation-id $conversation --text 'いらっしゃいませ'
"#
    )
}

/// The customer taps the rich menu, fills the form in, confirms with LINE; the shop sees the link.
fn a_link(platform: &Local, shop: &Shop) -> String {
    let (line, account, program) = (platform.simulator_url(), &shop.card.channel_id, program());
    let (identity, token) = (&platform.stage().identity, shop.program.token());
    format!(
        r#"The customer links to their record, by the rich menu (tsunagi:inquiry, or tsunagi:reservations for name and mobile number):

  export TSUNAGI_IDENTITY_URL={identity} TSUNAGI_TOKEN={token}
  {program} customer create --name-family 山田 --name-given 花子
  act() {{ curl -s {line}/control/accounts/{account}/people/$person/acts -H 'content-type: application/json' -d "$1"; }}
  act '{{"act":"add_friend"}}'
  act '{{"act":"postback","data":"tsunagi:inquiry"}}'
  user=$(curl -s {line}/control/accounts/{account}/people/$person | python3 -c 'import json,sys; print(json.load(sys.stdin)["user_id"])')
  card() {{ curl -s "{line}/control/books/sent?account={account}&chat=$user" | grep -o 'http[^"]*/f/[^"]*' | tail -n 1; }}
  until [ -n "$(card)" ]; do sleep 0.2; done
  echo "Log the browser in as the customer: {line}/control/people/$person/log-in"
  echo "Then open the card's form, fill in 山田 花子, and confirm with LINE: $(card)"

What came of it, with the reason in words:

  {program} link-attempt list
  {program} customer list
"#
    )
}

/// This program, as a shell finds it.
fn program() -> String {
    std::env::current_exe().map_or_else(|_| "tsunagi".to_owned(), |path| path.display().to_string())
}
