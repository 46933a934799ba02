//! A link ends when the person says so, at any time and in any order, or when staff end it.

use contracts::identity::v1::*;
use tonic::Code;

use super::stage::{HANAKO, MOBILE, Stage, decision, person};
use crate::refused::{fields, reason};

#[tokio::test]
async fn a_person_is_asked_once_more_and_unlinks_without_anything_getting_lost() {
    let stage = Stage::open("unlink").await;
    let who = person(1);
    let customer = stage.customer(HANAKO, MOBILE).await;
    stage.link(&who, HANAKO, MOBILE).await;
    stage.send(&[stage.tapped(&who, stage.moment(), "unlink"), stage.tapped(&who, stage.moment(), "unlink:no")]).await;
    assert_eq!(stage.active().await, 1, "asking ends nothing");
    assert!(stage.answers(&who).await.pop().unwrap().line_objects[0].contains("tsunagi:unlink:yes"));
    let yes = stage.tapped(&who, stage.moment(), "unlink:yes");
    stage.send(&[yes.clone(), yes, stage.tapped(&who, stage.moment(), "unlink:yes")]).await;
    let links = stage.links_of(&who).await;
    assert_eq!((links.len(), links[0].end_cause()), (1, LinkEndCause::LineUser));
    let standing = stage.standing(&customer).await;
    assert_eq!((standing.linked, &*standing.line_name), (false, "未連携"));
    let told: Vec<_> = stage.told_links().await.iter().map(|link| (link.version, link.end_time.is_some())).collect();
    assert_eq!(told, [(1, false), (2, true)]);
    let again = stage.link(&who, HANAKO, MOBILE).await;
    assert_eq!((decision(&again), again.customer_id), ((LinkOutcome::Linked, LinkReason::None), customer));
    assert_eq!(stage.links_of(&who).await.len(), 2);
    stage.replay().await;
}

#[tokio::test]
async fn an_unlinking_holds_though_it_is_heard_before_the_confirmation_it_follows() {
    let stage = Stage::open("unlink_order").await;
    let who = person(1);
    stage.customer(HANAKO, MOBILE).await;
    let nonce = stage.ask(&who, HANAKO, MOBILE).await;
    let (confirmed, unlinked) = (stage.moment(), stage.moment());
    stage.send(&[stage.tapped(&who, unlinked, "unlink:yes")]).await;
    stage.send(&[stage.confirmed(&who, confirmed, &nonce)]).await;
    assert_eq!(stage.active().await, 0, "by LINE's clock the link was ended");
    let link = stage.links_of(&who).await.remove(0);
    let time = |time: Option<prost_types::Timestamp>| {
        time.map(|time| time.seconds * 1_000 + i64::from(time.nanos) / 1_000_000)
    };
    assert_eq!((time(link.create_time), time(link.end_time)), (Some(confirmed), Some(unlinked)));
    // And one that was said before does not end what came later.
    let nonce = stage.ask(&who, HANAKO, MOBILE).await;
    let (early, confirmed) = (stage.moment(), stage.moment());
    stage.send(&[stage.confirmed(&who, confirmed, &nonce)]).await;
    stage.send(&[stage.tapped(&who, early, "unlink:yes")]).await;
    assert_eq!(stage.active().await, 1);
    stage.replay().await;
}

#[tokio::test]
async fn what_a_link_stood_in_the_way_of_is_decided_again_when_its_end_is_heard_late() {
    let stage = Stage::open("unlink_late").await;
    let who = person(1);
    stage.customer(HANAKO, MOBILE).await;
    let other = stage.customer(("鈴木", "一郎"), MOBILE).await;
    stage.link(&who, HANAKO, MOBILE).await;
    let nonce = stage.ask(&who, ("鈴木", "一郎"), MOBILE).await;
    let (unlinked, confirmed) = (stage.moment(), stage.moment());
    stage.send(&[stage.confirmed(&who, confirmed, &nonce)]).await;
    let refused = stage.attempt_of(&who).await;
    assert_eq!(decision(&refused), (LinkOutcome::Refused, LinkReason::LineUserHasOtherCustomer));
    stage.send(&[stage.tapped(&who, unlinked, "unlink:yes")]).await;
    assert_eq!(decision(&stage.attempt_of(&who).await), (LinkOutcome::Linked, LinkReason::None));
    let links = stage.links_of(&who).await;
    let history: Vec<_> = links.iter().map(|link| (&link.customer_id, link.end_cause())).collect();
    assert_eq!(
        (history.len(), history[0], history[1].1),
        (2, (&other, LinkEndCause::Unspecified), LinkEndCause::LineUser)
    );
    stage.replay().await;
}

#[tokio::test]
async fn staff_end_a_link_in_one_step_with_a_reason_and_once() {
    let stage = Stage::open("unlink_staff").await;
    let who = person(1);
    let customer = stage.customer(HANAKO, MOBILE).await;
    stage.link(&who, HANAKO, MOBILE).await;
    let link = stage.links_of(&who).await.remove(0);
    let end = |note: &str, etag: &str| {
        let (link_id, note, etag) = (link.link_id.clone(), note.to_owned(), etag.to_owned());
        let mut links = stage.at().links();
        async move { links.end_link(EndLinkRequest { link_id, note, etag }).await }
    };
    assert_eq!(fields(end("", "").await), ["note"]);
    assert_eq!(reason(end("誤り", "\"99\"").await).0, Code::Aborted);
    let ended = end("誤り", &link.etag).await.unwrap().into_inner().link.unwrap();
    assert_eq!((ended.end_cause(), &*ended.note), (LinkEndCause::Staff, "誤り"));
    assert!(!stage.standing(&customer).await.linked);
    assert_eq!(reason(end("誤り", "").await), (Code::FailedPrecondition, "LINK_ENDED".to_owned()));
    let audit = stage.house.audit(stage.tenant).await;
    assert_eq!(audit.iter().filter(|action| *action == "link.end").count(), 1);
}
