//! The operator's command line as an operator has it: the program `tsunagi` as a process, against the running services.

use std::collections::BTreeMap;
use std::time::Duration;

use contracts::messaging::v1::MessageState;
use serde_json::Value;
use testkit::process::{Launch, Process, binary};
use tests::{Options, Platform, Service};
use tsunagi::stage::{Caller, Shop, Stage};

use crate::dead_letter;

/// How long a command may take.
const DONE_WITHIN: Duration = Duration::from_secs(30);

/// Somebody at the keyboard.
pub(crate) struct Operator(BTreeMap<String, String>);

/// What a command came to: its exit code, and what it printed.
#[derive(Debug)]
pub(crate) struct Outcome {
    code: Option<i32>,
    printed: String,
}

impl Operator {
    pub(crate) fn new(stage: &Stage, caller: &Caller) -> Self {
        let environment = [
            ("TSUNAGI_TOKEN", caller.token()),
            ("TSUNAGI_IDENTITY_URL", &stage.identity),
            ("TSUNAGI_INGEST_URL", &stage.ingest),
            ("TSUNAGI_MESSAGING_URL", &stage.messaging),
            ("TSUNAGI_SCHEDULER_URL", &stage.scheduler),
        ];
        Self(environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }

    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut environment = self.0.clone();
        environment.insert(name.to_owned(), value.to_owned());
        Self(environment)
    }

    /// Somebody with nothing set.
    pub(crate) fn nobody() -> Self {
        Self(BTreeMap::new())
    }

    fn without(&self, name: &str) -> Self {
        Self(self.0.iter().filter(|(known, _)| *known != name).map(|(k, v)| (k.clone(), v.clone())).collect())
    }

    fn launch(&self, arguments: &[&str]) -> Launch {
        let launch = arguments.iter().fold(Process::of(binary("tsunagi")), |launch, argument| launch.arg(*argument));
        self.0.iter().fold(launch, |launch, (name, value)| launch.env(name, value))
    }

    pub(crate) async fn types(&self, arguments: &[&str]) -> anyhow::Result<Outcome> {
        let mut process = self.launch(arguments).start()?;
        let status = process.exit(DONE_WITHIN).await?;
        Ok(Outcome { code: status.code(), printed: process.lines().join("\n") })
    }

    /// The answer of a command that must succeed.
    pub(crate) async fn asks(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let outcome = self.types(arguments).await?;
        anyhow::ensure!(outcome.code == Some(0), "{arguments:?}: {outcome:?}");
        Ok(serde_json::from_str(&outcome.printed)?)
    }
}

impl Outcome {
    /// Whether the command ended with `code` and printed each of these.
    pub(crate) fn tells(&self, code: i32, texts: &[&str]) -> bool {
        self.code == Some(code) && texts.iter().all(|text| self.printed.contains(text))
    }
}

fn text<'a>(answer: &'a Value, path: &str) -> &'a str {
    answer.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sets_a_tenant_up_and_keeps_it_from_the_command_line() -> anyhow::Result<()> {
    let platform = Platform::start(Options::default()).await?;
    let stage = platform.stage();
    let operator = Operator::new(&stage, &stage.operator);
    let tenant = operator.asks(&["tenant", "create", "--display-name", "さくら美容室"]).await?;
    let tenant = text(&tenant, "/tenant/tenant_id").to_owned();
    assert!(operator.asks(&["tenant", "list"]).await?.to_string().contains(&tenant));
    let here = operator.with("TSUNAGI_TENANT", &tenant);

    let branch = here.asks(&["organization", "create", "--display-name", "渋谷店"]).await?;
    let branch = text(&branch, "/organization/organization_id").to_owned();
    let arguments = ["staff", "create", "--display-name", "佐藤", "--rights", "messages_send", "--active"];
    let staff = here.asks(&[&arguments[..], &["--organization-ids", &branch]].concat()).await?;
    let staff = text(&staff, "/staff_member/staff_id").to_owned();
    let changed = here.asks(&["staff", "update", "--staff-id", &staff, "--active=false"]).await?;
    assert_eq!(changed["staff_member"]["active"], false);
    assert_eq!(changed["staff_member"]["organization_ids"][0], branch.as_str());

    let made = here.asks(&["provider", "create", "--display-name", "さくら"]).await?;
    let provider = text(&made, "/provider/provider_id").to_owned();
    let update = ["provider", "update", "--provider-id", &provider];
    let renamed = here.asks(&[&update[..], &["--line-provider-id", "1234"]].concat()).await?;
    assert_eq!(
        (text(&renamed, "/provider/display_name"), text(&renamed, "/provider/line_provider_id")),
        ("さくら", "1234")
    );
    let customer = here.asks(&["customer", "create", "--name-family", "山田", "--external-reference", "C-1"]).await?;
    let customer = text(&customer, "/customer/customer_id").to_owned();
    assert!(here.asks(&["customer", "list"]).await?.to_string().contains(&customer));

    // A tenant's own program needs no --tenant, and may do only what it was given.
    let program =
        here.asks(&["principal", "create", "--display-name", "booking", "--rights", "customers_read"]).await?;
    let booking = Operator::new(&stage, &Caller::new(text(&program, "/token")));
    tsunagi::stage::until(DONE_WITHIN, async || booking.asks(&["customer", "get", "--customer-id", &customer]).await)
        .await?;
    let refused = booking.types(&["customer", "create", "--name-family", "鈴木"]).await?;
    assert!(refused.tells(1, &["PERMISSION_DENIED", "reason: RIGHT_MISSING"]), "{refused:?}");

    // What is wrong is told by field, the reason by its stable name.
    let stale =
        here.types(&[&update[..], &["--display-name", "x", "--etag", text(&made, "/provider/etag")]].concat()).await?;
    assert!(stale.tells(1, &["tsunagi: ABORTED", "reason: ETAG_MISMATCH"]), "{stale:?}");
    let wrong = here.types(&[&update[..], &["--line-provider-id", "x", "--page", "1"]].concat()).await?;
    assert!(wrong.tells(2, &["--page"]), "{wrong:?}");
    let wrong = here.types(&["provider", "create", "--line-provider-id", "x"]).await?;
    let fields = ["field provider.display_name: ", "field provider.line_provider_id: is not digits"];
    assert!(wrong.tells(1, &[&["INVALID_ARGUMENT", "reason: INVALID_FIELD"][..], &fields].concat()), "{wrong:?}");
    let nowhere = here.without("TSUNAGI_IDENTITY_URL").types(&["tenant", "get"]).await?;
    assert!(nowhere.tells(1, &["TSUNAGI_IDENTITY_URL is missing"]), "{nowhere:?}");

    // Whatever has no command of its own is called by its name.
    let called = here.asks(&["call", "tsunagi.identity.v1.TenantService/GetTenant"]).await?;
    assert_eq!(text(&called, "/tenant/tenant_id"), tenant);
    let listed = here.types(&["call", "--list"]).await?;
    assert!(listed.tells(0, &["tsunagi.messaging.v1.LineGatewayService/GetBotInfo", "Reads the bot behind"]));
    let unknown = here.types(&["call", "tsunagi.identity.v1.TenantService/Nothing"]).await?;
    assert!(unknown.tells(1, &["tsunagi call --list"]), "{unknown:?}");
    let help = here.types(&["provider", "update", "--help"]).await?;
    assert!(
        help.tells(0, &["Changes what the operator declared", "--display-name", "TSUNAGI_IDENTITY_URL"]),
        "{help:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_and_settles_dead_letters_of_every_service() -> anyhow::Result<()> {
    let platform = Platform::start(Options::default()).await?;
    let stage = platform.stage();
    let shop = Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
    let operator = Operator::new(&stage, &shop.program);
    let replayed = dead_letter::in_every_service(&platform.admin_url(), shop.tenant).await?;
    let dropped = dead_letter::in_every_service(&platform.admin_url(), shop.tenant).await?;
    for service in Service::ALL.map(Service::binary) {
        let dead_letter = async |verb: &str, more: &[&str]| {
            operator.types(&[&["dead-letter", verb, "--service", service][..], more].concat()).await
        };
        let listed = dead_letter("list", &["--state", "waiting"]).await?;
        assert!(listed.tells(0, &[&replayed, &dropped]), "{service}: {listed:?}");
        let shown = dead_letter("get", &["--dead-letter-id", &replayed]).await?;
        assert!(shown.tells(0, &["made for a test", "DEAD_LETTER_STATE_WAITING"]), "{service}: {shown:?}");
        let again = dead_letter("replay", &["--dead-letter-id", &replayed]).await?;
        assert!(again.tells(0, &["DEAD_LETTER_STATE_REPLAYING"]), "{service}: {again:?}");
        let gone = dead_letter("drop", &["--dead-letter-id", &dropped]).await?;
        assert!(gone.tells(0, &["DEAD_LETTER_STATE_DROPPED"]), "{service}: {gone:?}");
        let late = dead_letter("replay", &["--dead-letter-id", &dropped]).await?;
        assert!(late.tells(1, &["FAILED_PRECONDITION", "reason: DEAD_LETTER_SETTLED"]), "{service}: {late:?}");
    }
    let unsaid = operator.types(&["dead-letter", "list"]).await?;
    assert!(unsaid.tells(2, &["--service"]), "{unsaid:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_follows_and_answers_a_conversation() -> anyhow::Result<()> {
    let platform = Platform::start(Options::default()).await?;
    let stage = platform.stage();
    let shop = Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
    let operator = Operator::new(&stage, &shop.program);
    let watch = operator.launch(&["conversation", "watch"]).start()?;
    watch.line(DONE_WITHIN, |line| line.contains("\"cursor\"")).await?;
    let person = shop.person(&stage, "はなこ").await?;
    stage.line.write_text(&shop.card.channel_id, &person.id, "こんにちは").await?;
    watch.line(DONE_WITHIN, |line| line.contains("こんにちは")).await?;

    let (conversation, _) = shop.sees(&stage, "こんにちは").await?;
    let id = conversation.conversation_id.as_str();
    assert!(operator.asks(&["conversation", "list", "--unread-only"]).await?.to_string().contains(id));
    let said = operator.asks(&["message", "send", "--conversation-id", id, "--text", "いらっしゃいませ"]).await?;
    let message = text(&said, "/message/message_id").to_owned();
    shop.reaches(&stage, &message, MessageState::Accepted).await?;
    let told = operator.asks(&["message", "get", "--message-id", &message]).await?;
    assert_eq!(
        (text(&told, "/message/state"), text(&told, "/message/content/text/text")),
        ("MESSAGE_STATE_ACCEPTED", "いらっしゃいませ")
    );
    let events = operator.asks(&["webhook-event", "list", "--account-id", &shop.account.to_string()]).await?;
    assert_eq!(text(&events, "/events/0/event_type"), "message");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_key_gives_way_to_the_next() -> anyhow::Result<()> {
    let platform = Platform::start(Options::default()).await?;
    let stage = platform.stage();
    Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
    let old = platform.setting("TSUNAGI_MASTER_KEYS").unwrap_or_default();
    let new = "next:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let at =
        Operator::nobody().with("TSUNAGI_DATABASE_URL", platform.setting("TSUNAGI_DATABASE_URL").unwrap_or_default());
    let early = at.with("TSUNAGI_MASTER_KEYS", new).types(&["keys", "rewrap"]).await?;
    assert!(early.tells(1, &["the data keys of identity"]), "{early:?}");
    let both = at.with("TSUNAGI_MASTER_KEYS", &format!("{new},{old}"));
    let first = both.asks(&["keys", "rewrap"]).await?;
    assert_eq!(first["rewrapped"]["identity"], 1, "{first}");
    let alone = at.with("TSUNAGI_MASTER_KEYS", new).asks(&["keys", "rewrap"]).await?;
    let left: u64 = alone["rewrapped"].as_object().into_iter().flatten().filter_map(|(_, n)| n.as_u64()).sum();
    assert_eq!(left, 0, "{alone}");
    Ok(())
}
