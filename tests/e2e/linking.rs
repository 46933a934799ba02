//! One LINE user's whole way to a link and out of it again, through the real services and LINE's side.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use contracts::events::v1::{Assurance, InquiryState};
use contracts::identity::v1::{LinkOutcome, LinkReason};
use contracts::messaging::v1::message_content::Kind;
use contracts::messaging::v1::{
    Conversation, Direction, InquiryContent, ListConversationsRequest, ListMessagesRequest,
};
use line_simulator::Method;
use serde_json::Value;
use testkit::otlp::Sink;
use tests::{Options, Platform};
use tsunagi::stage::{OpenForm, Person, Shop, Stage, texts};

const SOON: Duration = Duration::from_secs(30);
const INQUIRY: &str = "tsunagi:inquiry";

async fn friend(stage: &Stage, shop: &Shop, name: &str) -> anyhow::Result<Person> {
    let person = shop.person(stage, name).await?;
    stage.line.add_friend(&shop.card.channel_id, &person.id).await?;
    Ok(person)
}

fn typed<'a>(family: &'a str, given: &'a str, text: &'a str) -> [(&'static str, &'a str); 3] {
    [("family", family), ("given", given), ("text", text)]
}

/// The conversations of a customer, or of everybody.
async fn conversations(stage: &Stage, shop: &Shop, customer_id: &str) -> Result<Vec<Conversation>, String> {
    let mut conversations = shop.conversations(stage).map_err(|problem| problem.to_string())?;
    let request = ListConversationsRequest { customer_id: customer_id.to_owned(), ..Default::default() };
    let listed = conversations.list_conversations(request).await.map_err(|status| status.to_string())?;
    Ok(listed.into_inner().conversations)
}

/// The inquiries of a conversation, as staff read them, latest first.
async fn inquiries(stage: &Stage, shop: &Shop, conversation: &str) -> Result<Vec<InquiryContent>, String> {
    let mut conversations = shop.conversations(stage).map_err(|problem| problem.to_string())?;
    let request = ListMessagesRequest { conversation_id: conversation.to_owned(), ..Default::default() };
    let listed = conversations.list_messages(request).await.map_err(|status| status.to_string())?;
    let inbound = listed.into_inner().messages.into_iter().filter(|one| one.direction() == Direction::Inbound);
    let kinds = inbound.filter_map(|message| message.content.and_then(|content| content.kind));
    Ok(kinds.filter_map(|kind| if let Kind::Inquiry(inquiry) = kind { Some(inquiry) } else { None }).collect())
}

/// F-06, F-09, F-11, F-12, F-40, F-41, L-01, L-04, L-06: from the rich menu to the customer's record and out again; whoever asks is
/// told the same, whatever became of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_user_links_by_an_inquiry_and_unlinks_again() -> anyhow::Result<()> {
    let platform = Platform::start(Options::default()).await?;
    let stage = platform.stage();
    let shop = Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
    let customer = shop.customer(&stage, ("山田", "花子"), "09012345678").await?;
    let hanako = friend(&stage, &shop, "はなこ").await?;

    let card = shop.taps(&stage, &hanako, INQUIRY).await?;
    assert_eq!((card.method, card.counted), (Method::Reply, 0), "the card costs something");
    let address = shop.opens(&stage, &hanako, &card).await?;
    assert!(address.starts_with(&format!("{}/f/", stage.pages)), "{address}");
    // LINE and others fetch addresses to show what is behind them: that uses nothing up.
    OpenForm::at(&address).await?;
    let form = OpenForm::at(&address).await?;
    let dialog = form.submit(&typed("山田", "花子", "土曜日は空いていますか")).await?;
    let waiting = shop.attempts(&stage, &hanako).await?.remove(0);
    assert_eq!(waiting.outcome(), LinkOutcome::Unspecified, "it was decided before LINE said a word");
    assert!(!shop.record(&stage, &customer).await?.line.unwrap_or_default().linked);
    let again = form.submit(&typed("山田", "花子", "もう一度")).await.map_err(|problem| problem.to_string());
    assert!(again.as_ref().is_err_and(|problem| problem.contains("404")), "a form was submitted twice: {again:?}");

    let submitted = tsunagi::stage::Submitted { attempt_id: waiting.link_attempt_id, dialog };
    let linked = shop.confirms(&stage, &hanako, &submitted).await?;
    assert_eq!((linked.outcome(), linked.reason()), (LinkOutcome::Linked, LinkReason::None));
    assert_eq!(linked.customer_id, customer);
    let line = shop.record(&stage, &customer).await?.line.unwrap_or_default();
    assert_eq!(line.links[0].assurance(), Assurance::Name);

    let theirs = testkit::eventually(SOON, async || {
        let theirs = conversations(&stage, &shop, &customer).await?;
        theirs.into_iter().next().ok_or_else(|| "the customer has no conversation".to_owned())
    })
    .await?;
    assert_eq!((theirs.customer_id.as_str(), theirs.customer_display_name.as_str()), (customer.as_str(), "山田 花子"));
    testkit::eventually(SOON, async || {
        let shown = inquiries(&stage, &shop, &theirs.conversation_id).await?;
        let right = shown.len() == 1 && shown[0].state() == InquiryState::Confirmed;
        if right {
            Ok(())
        } else {
            Err(format!("{} inquiries: {:?}", shown.len(), shown.first().map(InquiryContent::state)))
        }
    })
    .await?;
    let linking = shop.sent_to(&stage, &hanako).await?.pop().unwrap();

    // Nobody is called that; the answer is the same, and so is what it is made of.
    let taro = friend(&stage, &shop, "たろう").await?;
    let other = shop.asks_to_be_linked(&stage, &taro, INQUIRY, &typed("山田", "花代", "駐車場は?")).await?;
    assert_ne!(other.outcome(), LinkOutcome::Linked);
    let not_linking = shop.sent_to(&stage, &taro).await?.pop().unwrap();
    assert_eq!((&linking.messages, linking.method), (&not_linking.messages, not_linking.method), "the answers differ");

    assert!(texts(&shop.taps(&stage, &hanako, "tsunagi:unlink").await?)[0].contains("解除しますか"));
    assert!(shop.record(&stage, &customer).await?.line.unwrap_or_default().linked, "asking ended it");
    let unlinked = shop.taps(&stage, &hanako, "tsunagi:unlink:yes").await?;
    assert_eq!(unlinked.method, Method::Reply);
    let line = shop.record(&stage, &customer).await?.line.unwrap_or_default();
    assert_eq!((line.linked, line.line_name.as_str()), (false, "未連携"));
    testkit::eventually(SOON, async || {
        let theirs = conversations(&stage, &shop, &customer).await?;
        if theirs.is_empty() { Ok(()) } else { Err("the conversation still shows the customer".to_owned()) }
    })
    .await?;
    Ok(())
}

/// L-04: whoever the form's address was forwarded to confirms as himself, and that links nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_forwarded_form_links_neither_who_sent_it_on_nor_who_confirms_it() -> anyhow::Result<()> {
    let platform = Platform::start(Options::default()).await?;
    let stage = platform.stage();
    let shop = Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
    let customer = shop.customer(&stage, ("山田", "花子"), "09012345678").await?;
    let (hanako, other) = (friend(&stage, &shop, "はなこ").await?, friend(&stage, &shop, "ほかのひと").await?);
    let before = shop.sent_to(&stage, &other).await?.len();
    let submitted = shop.submits(&stage, &hanako, INQUIRY, &typed("山田", "花子", "空いていますか")).await?;
    let refused = shop.confirms(&stage, &other, &submitted).await?;
    assert_eq!((refused.outcome(), refused.reason()), (LinkOutcome::Refused, LinkReason::NotConfirmedByLine));
    assert!(!shop.record(&stage, &customer).await?.line.unwrap_or_default().linked);
    assert_eq!(shop.attempts(&stage, &other).await?.len(), 0, "an attempt of somebody who made none");
    // The real one comes too late: LINE's token is used up, and what was refused stays refused.
    let late = stage.line.open_link(&hanako.id, &submitted.dialog).await?;
    assert_eq!(late.status, 400);
    testkit::eventually(SOON, async || {
        for conversation in conversations(&stage, &shop, "").await? {
            let shown = inquiries(&stage, &shop, &conversation.conversation_id).await?;
            if shown.iter().any(|inquiry| inquiry.state() == InquiryState::Refuted) {
                return Ok(());
            }
        }
        Err("the inquiry does not say that somebody else sent it".to_owned())
    })
    .await?;
    assert_eq!(shop.sent_to(&stage, &other).await?.len(), before, "somebody was answered whom LINE never named");
    Ok(())
}

/// LINE's word → webhook → identity-linking decides → messaging-outbox answers LINE: one trace.
#[tokio::test(flavor = "multi_thread")]
async fn one_trace_runs_from_lines_word_to_the_answer_in_the_chat() -> anyhow::Result<()> {
    let sink = Sink::start().await?;
    let settings = BTreeMap::from([("TSUNAGI_OTLP_ENDPOINT".to_owned(), sink.endpoint())]);
    let platform = Platform::start(Options { settings, ..Options::default() }).await?;
    let stage = platform.stage();
    let shop = Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
    let hanako = friend(&stage, &shop, "はなこ").await?;
    shop.asks_to_be_linked(&stage, &hanako, INQUIRY, &typed("山田", "花子", "空いていますか")).await?;
    let wanted: BTreeSet<&str> = ["webhook-ingest", "identity-linking", "messaging-outbox"].into();
    testkit::eventually(SOON, async || {
        let spans = sink.spans();
        let replies = spans.iter().filter(|span| {
            span.name == "line.call" && span.attributes.get("endpoint").is_some_and(|end| end.ends_with("Reply"))
        });
        let whole = |trace: &str| {
            let services: BTreeSet<&str> =
                spans.iter().filter(|span| span.trace_id == trace).map(|span| span.service.as_str()).collect();
            services.is_superset(&wanted)
        };
        // The card, and the answer to LINE's word.
        let traces: BTreeSet<&str> = replies.map(|span| span.trace_id.as_str()).filter(|trace| whole(trace)).collect();
        if traces.len() == 2 {
            Ok(())
        } else {
            Err(format!("{} answers in a trace of all three services", traces.len()))
        }
    })
    .await?;
    // What was typed is in no span.
    let told: Vec<Value> = sink.spans().iter().map(|span| serde_json::json!(span.attributes)).collect();
    let told = serde_json::to_string(&told)?;
    assert!(!told.contains("花子") && !told.contains("/f/0"), "a span tells what was typed, or the form token");
    Ok(())
}
