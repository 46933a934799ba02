//! L-03: a link is taken over by another LINE user only where the one linked until then, or staff, say so.

use contracts::identity::v1::*;
use tonic::{Code, Status};

use super::stage::{HANAKO, MOBILE, OTHER_MOBILE, Stage, decision, person};
use crate::refused::{fields, reason};

/// One user linked to a customer, and a request of another; the request's ID.
async fn asked(hint: &str) -> (Stage, String, String) {
    let stage = Stage::open(hint).await;
    let customer = stage.customer(HANAKO, MOBILE).await;
    stage.send(&[stage.event("follow", &person(1), stage.moment(), "")]).await;
    stage.link(&person(1), HANAKO, MOBILE).await;
    let attempt = stage.link(&person(2), HANAKO, MOBILE).await;
    assert_eq!(decision(&attempt), (LinkOutcome::Refused, LinkReason::CustomerHasOtherLineUser));
    assert_eq!(stage.linked(&person(1)).await.len(), 1, "nothing changes before somebody says so");
    (stage, customer, attempt.takeover_request_id)
}

pub(super) async fn request(stage: &Stage, id: &str) -> TakeoverRequest {
    let get = GetTakeoverRequestRequest { takeover_request_id: id.to_owned() };
    stage.at().takeovers().get_takeover_request(get).await.unwrap().into_inner().takeover_request.unwrap()
}

async fn approve(stage: &Stage, id: &str) -> Result<TakeoverRequest, Status> {
    let note = "店頭で確認".to_owned();
    let approve = ApproveTakeoverRequestRequest { takeover_request_id: id.to_owned(), note, etag: String::new() };
    Ok(stage.at().takeovers().approve_takeover_request(approve).await?.into_inner().takeover_request.unwrap())
}

async fn decline(stage: &Stage, id: &str) -> Result<TakeoverRequest, Status> {
    let note = "本人でない".to_owned();
    let decline = DeclineTakeoverRequestRequest { takeover_request_id: id.to_owned(), note, etag: String::new() };
    Ok(stage.at().takeovers().decline_takeover_request(decline).await?.into_inner().takeover_request.unwrap())
}

/// Who is linked to the customer now.
pub(super) async fn holder(stage: &Stage, customer: &str) -> Vec<String> {
    let links = stage.standing(customer).await.links;
    links.into_iter().map(|link| link.friend_id).collect()
}

pub(super) async fn answer(stage: &Stage, who: u32, id: &str, word: &str) {
    stage.send(&[stage.tapped(&person(who), stage.moment(), &format!("takeover:{id}:{word}"))]).await;
}

#[tokio::test]
async fn the_user_linked_until_now_is_asked_and_he_alone_can_confirm() {
    let (stage, customer, id) = asked("takeover").await;
    let (old, new) = (stage.friend(&person(1)).await, stage.friend(&person(2)).await);
    let open = request(&stage, &id).await;
    assert_eq!((open.state(), &open.linked_friend_id, &open.asking_friend_id), (TakeoverState::Open, &old, &new));
    let question = stage.answers(&person(1)).await.pop().unwrap();
    assert!(question.line_objects[0].contains(&format!("tsunagi:takeover:{id}:yes")), "{question:?}");
    assert!(question.webhook_event_id.is_empty());
    // The same claim again opens no second request, and nobody is asked twice.
    stage.link(&person(2), HANAKO, MOBILE).await;
    assert_eq!(stage.count("identity.takeover_request").await, 1);
    assert_eq!(stage.answers(&person(1)).await.pop().unwrap(), question);
    // Nor by a second one who asks, whom staff see.
    let third = stage.link(&person(4), HANAKO, MOBILE).await;
    assert_ne!(third.takeover_request_id, id);
    assert_eq!(stage.answers(&person(1)).await.pop().unwrap(), question);

    for other in [2, 3] {
        answer(&stage, other, &id, "yes").await;
    }
    assert_eq!((request(&stage, &id).await.state(), holder(&stage, &customer).await), (TakeoverState::Open, vec![old]));
    answer(&stage, 1, &id, "yes").await;
    let settled = request(&stage, &id).await;
    assert_eq!((settled.state(), &*settled.staff_id), (TakeoverState::Confirmed, ""));
    assert_eq!(holder(&stage, &customer).await, [new]);
    answer(&stage, 1, &id, "no").await;
    assert_eq!(request(&stage, &id).await.state(), TakeoverState::Confirmed, "the first answer counts");

    let list = ListLinksRequest { customer_id: customer, ..ListLinksRequest::default() };
    let links = stage.at().links().list_links(list).await.unwrap().into_inner().links;
    assert_eq!(request(&stage, &third.takeover_request_id).await.state(), TakeoverState::Obsolete);
    let settled = stage.house.audit(stage.tenant).await;
    assert_eq!(
        settled.iter().filter(|action| *action == "takeover.settle").count(),
        2,
        "who is not heard is told of, too"
    );
    let history: Vec<_> = links.iter().map(|link| (link.origin(), link.end_cause())).collect();
    let expected = [(LinkOrigin::Takeover, LinkEndCause::Unspecified), (LinkOrigin::Match, LinkEndCause::Takeover)];
    assert_eq!(history, expected);
    stage.replay().await;
}

#[tokio::test]
async fn who_declines_keeps_the_link() {
    let (stage, customer, id) = asked("takeover_declined").await;
    let old = stage.friend(&person(1)).await;
    answer(&stage, 1, &id, "no").await;
    assert_eq!(request(&stage, &id).await.state(), TakeoverState::Declined);
    assert_eq!(reason(approve(&stage, &id).await), (Code::FailedPrecondition, "TAKEOVER_SETTLED".to_owned()));
    assert_eq!(holder(&stage, &customer).await, [old]);
    // Another one opens another request, which staff may decline, too.
    let again = stage.link(&person(3), HANAKO, MOBILE).await.takeover_request_id;
    assert_ne!(again, id);
    assert_eq!(decline(&stage, &again).await.unwrap().state(), TakeoverState::Declined);
    assert_eq!(stage.active().await, 1);
    // What is settled stays as it is when the link ends.
    stage.send(&[stage.tapped(&person(1), stage.moment(), "unlink:yes")]).await;
    for settled in [id, again] {
        assert_eq!(request(&stage, &settled).await.state(), TakeoverState::Declined);
    }
}

#[tokio::test]
async fn staff_approve_with_a_reason() {
    let (stage, customer, id) = asked("takeover_approved").await;
    let silent = ApproveTakeoverRequestRequest { takeover_request_id: id.clone(), ..Default::default() };
    assert_eq!(fields(stage.at().takeovers().approve_takeover_request(silent).await), ["note"]);
    let stale = ApproveTakeoverRequestRequest {
        takeover_request_id: id.clone(),
        note: "店頭で確認".to_owned(),
        etag: "\"99\"".to_owned(),
    };
    let stale = stage.at().takeovers().approve_takeover_request(stale).await;
    assert_eq!(reason(stale), (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    let approved = approve(&stage, &id).await.unwrap();
    assert_eq!((approved.state(), &*approved.note), (TakeoverState::Approved, "店頭で確認"));
    assert_eq!(holder(&stage, &customer).await, [stage.friend(&person(2)).await]);
    let link = stage.links_of(&person(2)).await.remove(0);
    assert_eq!(link.assurance(), contracts::events::v1::Assurance::Proven);
}

#[tokio::test]
async fn a_request_is_obsolete_as_soon_as_the_link_it_is_about_ends_and_nobody_settles_it_then() {
    for by in ["person", "staff"] {
        let (stage, customer, id) = asked(&format!("takeover_obsolete_{by}")).await;
        // Another customer's, which goes on.
        stage.customer(("鈴木", "一郎"), MOBILE).await;
        stage.link(&person(3), ("鈴木", "一郎"), MOBILE).await;
        let other = stage.link(&person(4), ("鈴木", "一郎"), MOBILE).await.takeover_request_id;
        if by == "person" {
            stage.send(&[stage.tapped(&person(1), stage.moment(), "unlink:yes")]).await;
        } else {
            let link = stage.links_of(&person(1)).await.remove(0);
            let end = EndLinkRequest { link_id: link.link_id, note: "誤り".to_owned(), etag: String::new() };
            stage.at().links().end_link(end).await.unwrap();
        }
        let obsolete = request(&stage, &id).await;
        assert_eq!((obsolete.state(), obsolete.settle_time.is_some()), (TakeoverState::Obsolete, true), "{by}");
        let settled = (Code::FailedPrecondition, "TAKEOVER_SETTLED".to_owned());
        assert_eq!(reason(approve(&stage, &id).await), settled, "{by}");
        assert_eq!(reason(decline(&stage, &id).await), settled, "{by}");
        answer(&stage, 1, &id, "yes").await;
        assert_eq!(request(&stage, &id).await, obsolete, "who was linked before has nothing to give away");
        assert!(holder(&stage, &customer).await.is_empty(), "{by}");
        assert_eq!(request(&stage, &other).await.state(), TakeoverState::Open);
        let linked = stage.link(&person(2), HANAKO, MOBILE).await;
        assert_eq!(decision(&linked), (LinkOutcome::Linked, LinkReason::None));
        stage.replay().await;
    }
}

#[tokio::test]
async fn who_asked_and_unlinked_since_is_given_nothing() {
    let (stage, customer, id) = asked("takeover_withdrawn").await;
    stage.send(&[stage.tapped(&person(2), stage.moment(), "unlink:yes")]).await;
    assert_eq!(request(&stage, &id).await.state(), TakeoverState::Open);
    assert_eq!(approve(&stage, &id).await.unwrap().state(), TakeoverState::Obsolete);
    assert_eq!(holder(&stage, &customer).await, [stage.friend(&person(1)).await]);
    assert!(stage.links_of(&person(2)).await.is_empty());
}

#[tokio::test]
async fn whoever_asks_again_asks_with_the_surer_claim_and_wants_it_though_he_once_did_not() {
    let stage = Stage::open("takeover_again").await;
    let customer = stage.customer(HANAKO, MOBILE).await;
    stage.link(&person(1), HANAKO, MOBILE).await;
    let by_name = stage.inquire(&person(2), HANAKO).await;
    let first = stage.confirm(&person(2), &by_name).await;
    let opened = request(&stage, &first.takeover_request_id).await;
    assert_eq!((opened.state(), &opened.link_attempt_id), (TakeoverState::Open, &first.link_attempt_id));
    stage.send(&[stage.tapped(&person(2), stage.moment(), "unlink:yes")]).await;
    let second = stage.link(&person(2), HANAKO, MOBILE).await;
    assert_eq!(second.takeover_request_id, first.takeover_request_id);
    let again = request(&stage, &first.takeover_request_id).await;
    assert_eq!(again.link_attempt_id, second.link_attempt_id);
    assert_ne!(again.etag, opened.etag);
    answer(&stage, 1, &again.takeover_request_id, "yes").await;
    assert_eq!(holder(&stage, &customer).await, [stage.friend(&person(2)).await]);
    assert_eq!(stage.linked(&person(2)).await[0].1, contracts::events::v1::Assurance::NameAndMobile);
    stage.replay().await;
}

#[tokio::test]
async fn whoever_unlinked_after_asking_by_lines_clock_is_given_nothing_though_it_was_heard_late() {
    let stage = Stage::open("takeover_unwanted").await;
    let customer = stage.customer(HANAKO, MOBILE).await;
    stage.link(&person(1), HANAKO, MOBILE).await;
    let nonce = stage.ask(&person(2), HANAKO, MOBILE).await;
    let (asked, unlinked) = (stage.moment(), stage.moment());
    stage.send(&[stage.tapped(&person(2), unlinked, "unlink:yes")]).await;
    stage.send(&[stage.confirmed(&person(2), asked, &nonce)]).await;
    let id = stage.attempt_of(&person(2)).await.takeover_request_id;
    assert_eq!(approve(&stage, &id).await.unwrap().state(), TakeoverState::Obsolete);
    assert_eq!(holder(&stage, &customer).await, [stage.friend(&person(1)).await]);
}

#[tokio::test]
async fn what_is_told_again_to_rebuild_opens_a_request_and_asks_nobody() {
    let stage = Stage::open("takeover_rebuild").await;
    stage.customer(HANAKO, MOBILE).await;
    stage.link(&person(1), HANAKO, MOBILE).await;
    let before = stage.answers(&person(1)).await.len();
    let nonce = stage.ask(&person(2), HANAKO, MOBILE).await;
    stage.send_as(stage.account, &[stage.confirmed(&person(2), stage.moment(), &nonce)], true).await;
    let id = stage.attempt_of(&person(2)).await.takeover_request_id;
    assert_eq!(request(&stage, &id).await.state(), TakeoverState::Open);
    assert_eq!(stage.answers(&person(1)).await.len(), before);
}

#[tokio::test]
async fn a_request_nobody_answers_ends_by_itself_and_counts_no_answer_after_that() {
    let (stage, customer, id) = asked("takeover_expired").await;
    let ichiro = ("鈴木", "一郎");
    stage.customer(ichiro, OTHER_MOBILE).await;
    stage.link(&person(3), ichiro, OTHER_MOBILE).await;
    let other = stage.link(&person(4), ichiro, OTHER_MOBILE).await.takeover_request_id;
    for id in [&id, &other] {
        assert_eq!(request(&stage, id).await.state(), TakeoverState::Open, "its time is not over");
    }
    stage
        .alter(
            "UPDATE identity.takeover_request SET expire_time = now() - interval '1 second'
             WHERE expire_time = (SELECT min(expire_time) FROM identity.takeover_request)",
        )
        .await;
    Stage::until(|| async {
        let state = request(&stage, &id).await.state();
        if state == TakeoverState::Expired { Ok(()) } else { Err(format!("{state:?}")) }
    })
    .await;
    answer(&stage, 1, &id, "yes").await;
    assert_eq!(reason(approve(&stage, &id).await), (Code::FailedPrecondition, "TAKEOVER_SETTLED".to_owned()));
    assert_eq!(holder(&stage, &customer).await, [stage.friend(&person(1)).await]);
    let list = ListTakeoverRequestsRequest { state: TakeoverState::Expired.into(), ..Default::default() };
    assert_eq!(
        stage.at().takeovers().list_takeover_requests(list).await.unwrap().into_inner().takeover_requests.len(),
        1
    );
    assert_eq!(request(&stage, &other).await.state(), TakeoverState::Open, "the other's time is not over");
}

#[tokio::test]
async fn an_answer_counts_until_the_request_ends_by_lines_clock() {
    let (stage, customer, id) = asked("takeover_late").await;
    let end = request(&stage, &id).await.expire_time.unwrap();
    let end = end.seconds * 1_000 + i64::from(end.nanos) / 1_000_000;
    let yes = format!("takeover:{id}:yes");
    stage.send(&[stage.tapped(&person(1), end + 1, &yes)]).await;
    assert_eq!(request(&stage, &id).await.state(), TakeoverState::Open);
    stage.send(&[stage.tapped(&person(1), end - 1, &yes)]).await;
    assert_eq!(request(&stage, &id).await.state(), TakeoverState::Confirmed);
    assert_eq!(holder(&stage, &customer).await, [stage.friend(&person(2)).await]);
}

#[tokio::test]
async fn a_provisional_customer_stays_so_unless_staff_approve() {
    for (hint, by_staff) in [("takeover_kept", false), ("takeover_touched", true)] {
        let stage = Stage::open(hint).await;
        let made = stage.link(&person(1), HANAKO, MOBILE).await.customer_id;
        let id = stage.link(&person(2), HANAKO, MOBILE).await.takeover_request_id;
        if by_staff {
            approve(&stage, &id).await.unwrap();
        } else {
            answer(&stage, 1, &id, "yes").await;
        }
        assert_eq!(holder(&stage, &made).await, [stage.friend(&person(2)).await]);
        assert_eq!(stage.record(&made).await.provisional, !by_staff);
    }
}

#[tokio::test]
async fn a_user_who_was_a_friend_before_the_account_came_is_asked_too() {
    let stage = Stage::open("takeover_seen").await;
    stage.customer(HANAKO, MOBILE).await;
    stage.link(&person(1), HANAKO, MOBILE).await;
    let attempt = stage.link(&person(2), HANAKO, MOBILE).await;
    let question = stage.answers(&person(1)).await.pop().unwrap();
    assert!(question.line_objects[0].contains(&attempt.takeover_request_id), "{question:?}");
}
