//! The live stream.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{AccountReplica, PrincipalReplica, StaffReplica};
use contracts::messaging::v1 as wire;
use kernel::{Clock as _, SystemClock};
use testkit::eventually;
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt as _;

use crate::house::House;
use crate::world::{SOON, Tenant, World, text};

type Stream = Streaming<wire::WatchConversationsResponse>;

async fn watch(house: &House, tenant: &Tenant, cursor: &str) -> Result<Stream, Status> {
    let request = wire::WatchConversationsRequest { cursor: cursor.to_owned(), ..Default::default() };
    Ok(house.conversations(tenant).watch_conversations(request).await?.into_inner())
}

async fn next(stream: &mut Stream) -> Result<wire::WatchConversationsResponse, Status> {
    Ok(tokio::time::timeout(SOON, stream.message()).await.unwrap()?.unwrap())
}

/// A cursor as it is made, at `seconds` from now.
fn cursor(like: &str, seconds: i64, transaction: Option<i64>) -> String {
    let mut cursor: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(like).unwrap()).unwrap();
    cursor["time"] = (cursor["time"].as_i64().unwrap() + seconds).into();
    if let Some(transaction) = transaction {
        cursor["transaction"] = transaction.into();
    }
    URL_SAFE_NO_PAD.encode(cursor.to_string())
}

#[tokio::test]
async fn a_watcher_hears_of_every_message_and_goes_on_from_its_cursor() {
    let world = World::new("watch").await;
    let house = world.open().await;
    let other = world.open().await;
    let tenant = world.tenant(&house).await;
    let request = wire::WatchConversationsRequest::default();
    let mut stream = eventually(SOON, || async {
        other.conversations(&tenant).watch_conversations(request.clone()).await.map_err(|status| status.code())
    })
    .await
    .unwrap()
    .into_inner();
    let start = stream.message().await.unwrap().unwrap();
    assert!(start.conversation.is_none() && !start.cursor.is_empty());

    let person = world.friend(&tenant).await;
    for number in 0..5 {
        world.control.write_text(&tenant.card.channel_id, &person, &format!("line {number}")).await.unwrap();
    }
    let mut heard = Vec::new();
    while heard.len() < 5 {
        let next = tokio::time::timeout(SOON, stream.message()).await.unwrap().unwrap().unwrap();
        heard.extend(next.message.as_ref().map(|message| text(message).to_owned()));
    }
    heard.sort();
    assert_eq!(heard, ["line 0", "line 1", "line 2", "line 3", "line 4"]);

    // From the first cursor on, everything again, whoever is asked.
    let again = wire::WatchConversationsRequest { cursor: start.cursor, ..Default::default() };
    let mut stream = house.conversations(&tenant).watch_conversations(again).await.unwrap().into_inner();
    let mut repeated = std::collections::BTreeSet::new();
    while repeated.len() < 5 {
        let next = tokio::time::timeout(SOON, stream.message()).await.unwrap().unwrap().unwrap();
        repeated.extend(next.message.as_ref().map(|message| text(message).to_owned()));
    }
    let wrong = wire::WatchConversationsRequest { cursor: "nonsense".to_owned(), ..Default::default() };
    let status = house.conversations(&tenant).watch_conversations(wrong).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    drop(stream);
    house.close().await;
    other.close().await;
}

#[tokio::test]
async fn a_quiet_stream_beats_and_its_beats_carry_a_cursor() {
    let world = World::new("heartbeat").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let mut stream = watch(&house, &tenant, "").await.unwrap();
    next(&mut stream).await.unwrap();
    let beat = next(&mut stream).await.unwrap();
    assert!(beat.conversation.is_none() && beat.message.is_none());
    // Going on from a beat misses nothing.
    let person = world.friend(&tenant).await;
    world.control.write_text(&tenant.card.channel_id, &person, "after the beat").await.unwrap();
    house.conversation_with(&tenant, 1).await;
    let mut stream = watch(&house, &tenant, &beat.cursor).await.unwrap();
    while next(&mut stream).await.unwrap().message.is_none_or(|message| text(&message) != "after the beat") {}
    drop(stream);
    house.close().await;
}

#[tokio::test]
async fn a_watcher_that_falls_behind_is_told_so_and_misses_nothing_from_its_cursor_on() {
    let world = World::new("lagging").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (person, conversation) = house.conversing(&world, &tenant).await;
    let mut stream = watch(&house, &tenant, "").await.unwrap();
    let mut last = next(&mut stream).await.unwrap().cursor;
    // Nobody reads: what the connection holds is soon full, then what the service keeps for a slow one.
    let long = "長".repeat(5_000);
    for _ in 0..190 {
        world.control.write_text(&tenant.card.channel_id, &person, &long).await.unwrap();
    }
    house.conversation_with(&tenant, 191).await;
    let read = wire::MarkReadRequest { conversation_id: conversation.conversation_id.clone(), ..Default::default() };
    for _ in 0..900 {
        house.conversations(&tenant).mark_read(read.clone()).await.unwrap();
    }
    world.control.write_text(&tenant.card.channel_id, &person, "the last").await.unwrap();
    let status = loop {
        match next(&mut stream).await {
            Ok(heard) => last = heard.cursor,
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), Code::OutOfRange);
    assert_eq!(status.get_details_error_info().unwrap().reason, "WATCH_LAGGED");
    let mut stream = watch(&house, &tenant, &last).await.unwrap();
    while next(&mut stream).await.unwrap().message.is_none_or(|message| text(&message) != "the last") {}
    drop(stream);
    house.close().await;
}

#[tokio::test]
async fn a_cursor_that_is_too_old_or_no_cursor_is_refused_and_another_tenants_shows_nothing_of_it() {
    let world = World::new("cursors").await;
    let house = world.open().await;
    let (ours, theirs) = (world.tenant(&house).await, world.tenant(&house).await);
    let mut stream = watch(&house, &ours, "").await.unwrap();
    let start = next(&mut stream).await.unwrap().cursor;
    house.conversing(&world, &ours).await;

    for past in [cursor(&start, -25 * 3600, None), cursor(&start, 0, Some(i64::MAX))] {
        let status = watch(&house, &ours, &past).await.unwrap_err();
        assert_eq!(status.code(), Code::OutOfRange);
        assert_eq!(status.get_details_error_info().unwrap().reason, "WATCH_LAGGED");
    }
    let minus = |seconds: i64| cursor(&start, seconds, Some(-1));
    for forged in [minus(0), cursor(&start, -9_000_000_000_000_000_000, None), "\0".to_owned(), "bnVsbA".to_owned()] {
        let status = watch(&house, &ours, &forged).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{forged}");
    }
    let mut stream = watch(&house, &theirs, &start).await.unwrap();
    next(&mut stream).await.unwrap();
    let (_, conversation) = house.conversing(&world, &theirs).await;
    let heard = next(&mut stream).await.unwrap().conversation.unwrap();
    assert_eq!(heard.conversation_id, conversation.conversation_id, "their own, and nothing before it");
    drop(stream);
    house.close().await;
}

#[tokio::test]
async fn two_hundred_watchers_all_hear_and_those_of_another_account_hear_nothing_of_it() {
    let world = World::new("watchers").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let mut streams = Vec::new();
    for _ in 0..200 {
        let mut stream = watch(&house, &tenant, "").await.unwrap();
        next(&mut stream).await.unwrap();
        streams.push(stream);
    }
    let second = uuid::Uuid::new_v4().to_string();
    let provider_id = tenant.provider.to_string();
    let account = AccountReplica { account_id: second.clone(), version: 1, provider_id, ..Default::default() };
    world.say(&tenant, Body::Account(account)).await;
    let elsewhere = wire::WatchConversationsRequest { account_ids: vec![second], ..Default::default() };
    let mut other = eventually(SOON, || async {
        let watched = house.conversations(&tenant).watch_conversations(elsewhere.clone()).await;
        watched.map_err(|status| status.code())
    })
    .await
    .unwrap()
    .into_inner();
    next(&mut other).await.unwrap();
    house.conversing(&world, &tenant).await;
    for stream in &mut streams {
        while next(stream).await.unwrap().message.is_none_or(|message| text(&message) != "hello") {}
    }
    assert!(next(&mut other).await.unwrap().conversation.is_none(), "a beat alone");
    drop((streams, other));
    house.close().await;
}

#[tokio::test]
async fn a_watch_ends_with_the_rights_of_who_watches() {
    let world = World::new("watch_revoked").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let request = wire::WatchConversationsRequest::default();
    let by_staff = house.conversations(&tenant).watch_conversations(tenant.as_staff(request)).await;
    let (mut by_staff, mut by_program) = (by_staff.unwrap().into_inner(), watch(&house, &tenant, "").await.unwrap());
    next(&mut by_staff).await.unwrap();
    next(&mut by_program).await.unwrap();
    let (deactivated, revoked) = (
        StaffReplica { staff_id: tenant.staff.to_string(), version: 2, active: false, ..Default::default() },
        PrincipalReplica {
            principal_id: tenant.token.principal.to_string(),
            version: 2,
            tenant_id: tenant.id.to_string(),
            token_hash: tenant.token.hash().to_vec(),
            revoke_time: Some(contracts::timestamp(SystemClock.now())),
            ..Default::default()
        },
    );
    world.say(&tenant, Body::Staff(deactivated)).await;
    assert_eq!(end(&mut by_staff).await, Code::Unauthenticated);
    // The program's own goes on until the program is revoked, too.
    world.control.write_text(&tenant.card.channel_id, &world.friend(&tenant).await, "still here").await.unwrap();
    while next(&mut by_program).await.unwrap().message.is_none() {}
    world.say(&tenant, Body::Principal(revoked)).await;
    assert_eq!(end(&mut by_program).await, Code::Unauthenticated);
    house.close().await;
}

/// How the stream ends, within five seconds.
async fn end(stream: &mut Stream) -> Code {
    let end = async {
        loop {
            if let Err(status) = stream.message().await.map(Option::unwrap) {
                return status.code();
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), end).await.unwrap()
}
