//! A link, from the tap to what staff see.

use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{Assurance, InquiryState};
use contracts::identity::v1::*;

use super::stage::{HANAKO, MOBILE, OTHER_MOBILE, Stage, decision, person};

#[tokio::test]
async fn the_link_form_links_the_one_customer_with_name_and_number_and_staff_see_it() {
    let stage = Stage::open("link").await;
    let who = person(1);
    stage.house.messaging.name(&who, "はなこ🌸");
    let customer = stage.customer(HANAKO, MOBILE).await;
    stage.customer(("山田", "次郎"), MOBILE).await;
    stage.customer(HANAKO, OTHER_MOBILE).await;
    let before = stage.standing(&customer).await;
    assert_eq!((before.linked, &*before.line_name, before.tab()), (false, "未連携", LineTab::NotLinked));

    let nonce = stage.ask(&who, (" 山 田", "花子　"), "０９０ー１２３４ー５６７８").await;
    let waiting = stage.attempt_of(&who).await;
    assert_eq!((waiting.state(), waiting.outcome()), (LinkAttemptState::Pending, LinkOutcome::Unspecified));
    assert_eq!((stage.active().await, &*waiting.customer_id), (0, ""), "typing alone links nothing");

    let attempt = stage.confirm(&who, &nonce).await;
    assert_eq!(decision(&attempt), (LinkOutcome::Linked, LinkReason::None));
    assert_eq!((&attempt.customer_id, &*attempt.mobile_number), (&customer, "+819012345678"));
    let said = attempt.explanation.unwrap();
    assert!(said.ja.chars().any(|c| c >= '\u{3041}') && said.en.is_ascii(), "{said:?}");
    let link = stage.links_of(&who).await.remove(0);
    assert_eq!(
        (&link.customer_id, link.assurance(), link.origin()),
        (&customer, Assurance::NameAndMobile, LinkOrigin::Match)
    );
    assert_eq!((&link.link_attempt_id, link.end_time), (&attempt.link_attempt_id, None));
    let told = stage.told_links().await;
    assert_eq!((told.len(), &told[0].customer_id, &told[0].line_user_id), (1, &customer, &who));
    assert_eq!((told[0].assurance(), told[0].end_time, told[0].version), (Assurance::NameAndMobile, None, 1));

    let standing = Stage::until(|| async {
        let standing = stage.standing(&customer).await;
        if standing.line_name == "はなこ🌸" { Ok(standing) } else { Err(standing.line_name) }
    });
    let standing = standing.await;
    assert_eq!((standing.linked, standing.tab(), standing.links.len()), (true, LineTab::Open, 1));
    assert_eq!(standing.links[0].link_id, link.link_id);
    let received = stage.answers(&who).await.pop().unwrap();
    assert!(received.line_objects[0].contains("受け付けました"), "whoever confirmed is told so");
    stage.replay().await;
}

#[tokio::test]
async fn the_inquiry_form_links_by_the_name_alone_and_the_inquiry_says_who_line_says_it_was() {
    let stage = Stage::open("link_inquiry").await;
    let who = person(1);
    let customer = stage.customer(("やまだ", "ハナコ"), OTHER_MOBILE).await;
    let nonce = stage.inquire(&who, ("ヤマダ", "ﾊﾅｺ")).await;
    let attempt = stage.confirm(&who, &nonce).await;
    assert_eq!(decision(&attempt), (LinkOutcome::Linked, LinkReason::None));
    assert_eq!(stage.linked(&who).await, [(customer, Assurance::Name)]);
    let told = stage.house.told(Some(stage.tenant)).await.into_iter();
    let told: Vec<_> = told.filter_map(|body| if let Body::Inquiry(one) = body { Some(one) } else { None }).collect();
    let states: Vec<_> = told.iter().map(|one| (one.version, one.state())).collect();
    assert_eq!(states, [(1, InquiryState::Unconfirmed), (2, InquiryState::Confirmed)]);
    assert_eq!((&*told[0].text, &told[0].line_user_id), ("明日は空いていますか", &who));
    assert!(!told[0].name.is_empty());
    stage.replay().await;
}

#[tokio::test]
async fn a_reading_stands_for_the_name_beside_the_number_and_never_alone() {
    let stage = Stage::open("link_reading").await;
    let customer = stage.customer_read(HANAKO, ("ヤマダ", "ハナコ"), MOBILE).await;
    let alone = stage.inquire(&person(1), ("やまだ", "はなこ")).await;
    let alone = stage.confirm(&person(1), &alone).await;
    assert_eq!(decision(&alone), (LinkOutcome::CreatedNew, LinkReason::NameMismatch));
    assert_ne!(alone.customer_id, customer);
    let both = stage.link(&person(2), ("やまだ", "はなこ"), MOBILE).await;
    assert_eq!((decision(&both), &both.customer_id), ((LinkOutcome::Linked, LinkReason::None), &customer));
    stage.replay().await;
}

#[tokio::test]
async fn a_customer_with_one_name_is_found_by_it_wherever_it_stands() {
    let stage = Stage::open("link_one_name").await;
    let customer = stage.customer(("", "スー・チー"), MOBILE).await;
    let attempt = stage.link(&person(1), ("スーチー", ""), MOBILE).await;
    assert_eq!((decision(&attempt), attempt.customer_id), ((LinkOutcome::Linked, LinkReason::None), customer));
    let token = stage.tap(&person(2), "reservations").await;
    let nameless = stage.look(&token).await.submit(&[("family", " "), ("given", ""), ("mobile", MOBILE)]).await;
    assert_eq!(nameless.status, 422);
    stage.replay().await;
}

#[tokio::test]
async fn whoever_matches_nobody_gets_a_record_of_his_own_linked_from_the_start() {
    let stage = Stage::open("link_new").await;
    for (who, form) in [(1, "inquiry"), (2, "link")] {
        let who = person(who);
        let nonce = if form == "inquiry" {
            stage.inquire(&who, ("鈴木", "一郎")).await
        } else {
            stage.ask(&who, ("佐藤", "二郎"), MOBILE).await
        };
        let attempt = stage.confirm(&who, &nonce).await;
        assert_eq!(decision(&attempt), (LinkOutcome::CreatedNew, LinkReason::NoMatch));
        assert_eq!(stage.linked(&who).await, [(attempt.customer_id.clone(), Assurance::Proven)]);
        let made = stage.record(&attempt.customer_id).await;
        assert!(made.provisional && made.line.unwrap().linked);
        let of_customer = ListLinkAttemptsRequest { customer_id: attempt.customer_id.clone(), ..Default::default() };
        let listed = stage.at().attempts().list_link_attempts(of_customer).await.unwrap().into_inner().link_attempts;
        assert_eq!(listed, [attempt], "a customer's attempts are those it was linked by, too");
    }
    stage.replay().await;
}

#[tokio::test]
async fn an_inquiry_of_a_linked_user_changes_no_link_whatever_name_it_bears() {
    let stage = Stage::open("link_again").await;
    let who = person(1);
    let customer = stage.customer(HANAKO, MOBILE).await;
    stage.customer(("鈴木", "一郎"), OTHER_MOBILE).await;
    stage.link(&who, HANAKO, MOBILE).await;
    let nonce = stage.inquire(&who, ("鈴木", "一郎")).await;
    let attempt = stage.confirm(&who, &nonce).await;
    assert_eq!(decision(&attempt), (LinkOutcome::AlreadyLinked, LinkReason::None));
    let other = stage.link(&who, ("鈴木", "一郎"), OTHER_MOBILE).await;
    assert_eq!(decision(&other), (LinkOutcome::Refused, LinkReason::LineUserHasOtherCustomer));
    assert_eq!(stage.linked(&who).await, [(customer, Assurance::NameAndMobile)]);
    assert_eq!((stage.links_of(&who).await.len(), stage.count("identity.customer").await), (1, 2));
    stage.replay().await;
}
