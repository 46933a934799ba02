//! Slots that come too late, and what is no slot.

use chrono::TimeDelta;
use contracts::events::v1::DigestDue;
use contracts::operations::v1::ListDeadLettersRequest;
use contracts::timestamp;
use kernel::{Clock as _, SystemClock};
use testkit::eventually;

use super::slot::{on_line, outcome, say, slot, told};
use crate::notices::place::Office;
use crate::world::{SOON, World};

#[tokio::test]
async fn a_slot_that_is_heard_too_late_tells_nobody_and_says_so() {
    let world = World::new("digest_late").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let office = Office::open(&world, &tenant).await;
    let administrator = on_line(&world, &tenant, &office, &[], true).await;
    house.conversing(&world, &tenant).await;
    let expire_time = Some(timestamp(SystemClock.now() - TimeDelta::seconds(1)));
    let due = DigestDue { expire_time, send_empty: true, ..slot(200) };
    say(&world, &tenant, &due).await;
    let digests = told(&house, &tenant, &due, 2).await;
    let digest = &digests[&administrator.id];
    assert_eq!((outcome(digest), digest.conversation_count, digest.body.as_str()), ("EXPIRED", 1, ""));
    assert_eq!(world.number("SELECT count(*) FROM messaging.notice").await, 0);
    house.close().await;
}

#[tokio::test]
async fn what_is_no_slot_becomes_a_dead_letter_and_holds_up_nothing() {
    let world = World::new("digest_bad").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let bad = [
        DigestDue { slot_time: None, ..slot(9) },
        DigestDue { expire_time: None, ..slot(8) },
        DigestDue { local_time: "eight".to_owned(), ..slot(7) },
        DigestDue { recipient_staff_ids: vec!["nobody".to_owned()], ..slot(6) },
        DigestDue { recipient_staff_ids: vec![tenant.staff.to_string(); 1_001], ..slot(5) },
    ];
    for due in &bad {
        say(&world, &tenant, due).await;
    }
    let good = slot(4);
    say(&world, &tenant, &good).await;
    told(&house, &tenant, &good, 1).await;
    eventually(SOON, || async {
        let request = ListDeadLettersRequest::default();
        let letters = house.dead_letters(&tenant).list_dead_letters(request).await.unwrap().into_inner().dead_letters;
        if letters.len() == bad.len() { Ok(()) } else { Err(letters.len()) }
    })
    .await
    .unwrap();
    assert_eq!(world.number("SELECT count(*) FROM messaging.digest_slot").await, 1);
    house.close().await;
}
