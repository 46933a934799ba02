//! Every check of what linking came to is shown a state that is wrong, and sees it: a check that cannot fail shows nothing.

use contracts::messaging::v1::message_content::Kind as Content;
use contracts::messaging::v1::{MessageContent, SendMessageRequest, TextContent};
use tsunagi::stage::{Person, Stage, until};
use uuid::Uuid;

use super::linking::{Linker, Way, sent_to};
use super::*;

/// What is done to the tables, how it is undone, and what must be said of it. `$1` is a customer who is linked, `$2` the LINE user,
/// `$3` somebody else.
const SPOILT: [(&str, &str, &str); 13] = [
    (
        "UPDATE identity.link SET end_time = now(), end_cause = 'STAFF' WHERE customer_id = $1",
        "UPDATE identity.link SET end_time = NULL, end_cause = NULL WHERE customer_id = $1",
        "1 links, 0 active",
    ),
    ("UPDATE identity.link SET friend_id = $3 WHERE customer_id = $1", BACK, "know of other links"),
    (
        "WITH l AS (DELETE FROM identity.link WHERE customer_id = $1 RETURNING *) INSERT INTO spoilt_link SELECT * FROM l",
        "WITH l AS (DELETE FROM spoilt_link RETURNING *) INSERT INTO identity.link SELECT * FROM l",
        "0 links, 0 active",
    ),
    (
        "INSERT INTO identity.link SELECT (jsonb_populate_record(l, jsonb_build_object('link_id', gen_random_uuid(),
             'end_time', now(), 'end_cause', 'MERGE', 'note', 'twice'))).* FROM identity.link l WHERE customer_id = $1",
        "DELETE FROM identity.link WHERE note = 'twice'",
        "2 links, 1 active",
    ),
    (
        "INSERT INTO identity.link_attempt (tenant_id, link_attempt_id, version, method, account_id, friend_id, submit_time,
             confirm_until)
         SELECT tenant_id, gen_random_uuid(), 99, method, account_id, friend_id, submit_time, now() + interval '1 hour'
         FROM identity.link_attempt WHERE friend_id = $2 LIMIT 1",
        "DELETE FROM identity.link_attempt WHERE version = 99",
        "1 of ",
    ),
    (
        "UPDATE messaging.link_replica SET end_time = now() WHERE customer_id = $1",
        "UPDATE messaging.link_replica SET end_time = NULL WHERE customer_id = $1",
        "0 conversations beside the customer",
    ),
    (
        "UPDATE messaging.link_replica SET version = 9 WHERE customer_id = $1",
        "UPDATE messaging.link_replica SET version = 1 WHERE customer_id = $1",
        "1 links that messaging-outbox knows otherwise",
    ),
    (
        "UPDATE identity.link SET link_attempt_id =
             (SELECT link_attempt_id FROM identity.link_attempt WHERE friend_id = $3 LIMIT 1)
         WHERE customer_id = $1",
        MADE,
        "1 links made by somebody else's attempt",
    ),
    (
        "UPDATE identity.link SET link_attempt_id = NULL WHERE customer_id = $1",
        MADE,
        "1 links that no attempt made",
    ),
    (
        "UPDATE identity.link SET create_time = end_time + interval '1 hour' WHERE end_cause = 'LINE_USER'",
        "UPDATE identity.link SET create_time = end_time - interval '1 second' WHERE end_cause = 'LINE_USER'",
        "links that ended before they began",
    ),
    (
        "INSERT INTO identity.audit (tenant_id, actor_kind, service, action, subject, detail)
         SELECT tenant_id, 'service', 'spoilt', action, subject, detail FROM identity.audit
         WHERE action = 'link.begin' LIMIT 1",
        "DELETE FROM identity.audit WHERE service = 'spoilt'",
        "1 links that began twice",
    ),
    (
        "UPDATE identity.takeover_request SET state = 'APPROVED' WHERE state = 'CONFIRMED'",
        "UPDATE identity.takeover_request SET state = 'CONFIRMED' WHERE state = 'APPROVED'",
        "requests to take the link over",
    ),
    (
        "UPDATE identity.link SET end_cause = 'STAFF' WHERE end_cause = 'TAKEOVER'",
        "UPDATE identity.link SET end_cause = 'TAKEOVER' WHERE end_cause = 'STAFF'",
        "links that are not one that ended and one that took over",
    ),
];
/// Gives a link the attempt that made it.
const MADE: &str = "UPDATE identity.link l SET link_attempt_id = a.link_attempt_id FROM identity.link_attempt a
     WHERE l.customer_id = $1 AND a.customer_id = $1 AND a.friend_id = $2 AND a.outcome = 'LINKED'";
/// Gives a link back to whose it is.
const BACK: &str = "UPDATE identity.link SET friend_id = $2 WHERE customer_id = $1";

/// What waits too long: what is done to the tables, how it is undone, and what must be said of it.
const ENDLESS: [(&str, &str, &str); 3] = [
    (
        "INSERT INTO identity.link_attempt (tenant_id, link_attempt_id, version, method, account_id, friend_id, submit_time,
             confirm_until)
         SELECT tenant_id, gen_random_uuid(), 99, method, account_id, friend_id, submit_time, now() + interval '7 hours'
         FROM identity.link_attempt LIMIT 1",
        "DELETE FROM identity.link_attempt WHERE version = 99",
        "1 attempts that wait",
    ),
    (
        "UPDATE identity.form_token SET expire_time = expire_time + interval '7 hours'",
        "UPDATE identity.form_token SET expire_time = expire_time - interval '7 hours'",
        "form tokens that live",
    ),
    (
        "UPDATE identity.takeover_request SET state = 'OPEN', settle_time = NULL, expire_time = now() + interval '15 days'",
        "UPDATE identity.takeover_request SET state = 'CONFIRMED', settle_time = now(), expire_time = now()",
        "requests to take a link over that wait",
    ),
];

/// What is done to what was expected of somebody.
type Spoil = fn(&mut Linker);

/// a run whose links are not as they must be is not sound.
#[tokio::test(flavor = "multi_thread")]
async fn every_check_of_linking_sees_what_is_wrong() -> anyhow::Result<()> {
    let platform = platform().await?;
    let load = Load::prepare(&platform).await?;
    let (stage, course) = (platform.stage(), Course::new());
    course.reach(Phase::After);
    let begun = Begun::now(&stage, &load).await?;
    let mut sent = Box::pin(load.traffic(&stage, &course, 1, None)).await?;
    end(&platform, &load, &sent, begun, &mut None).await?;
    let mut admin = PgConnection::connect(&platform.admin_url()).await?;
    sqlx::query("CREATE TABLE spoilt_link (LIKE identity.link)").execute(&mut admin).await?;
    let looked = async |sent: &Sent, more: i64| {
        let begun = Begun { linked: begun.linked + more, ..begun };
        let seen = verdict::look(&stage, &platform.admin_url(), &load, sent, begun).await;
        seen.err().map(|problem| format!("{problem:#}")).unwrap_or_default()
    };
    assert_eq!(looked(&sent, 0).await, "");

    let of = |way: Way| sent.linkers.iter().find(|linker| linker.way == way).context("nobody took that way");
    let (somebody, other) = (of(Way::Links)?.clone(), of(Way::Forwards)?.person.clone());
    let customer = somebody.customer.parse()?;
    let (linked, other) = (friend_id(&mut admin, &somebody.person).await?, friend_id(&mut admin, &other).await?);
    for (spoil, mend, said) in SPOILT {
        altered(&mut admin, spoil, (customer, linked, other)).await?;
        let seen = looked(&sent, 0).await;
        assert!(seen.contains(said), "{spoil}\n\nis seen as: {seen:?}");
        altered(&mut admin, mend, (customer, linked, other)).await?;
        assert_eq!(looked(&sent, 0).await, "", "{mend}");
    }
    for (spoil, mend, said) in ENDLESS {
        altered(&mut admin, spoil, (customer, linked, other)).await?;
        let seen = invariants::end_by_themselves(&mut admin).await.unwrap_err().to_string();
        assert!(seen.contains(said), "{spoil}\n\nis seen as: {seen:?}");
        altered(&mut admin, mend, (customer, linked, other)).await?;
        invariants::end_by_themselves(&mut admin).await?;
    }

    // What was expected is as wrong as what is there.
    assert!(looked(&sent, 1).await.contains(&format!("customers are linked: {} before", begun.linked + 1)));
    let spoilt: [(Spoil, &str); 4] = [
        (|linker| linker.taps = 0, "0 taps, 1 cards"),
        (|linker| linker.texts.push("not sent".to_owned()), "an inquiry is there 0 times"),
        (|linker| linker.way = Way::Unlinks, "(1, 0) wanted"),
        (|linker| linker.stranger = Some(linker.person.clone()), "whom the dialog was sent to has 1 links"),
    ];
    for (spoil, said) in spoilt {
        let kept = sent.linkers.clone();
        let inquires = |linker: &&mut Linker| linker.way == Way::Links && !linker.texts.is_empty();
        sent.linkers.iter_mut().find(inquires).map(spoil).context("nobody inquired")?;
        let seen = looked(&sent, 0).await;
        assert!(seen.contains(said), "{said} is seen as: {seen:?}");
        sent.linkers = kept;
    }

    // LINE's books cannot be undone, so these come last.
    let holder = &sent.handover.holder.person;
    for (person, text, said) in
        [(holder, "tsunagi:takeover:", "asked 2 times"), (&somebody.person, "受け付けました。", "told 2 times")]
    {
        tell(&stage, &load, person, text).await?;
        let seen = looked(&sent, 0).await;
        assert!(seen.contains(said), "{said} is seen as: {seen:?}");
    }
    Ok(())
}

/// Changes tables as nobody but an administrator can.
async fn altered(admin: &mut PgConnection, statement: &str, of: (Uuid, Uuid, Uuid)) -> anyhow::Result<()> {
    let (customer, linked, other) = of;
    let mut statement = statement.to_owned();
    for (name, id) in [("$1", customer), ("$2", linked), ("$3", other)] {
        statement = statement.replace(name, &format!("'{id}'::uuid"));
    }
    let altered = sqlx::query(sqlx::AssertSqlSafe(statement.clone())).execute(admin).await?.rows_affected();
    anyhow::ensure!(altered > 0, "nothing was altered by: {statement}");
    Ok(())
}

async fn friend_id(admin: &mut PgConnection, person: &Person) -> anyhow::Result<Uuid> {
    let found = sqlx::query_scalar("SELECT friend_id FROM identity.line_user WHERE line_user_id = $1");
    Ok(found.bind(person.user_id.as_str()).fetch_one(admin).await?)
}

/// Has staff write to somebody, and waits until LINE took it.
async fn tell(stage: &Stage, load: &Load, person: &Person, text: &str) -> anyhow::Result<()> {
    let hello = format!("もしもし {}", person.display_name);
    stage.line.write_text(&load.shop.card.channel_id, &person.id, &hello).await?;
    let (conversation, _) = load.shop.sees(stage, &hello).await?;
    let before = sent_to(stage, &load.shop, person).await?.len();
    let content =
        MessageContent { kind: Some(Content::Text(TextContent { text: text.to_owned(), ..TextContent::default() })) };
    let request = SendMessageRequest {
        conversation_id: conversation.conversation_id,
        content: Some(content),
        request_id: Uuid::new_v4().to_string(),
        ..SendMessageRequest::default()
    };
    load.shop.messages(stage)?.send_message(request).await?;
    until(Duration::from_secs(30), async || {
        let sent = sent_to(stage, &load.shop, person).await?;
        anyhow::ensure!(sent.len() > before, "nothing was sent");
        Ok(())
    })
    .await
}
