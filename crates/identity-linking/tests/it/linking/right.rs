//! Who may do what about links: staff who see customers see links, and only who may manage links changes one.

use contracts::access_proto::v1::Right;
use contracts::identity::v1::resolve_link_attempt_request::Resolution;
use contracts::identity::v1::*;
use tonic::{Code, Status};

use super::stage::{HANAKO, MOBILE, Stage, person};
use super::submit::booking;
use crate::house::Caller;
use crate::refused::reason;

/// Everything that changes a link, on IDs that are nobody's.
async fn changes(caller: &Caller) -> Vec<Result<(), Status>> {
    let id = || uuid::Uuid::nil().to_string();
    let note = || "x".to_owned();
    let (attempt, link, takeover) = (id(), id(), id());
    vec![
        caller
            .links()
            .end_link(EndLinkRequest { link_id: link.clone(), note: note(), etag: String::new() })
            .await
            .map(drop),
        caller
            .links()
            .confirm_link(ConfirmLinkRequest { link_id: link, note: note(), etag: String::new() })
            .await
            .map(drop),
        caller
            .attempts()
            .reconsider_link_attempt(ReconsiderLinkAttemptRequest {
                link_attempt_id: attempt.clone(),
                etag: String::new(),
            })
            .await
            .map(drop),
        caller
            .attempts()
            .resolve_link_attempt(ResolveLinkAttemptRequest {
                link_attempt_id: attempt,
                resolution: Some(Resolution::Dismiss(true)),
                note: note(),
                etag: String::new(),
            })
            .await
            .map(drop),
        caller
            .takeovers()
            .approve_takeover_request(ApproveTakeoverRequestRequest {
                takeover_request_id: takeover.clone(),
                note: note(),
                etag: String::new(),
            })
            .await
            .map(drop),
        caller
            .takeovers()
            .decline_takeover_request(DeclineTakeoverRequestRequest {
                takeover_request_id: takeover,
                note: note(),
                etag: String::new(),
            })
            .await
            .map(drop),
        caller.merges().undo_merge(UndoMergeRequest { merge_id: id(), note: note() }).await.map(drop),
        caller
            .duplicates()
            .dismiss_duplicate_suspicion(DismissDuplicateSuspicionRequest {
                duplicate_suspicion_id: id(),
                note: note(),
            })
            .await
            .map(drop),
    ]
}

#[tokio::test]
async fn links_are_changed_by_who_may_manage_them_alone() {
    let stage = Stage::open("right").await;
    let customer = stage.customer(HANAKO, MOBILE).await;
    stage.link(&person(1), HANAKO, MOBILE).await;
    let reader =
        stage.house.program(stage.tenant, &[Right::CustomersRead, Right::AccountsRead, Right::LinksSubmit]).await;
    let manager = stage.house.program(stage.tenant, &[Right::LinksManage]).await;
    for refused in changes(&reader).await {
        assert_eq!(reason(refused), (Code::PermissionDenied, "RIGHT_MISSING".to_owned()));
    }
    for unknown in changes(&manager).await {
        assert_eq!(reason(unknown), (Code::NotFound, "NOT_FOUND".to_owned()));
    }
    let list = ListLinksRequest { customer_id: customer, ..ListLinksRequest::default() };
    assert_eq!(reader.links().list_links(list.clone()).await.unwrap().into_inner().links.len(), 1);
    assert_eq!(reason(manager.links().list_links(list).await).0, Code::PermissionDenied);
    let submit = booking("", HANAKO, MOBILE, "B-1");
    assert_eq!(reason(manager.attempts().submit_link_attempt(submit.clone()).await).0, Code::PermissionDenied);
    reader.attempts().submit_link_attempt(submit).await.unwrap();
    let hold = LinkPolicy { on_no_match: OnNoMatch::Hold.into(), ..LinkPolicy::default() };
    let hold = UpdateLinkPolicyRequest { link_policy: Some(hold), update_mask: None };
    assert_eq!(reason(reader.policies().update_link_policy(hold).await).0, Code::PermissionDenied);
}

/// Everything that reads around links, and what leads to one, with the right it takes.
async fn others(caller: &Caller) -> Vec<(Right, Result<(), Status>)> {
    let id = || uuid::Uuid::nil().to_string();
    let mut attempts = caller.attempts();
    let read = vec![
        caller.links().list_links(ListLinksRequest::default()).await.map(drop),
        caller.links().get_link_figures(GetLinkFiguresRequest::default()).await.map(drop),
        attempts.get_link_attempt(GetLinkAttemptRequest { link_attempt_id: id() }).await.map(drop),
        attempts.list_link_attempts(ListLinkAttemptsRequest::default()).await.map(drop),
        caller
            .takeovers()
            .get_takeover_request(GetTakeoverRequestRequest { takeover_request_id: id() })
            .await
            .map(drop),
        caller.takeovers().list_takeover_requests(ListTakeoverRequestsRequest::default()).await.map(drop),
        caller.merges().list_merges(ListMergesRequest::default()).await.map(drop),
        caller.duplicates().list_duplicate_suspicions(ListDuplicateSuspicionsRequest::default()).await.map(drop),
    ];
    let submit = vec![
        attempts.issue_form_token(IssueFormTokenRequest::default()).await.map(drop),
        attempts.submit_link_attempt(SubmitLinkAttemptRequest::default()).await.map(drop),
    ];
    let invite = vec![attempts.invite_to_link(InviteToLinkRequest::default()).await.map(drop)];
    let look = vec![caller.policies().get_link_policy(GetLinkPolicyRequest {}).await.map(drop)];
    let set = vec![caller.policies().update_link_policy(UpdateLinkPolicyRequest::default()).await.map(drop)];
    [
        (Right::CustomersRead, read),
        (Right::LinksSubmit, submit),
        (Right::MessagesSend, invite),
        (Right::AccountsRead, look),
        (Right::AccountsManage, set),
        (Right::LinksManage, changes(caller).await),
    ]
    .into_iter()
    .flat_map(|(right, answers)| answers.into_iter().map(move |answer| (right, answer)))
    .collect()
}

#[tokio::test]
async fn every_method_around_links_takes_its_own_right_and_no_other() {
    let stage = Stage::open("right_each").await;
    let all = [
        Right::CustomersRead,
        Right::LinksSubmit,
        Right::MessagesSend,
        Right::AccountsRead,
        Right::AccountsManage,
        Right::LinksManage,
    ];
    for left_out in all {
        let rights: Vec<Right> = all.into_iter().filter(|right| *right != left_out).collect();
        let caller = stage.house.program(stage.tenant, &rights).await;
        for (at, (right, answer)) in others(&caller).await.into_iter().enumerate() {
            let refused = answer.is_err_and(|status| status.code() == Code::PermissionDenied);
            assert_eq!(refused, right == left_out, "the {at}th without {left_out:?}");
        }
    }
}
