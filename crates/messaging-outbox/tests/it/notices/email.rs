//! Notices by e-mail.

use std::os::unix::process::ExitStatusExt as _;

use contracts::messaging::v1 as wire;
use testkit::eventually;
use wire::{NoticeChannel, NoticeFailure, NoticeState};

use super::mail_server::{Act, MailServer};
use super::place::{Member, Office, friends_come, settled};
use crate::killing::launch;
use crate::world::{SOON, Tenant, World};

/// An office with one member, who has an e-mail address and is not on LINE.
async fn staffed(world: &World, tenant: &Tenant) -> (Office, Member) {
    let office = Office::open(world, tenant).await;
    let member = office.member(world, tenant, office.branch, true).await;
    member.contact(world, tenant, 2, office.account, "", "sato@shop.example").await;
    (office, member)
}

fn header<'a>(letter: &'a str, name: &str) -> &'a str {
    letter.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default()
}

#[tokio::test]
async fn who_is_not_on_line_gets_one_letter_over_tls() {
    let world = World::new("notice_email").await;
    let server = MailServer::start_tls(&[Act::Take]).await;
    let house = world.open_with(|config| config.mail = Some(server.config())).await;
    let tenant = world.tenant(&house).await;
    let (office, _) = staffed(&world, &tenant).await;
    friends_come(&world, &tenant, &office, 1).await;
    let standing = settled(&house, &tenant, NoticeChannel::Email, 1).await;
    assert_eq!(standing, [(NoticeState::Delivered, NoticeFailure::Unspecified, 1)]);
    let on_line = settled(&house, &tenant, NoticeChannel::Line, 1).await;
    assert_eq!(on_line, [(NoticeState::NoChannel, NoticeFailure::Unspecified, 0)]);
    let letters = server.letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(header(&letters[0], "To: "), "sato@shop.example");
    assert_eq!(header(&letters[0], "Auto-Submitted: "), "auto-generated");
    let list = house.notices(&tenant).list_notices(wire::ListNoticesRequest::default()).await.unwrap().into_inner();
    let id = &list.notices[0].notice_id;
    assert_eq!(header(&letters[0], "Message-ID: "), format!("<{id}@shop.example>"));
    house.close().await;
}

#[tokio::test]
async fn a_letter_is_offered_again_when_the_server_says_so_and_given_up_when_it_refuses() {
    let world = World::new("notice_email_again").await;
    let server =
        MailServer::start(&[Act::Full, Act::Full, Act::Take, Act::Greylist, Act::Take, Act::Refuse, Act::RefuseWhole])
            .await;
    let house = world.open_with(|config| config.mail = Some(server.config())).await;
    let tenant = world.tenant(&house).await;
    let (office, _) = staffed(&world, &tenant).await;
    for (count, expected) in [
        (1, (NoticeState::Delivered, NoticeFailure::Unspecified, 3)),
        (2, (NoticeState::Delivered, NoticeFailure::Unspecified, 2)),
        (3, (NoticeState::Failed, NoticeFailure::Refused, 1)),
        (4, (NoticeState::Failed, NoticeFailure::Refused, 1)),
    ] {
        friends_come(&world, &tenant, &office, 1).await;
        assert_eq!(settled(&house, &tenant, NoticeChannel::Email, count).await[0], expected);
    }
    house.close().await;
}

#[tokio::test]
async fn a_letter_of_which_nobody_knows_is_repeated_once_and_under_the_same_name() {
    let world = World::new("notice_email_unsure").await;
    let server = MailServer::start(&[Act::HangUp]).await;
    let house = world.open_with(|config| config.mail = Some(server.config())).await;
    let tenant = world.tenant(&house).await;
    let (office, _) = staffed(&world, &tenant).await;
    friends_come(&world, &tenant, &office, 1).await;
    let standing = settled(&house, &tenant, NoticeChannel::Email, 1).await;
    assert_eq!(standing, [(NoticeState::Failed, NoticeFailure::UnknownOutcome, 2)]);
    let letters = server.letters();
    assert_eq!(letters.len(), 2);
    assert_eq!(header(&letters[0], "Message-ID: "), header(&letters[1], "Message-ID: "));
    house.close().await;
}

/// As whoever died twice in the middle of it left it.
#[tokio::test]
async fn a_letter_that_was_left_unsure_as_often_as_may_be_is_offered_no_more() {
    let world = World::new("notice_email_left").await;
    let server = MailServer::start(&[Act::Greylist, Act::Take]).await;
    let house = world.open_with(|config| config.mail = Some(server.config())).await;
    let tenant = world.tenant(&house).await;
    let (office, _) = staffed(&world, &tenant).await;
    friends_come(&world, &tenant, &office, 1).await;
    eventually(SOON, || async {
        let tried = "SELECT count(*) FROM messaging.notice_delivery WHERE channel = 2 AND attempts = 1";
        let tried = world.number(tried).await;
        if tried == 1 { Ok(()) } else { Err(tried) }
    })
    .await
    .unwrap();
    world.admin("UPDATE messaging.notice_delivery SET unsure = 2 WHERE channel = 2").await;
    let standing = settled(&house, &tenant, NoticeChannel::Email, 1).await;
    assert_eq!(standing, [(NoticeState::Failed, NoticeFailure::UnknownOutcome, 2)]);
    assert_eq!(server.letters(), Vec::<String>::new());
    house.close().await;
}

#[tokio::test]
async fn a_process_killed_around_a_letter_repeats_it_once_at_most() {
    let world = World::new("notice_email_killed").await;
    for (place, least) in [("messaging.before_notice_email", 3), ("messaging.after_notice_email", 4)] {
        let server = MailServer::start(&[Act::Take]).await;
        let house = world.open().await;
        let tenant = world.tenant(&house).await;
        let (office, _) = staffed(&world, &tenant).await;
        house.close().await;
        let killed = launch(&world, testkit::port::free(), &format!("{place}=kill@2"))
            .env("TSUNAGI_SMTP_URL", server.url())
            .env("TSUNAGI_SMTP_FROM", "notices@shop.example");
        let mut killed = killed.start().unwrap();
        friends_come(&world, &tenant, &office, 3).await;
        let status = killed.exit(SOON).await.unwrap();
        assert_eq!(status.signal(), Some(9), "{place}: {:?}", killed.lines());

        let unsure = "SELECT count(*) FROM messaging.notice_delivery WHERE state = 1 AND unsure = 1";
        assert!(
            world.number(unsure).await >= 1,
            "{place}: that it may have been taken is known before it is handed over"
        );
        world.admin("UPDATE messaging.notice_email_job SET due = now()").await;
        let house = world.open_with(|config| config.mail = Some(server.config())).await;
        let standing = settled(&house, &tenant, NoticeChannel::Email, 3).await;
        assert!(standing.iter().all(|(state, ..)| *state == NoticeState::Delivered), "{place}: {standing:?}");
        let mut names: Vec<String> =
            server.letters().iter().map(|letter| header(letter, "Message-ID: ").to_owned()).collect();
        let letters = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 3, "{place}: nothing is lost");
        assert!((least..=6).contains(&letters), "{place}: {letters} letters");
        house.close().await;
    }
}

#[tokio::test]
async fn without_a_mail_server_or_an_address_there_is_no_channel() {
    let world = World::new("notice_no_email").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (office, member) = staffed(&world, &tenant).await;
    friends_come(&world, &tenant, &office, 1).await;
    let standing = settled(&house, &tenant, NoticeChannel::Email, 1).await;
    assert_eq!(standing[0].0, NoticeState::NoChannel);
    member.contact(&world, &tenant, 3, office.account, "", "").await;
    friends_come(&world, &tenant, &office, 1).await;
    let standing = settled(&house, &tenant, NoticeChannel::Email, 2).await;
    assert!(standing.iter().all(|(state, ..)| *state == NoticeState::NoChannel), "{standing:?}");
    eventually(SOON, || async {
        let jobs = world.number("SELECT count(*) FROM messaging.notice_email_job").await;
        if jobs == 0 { Ok(()) } else { Err(jobs) }
    })
    .await
    .unwrap();
    house.close().await;
}
