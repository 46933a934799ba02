//! The methods of linking.

use contracts::identity::v1::resolve_link_attempt_request::Resolution;
use contracts::identity::v1::*;
use futures::FutureExt as _;
use kernel::TenantId;
use uuid::Uuid;

use super::Call;
use crate::customer::yamada;
use crate::house::{Caller, House};

/// The first tenant's IDs, as far as linking has them.
pub(super) struct Ids {
    link: String,
    attempt: String,
    takeover: String,
    suspicion: String,
    merge: String,
    form_token: String,
}

/// Rows as linking leaves them: a held attempt, an active link, an open take-over request, a suspicion, and a merge.
pub(super) async fn furnish(house: &House, tenant: TenantId, account: &str, friend: &str, customer: &str) -> Ids {
    let at = house.at(tenant);
    let absorbed = at.customers().create_customer(yamada("C-2")).await.unwrap().into_inner().customer.unwrap();
    let admin = house.admin().await;
    crate::linking::linked(house, tenant, customer).await;
    let [link, attempt, takeover, suspicion, merge]: [Uuid; 5] = std::array::from_fn(|_| Uuid::new_v4());
    sqlx::query("UPDATE identity.link SET link_id = $2 WHERE tenant_id = $1")
        .bind(tenant.uuid())
        .bind(link)
        .execute(&admin)
        .await
        .unwrap();
    let rows = [
        "INSERT INTO identity.link_attempt (tenant_id, link_attempt_id, version, method, account_id, friend_id, family_name,
             submit_time, confirm_until, told_time, decide_time, outcome, reason)
         VALUES ($1, $2, 2, 'LINK_FORM', $3, $4, '山田', now(), now(), now(), now(), 'HELD', 'POLICY_HOLD')",
        "INSERT INTO identity.takeover_request (tenant_id, takeover_request_id, version, link_attempt_id, customer_id, link_id,
             linked_friend_id, asking_friend_id, assurance, state, ask_time, create_time, expire_time)
         SELECT $1, $5, 1, $2, $6, $7, $4, $4, 'NAME', 'OPEN', now(), now(), now() + interval '1 day' WHERE $3::uuid IS NOT NULL",
        "INSERT INTO identity.duplicate_suspicion (tenant_id, duplicate_suspicion_id, customer_id, other_customer_id, signs,
             link_attempt_id, create_time)
         SELECT $1, $8, least($6, $9::uuid), greatest($6, $9::uuid), '{SAME_NAME}', $2, now()
         WHERE ($3, $4, $5, $7) IS NOT NULL",
        "INSERT INTO identity.merge (tenant_id, merge_id, survivor_id, absorbed_id, link_attempt_id, ended_link_id, new_link_id,
             create_time)
         SELECT $1, $10, $6, $9, $2, $7, $7, now() WHERE ($3, $4, $5, $8) IS NOT NULL",
        "UPDATE identity.customer SET merged_into = $6
         WHERE tenant_id = $1 AND customer_id = $9 AND ($2, $3, $4, $5, $7, $8, $10) IS NOT NULL",
    ];
    let id = |text: &str| Uuid::try_parse(text).unwrap();
    let values =
        [attempt, id(account), id(friend), takeover, id(customer), link, suspicion, id(&absorbed.customer_id), merge];
    for (statement, used) in rows.into_iter().zip([3, 6, 8, 9, 9]) {
        let query = sqlx::query(statement).bind(tenant.uuid());
        values[..used].iter().fold(query, |query, value| query.bind(*value)).execute(&admin).await.unwrap();
    }
    let request = IssueFormTokenRequest {
        account_id: account.to_owned(),
        friend_id: friend.to_owned(),
        method: LinkMethod::BookingPage.into(),
    };
    let form_token = at.attempts().issue_form_token(request).await.unwrap().into_inner().form_token;
    let [link, attempt, takeover, suspicion, merge] =
        [link, attempt, takeover, suspicion, merge].map(|id| id.to_string());
    Ids { link, attempt, takeover, suspicion, merge, form_token }
}

/// Every method of linking, called on these IDs.
#[expect(clippy::too_many_lines, reason = "one line or two for each of more than twenty methods")]
pub(super) fn calls<'a>(caller: &'a Caller, ids: &'a super::Ids) -> Vec<Call<'a>> {
    macro_rules! call {
        ($path:literal, $client:ident . $method:ident ( $request:expr )) => {
            ($path, async move { caller.$client().$method($request).await.map(drop) }.boxed())
        };
    }
    let id = |id: &String| id.clone();
    let note = || "x".to_owned();
    let (own, customer) = (&ids.linking, || ids.customer.clone());
    vec![
        call!(
            "LinkAttemptService/IssueFormToken",
            attempts.issue_form_token(IssueFormTokenRequest {
                account_id: id(&ids.account),
                friend_id: id(&ids.friend),
                method: LinkMethod::BookingPage.into(),
            })
        ),
        call!(
            "LinkAttemptService/SubmitLinkAttempt",
            attempts.submit_link_attempt(SubmitLinkAttemptRequest {
                method: LinkMethod::BookingPage.into(),
                form_token: id(&own.form_token),
                name: yamada("").customer.unwrap().name,
                mobile_number: "090-1234-5678".to_owned(),
                ..SubmitLinkAttemptRequest::default()
            })
        ),
        call!(
            "LinkAttemptService/InviteToLink",
            attempts.invite_to_link(InviteToLinkRequest {
                account_id: id(&ids.account),
                friend_id: id(&ids.friend),
                request_id: String::new(),
            })
        ),
        call!(
            "LinkAttemptService/GetLinkAttempt",
            attempts.get_link_attempt(GetLinkAttemptRequest { link_attempt_id: id(&own.attempt) })
        ),
        call!(
            "LinkAttemptService/ListLinkAttempts",
            attempts.list_link_attempts(ListLinkAttemptsRequest { friend_id: id(&ids.friend), ..Default::default() })
        ),
        call!(
            "LinkAttemptService/ListLinkAttempts",
            attempts.list_link_attempts(ListLinkAttemptsRequest { customer_id: customer(), ..Default::default() })
        ),
        call!(
            "LinkAttemptService/ReconsiderLinkAttempt",
            attempts.reconsider_link_attempt(ReconsiderLinkAttemptRequest {
                link_attempt_id: id(&own.attempt),
                etag: String::new(),
            })
        ),
        call!(
            "LinkAttemptService/ResolveLinkAttempt",
            attempts.resolve_link_attempt(ResolveLinkAttemptRequest {
                link_attempt_id: id(&own.attempt),
                resolution: Some(Resolution::CustomerId(customer())),
                note: note(),
                etag: String::new(),
            })
        ),
        call!(
            "LinkService/ListLinks",
            links.list_links(ListLinksRequest { customer_id: customer(), ..ListLinksRequest::default() })
        ),
        call!(
            "LinkService/ListLinks",
            links.list_links(ListLinksRequest { friend_id: id(&ids.friend), ..ListLinksRequest::default() })
        ),
        call!(
            "LinkService/ConfirmLink",
            links.confirm_link(ConfirmLinkRequest { link_id: id(&own.link), note: note(), etag: String::new() })
        ),
        call!(
            "LinkService/EndLink",
            links.end_link(EndLinkRequest { link_id: id(&own.link), note: note(), etag: String::new() })
        ),
        call!(
            "LinkService/GetLinkFigures",
            links.get_link_figures(GetLinkFiguresRequest { account_id: id(&ids.account), start_time: None })
        ),
        call!(
            "TakeoverService/GetTakeoverRequest",
            takeovers.get_takeover_request(GetTakeoverRequestRequest { takeover_request_id: id(&own.takeover) })
        ),
        call!(
            "TakeoverService/ListTakeoverRequests",
            takeovers
                .list_takeover_requests(ListTakeoverRequestsRequest { customer_id: customer(), ..Default::default() })
        ),
        call!(
            "TakeoverService/ApproveTakeoverRequest",
            takeovers.approve_takeover_request(ApproveTakeoverRequestRequest {
                takeover_request_id: id(&own.takeover),
                note: note(),
                etag: String::new(),
            })
        ),
        call!(
            "TakeoverService/DeclineTakeoverRequest",
            takeovers.decline_takeover_request(DeclineTakeoverRequestRequest {
                takeover_request_id: id(&own.takeover),
                note: note(),
                etag: String::new(),
            })
        ),
        call!("LinkPolicyService/GetLinkPolicy", policies.get_link_policy(GetLinkPolicyRequest {})),
        call!(
            "LinkPolicyService/UpdateLinkPolicy",
            policies.update_link_policy(UpdateLinkPolicyRequest {
                link_policy: Some(LinkPolicy { on_no_match: OnNoMatch::Hold.into(), ..LinkPolicy::default() }),
                update_mask: None,
            })
        ),
        call!(
            "DuplicateService/ListDuplicateSuspicions",
            duplicates.list_duplicate_suspicions(ListDuplicateSuspicionsRequest {
                customer_id: customer(),
                ..Default::default()
            })
        ),
        call!(
            "DuplicateService/DismissDuplicateSuspicion",
            duplicates.dismiss_duplicate_suspicion(DismissDuplicateSuspicionRequest {
                duplicate_suspicion_id: id(&own.suspicion),
                note: note(),
            })
        ),
        call!(
            "MergeService/ListMerges",
            merges.list_merges(ListMergesRequest { customer_id: customer(), ..ListMergesRequest::default() })
        ),
        call!("MergeService/UndoMerge", merges.undo_merge(UndoMergeRequest { merge_id: id(&own.merge), note: note() })),
    ]
}
