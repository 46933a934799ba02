//! What a LINE user made himself is his for certain as long as nobody else told something of it (D-7).

use contracts::events::v1::{Assurance, LinkReplica};
use contracts::identity::v1::*;
use tonic::Status;

use super::stage::{HANAKO, MOBILE, Nonce, OTHER_MOBILE, Stage, decision, nonce_in, person};
use super::submit::booking;

/// The LINE user who typed somebody's name and number before anything was on record.
const SQUATTER: u32 = 1;

/// A stage where he did, the customer that was made of it, and the link.
async fn squatted(hint: &str) -> (Stage, String, Link) {
    let stage = Stage::open(hint).await;
    let made = stage.link(&person(SQUATTER), HANAKO, MOBILE).await;
    assert_eq!(decision(&made), (LinkOutcome::CreatedNew, LinkReason::NoMatch));
    assert_eq!(stage.linked(&person(SQUATTER)).await, [(made.customer_id.clone(), Assurance::Proven)]);
    let link = stage.links_of(&person(SQUATTER)).await.remove(0);
    (stage, made.customer_id, link)
}

/// Books as a LINE user; the customer it is on, and the nonce.
async fn book(stage: &Stage, who: &str, reference: &str) -> (String, Nonce) {
    let token = stage.token(who).await;
    let submitted = stage.submit(booking(&token, HANAKO, MOBILE, reference)).await.unwrap();
    (submitted.activity.unwrap().customer_id, nonce_in(&submitted.redirect_uri))
}

/// How sure a user's link is.
async fn sure(stage: &Stage, who: u32) -> Assurance {
    stage.linked(&person(who)).await[0].1
}

async fn vouched(stage: &Stage, link: &Link) {
    let note = "来店時に確認".to_owned();
    let request = ConfirmLinkRequest { link_id: link.link_id.clone(), note, ..ConfirmLinkRequest::default() };
    stage.at().links().confirm_link(request).await.unwrap();
}

#[tokio::test]
async fn a_strangers_booking_lowers_the_link_of_whoever_made_the_record_until_staff_vouch_for_it() {
    for case in ["nobody", "unknown", "expired", "another"] {
        let (stage, made, link) = squatted(&format!("told_{case}")).await;
        // What he books himself changes nothing.
        let (on, nonce) = book(&stage, &person(SQUATTER), "B-1").await;
        assert_eq!((&on, sure(&stage, SQUATTER).await), (&made, Assurance::Proven), "{case}");
        stage.confirm(&person(SQUATTER), &nonce).await;
        assert_eq!(sure(&stage, SQUATTER).await, Assurance::Proven, "{case}");
        let book_as = async |reference: &str| {
            let token = match case {
                "nobody" => String::new(),
                "unknown" => format!("{}.{}", stage.tenant, "A".repeat(43)),
                "expired" => stage.token(&person(SQUATTER)).await,
                _ => stage.friends_with(&person(2)).await,
            };
            if case == "expired" {
                let end =
                    "UPDATE identity.form_token SET expire_time = now() - interval '1 second' WHERE use_time IS NULL";
                stage.alter(end).await;
            }
            let submitted = stage.submit(booking(&token, HANAKO, MOBILE, reference)).await.unwrap();
            assert_eq!(submitted.activity.unwrap().customer_id, made, "{case}");
        };
        book_as("B-2").await;
        assert_eq!(sure(&stage, SQUATTER).await, Assurance::NameAndMobile, "{case}");
        book_as("B-3").await;
        let told: Vec<Assurance> = stage.told_links().await.iter().map(LinkReplica::assurance).collect();
        assert_eq!(told, [Assurance::Proven, Assurance::NameAndMobile], "{case}: told once");
        let lowered = stage.house.audit(stage.tenant).await.into_iter().filter(|action| action == "link.lower").count();
        assert_eq!(lowered, 1, "{case}");
        vouched(&stage, &link).await;
        book_as("B-4").await;
        assert_eq!(sure(&stage, SQUATTER).await, Assurance::Proven, "{case}: staff know better");
        stage.replay().await;
    }
}

#[tokio::test]
async fn a_booking_with_his_form_that_line_does_not_confirm_lowers_his_link() {
    for case in ["failed", "another", "never", "refused"] {
        let (stage, made, _) = squatted(&format!("told_not_{case}")).await;
        let who = person(SQUATTER);
        if case == "refused" {
            let token = stage.token(&who).await;
            stage.house.messaging.refuse(Some(Status::failed_precondition("no link token")));
            let submitted = stage.submit(booking(&token, HANAKO, MOBILE, "B-1")).await.unwrap();
            assert_eq!((submitted.activity.unwrap().customer_id, submitted.redirect_uri), (made, String::new()));
        } else {
            let (on, nonce) = book(&stage, &who, "B-1").await;
            assert_eq!((on, sure(&stage, SQUATTER).await), (made, Assurance::Proven), "{case}");
            match case {
                "failed" => stage.send(&[stage.failed(&nonce)]).await,
                "another" => stage.send(&[stage.confirmed(&person(2), stage.moment(), &nonce)]).await,
                _ => {
                    let over = "UPDATE identity.link_attempt SET confirm_until = now() WHERE decide_time IS NULL";
                    stage.alter(over).await;
                }
            }
        }
        Stage::until(async || {
            let found = sure(&stage, SQUATTER).await;
            if found == Assurance::NameAndMobile { Ok(()) } else { Err(format!("{case}: {found:?}")) }
        })
        .await;
    }
}

#[tokio::test]
async fn whoever_leaves_lines_dialog_and_comes_again_is_no_stranger() {
    let (stage, made, _) = squatted("told_left").await;
    let who = person(SQUATTER);
    let (_, left) = book(&stage, &who, "B-1").await;
    let (on, nonce) = book(&stage, &who, "B-1").await;
    assert_eq!(on, made);
    stage.confirm(&who, &nonce).await;
    stage.send(&[stage.failed(&left)]).await;
    assert_eq!(sure(&stage, SQUATTER).await, Assurance::Proven);
    assert_eq!(stage.told_links().await.len(), 1);
}

#[tokio::test]
async fn a_strangers_booking_on_an_own_record_that_is_not_linked_yet_counts_once_it_is() {
    let stage = Stage::open("told_before").await;
    stage.customer(HANAKO, OTHER_MOBILE).await;
    let who = person(SQUATTER);
    stage.friends_with(&who).await;
    let (own, nonce) = book(&stage, &who, "B-1").await;
    let stranger = stage.submit(booking("", HANAKO, MOBILE, "B-2")).await.unwrap();
    assert_eq!(stranger.activity.unwrap().customer_id, own);
    let attempt = stage.confirm(&who, &nonce).await;
    assert_eq!(decision(&attempt), (LinkOutcome::CreatedNew, LinkReason::PhoneMismatch));
    assert_eq!(stage.linked(&who).await, [(own, Assurance::NameAndMobile)]);
    stage.replay().await;
}

#[tokio::test]
async fn a_link_that_ends_while_a_stranger_books_stays_ended() {
    let (stage, made, _) = squatted("told_at_once").await;
    let admin = stage.house.admin().await;
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let waiting = async |wanted: i64| {
        Stage::until(async || {
            let number: i64 = sqlx::query_scalar(waits).fetch_one(&admin).await.unwrap();
            if number == wanted { Ok(()) } else { Err(format!("{number} wait")) }
        })
        .await;
    };
    // The link is about to end when the stranger finds it, and has ended when he may change it.
    let mut held = admin.begin().await.unwrap();
    sqlx::query("SELECT FROM identity.link FOR UPDATE").execute(&mut *held).await.unwrap();
    let unlinked = [stage.tapped(&person(SQUATTER), stage.moment(), "unlink:yes")];
    let stranger = async {
        waiting(1).await;
        stage.submit(booking("", HANAKO, MOBILE, "B-1")).await
    };
    let released = async {
        waiting(2).await;
        held.rollback().await.unwrap();
    };
    let ((), submitted, ()) = tokio::join!(stage.send(&unlinked), stranger, released);
    assert_eq!(submitted.unwrap().activity.unwrap().customer_id, made);
    assert!(stage.linked(&person(SQUATTER)).await.is_empty());
    let told: Vec<_> = stage.told_links().await.iter().map(|link| (link.version, link.end_time.is_some())).collect();
    assert_eq!(told, [(1, false), (2, true)]);
}

#[tokio::test]
async fn what_line_did_not_confirm_waits_for_lines_word_anew_once_he_books_it_again() {
    let stage = Stage::open("told_again").await;
    let who = person(SQUATTER);
    stage.friends_with(&who).await;
    let (own, first) = book(&stage, &who, "B-1").await;
    let (on, failed) = book(&stage, &who, "B-2").await;
    stage.send(&[stage.failed(&failed)]).await;
    let (_, again) = book(&stage, &who, "B-2").await;
    assert_eq!(on, own);
    stage.confirm(&who, &first).await;
    assert_eq!(stage.linked(&who).await, [(own, Assurance::Proven)]);
    stage.send(&[stage.failed(&again)]).await;
    assert_eq!(sure(&stage, SQUATTER).await, Assurance::NameAndMobile);
}
