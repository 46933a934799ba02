//! `ForwardingService`, as its callers see it.

use contracts::access_proto::v1::Right;
use contracts::ingest::v1::{
    CreateForwardingTargetRequest, DeleteForwardingTargetRequest, ForwardingPauseReason, ForwardingState,
    ForwardingTarget, GetForwardingTargetRequest, ListForwardingTargetsRequest, PauseForwardingTargetRequest,
    ResumeForwardingTargetRequest, UpdateForwardingTargetRequest,
};
use prost_types::FieldMask;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use super::place::{Forwarding, client, manager, pause, resume, wanted};
use crate::stage::{Stage, TestAccount};

const URL: &str = "https://hooks.example/line/secret-path";

fn reason(status: &Status) -> (Code, String) {
    (status.code(), status.get_details_error_info().unwrap().reason)
}

fn fields(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(!format!("{status:?}").contains("secret-path"), "{status:?}");
    status.get_details_bad_request().unwrap().field_violations.into_iter().map(|one| one.field).collect()
}

async fn create(client: &mut Forwarding, request: CreateForwardingTargetRequest) -> Result<ForwardingTarget, Status> {
    Ok(client.create_forwarding_target(request).await?.into_inner().forwarding_target.unwrap())
}

async fn get(client: &mut Forwarding, target_id: &str) -> Result<ForwardingTarget, Status> {
    let request = GetForwardingTargetRequest { target_id: target_id.to_owned() };
    Ok(client.get_forwarding_target(request).await?.into_inner().forwarding_target.unwrap())
}

async fn update(client: &mut Forwarding, target: ForwardingTarget, mask: &[&str]) -> Result<ForwardingTarget, Status> {
    let paths = mask.iter().map(|path| (*path).to_owned()).collect();
    let request =
        UpdateForwardingTargetRequest { forwarding_target: Some(target), update_mask: Some(FieldMask { paths }) };
    Ok(client.update_forwarding_target(request).await?.into_inner().forwarding_target.unwrap())
}

#[tokio::test]
async fn a_target_is_made_read_changed_paused_resumed_and_deleted_and_each_time_it_is_noted_who_did_it() {
    let stage = Stage::new("targets").await;
    let replica = stage.start().await;
    let mut client = manager(&stage, &replica).await;
    let made = create(&mut client, wanted(&stage.account, URL)).await.unwrap();
    assert_eq!(
        (made.url.as_str(), made.display_name.as_str(), made.state()),
        (URL, "予約システム", ForwardingState::Active)
    );
    assert_eq!(made.account_id, stage.account.id.to_string());
    assert!(made.create_time.is_some() && made.create_time == made.update_time);
    assert_eq!(get(&mut client, &made.target_id).await.unwrap(), made);

    let renamed = ForwardingTarget { display_name: "新しい名前".to_owned(), url: String::new(), ..made.clone() };
    let renamed = update(&mut client, renamed, &[]).await.unwrap();
    assert_eq!((renamed.display_name.as_str(), renamed.url.as_str()), ("新しい名前", URL));
    assert_ne!(renamed.etag, made.etag);
    let same = update(&mut client, renamed.clone(), &["*"]).await.unwrap();
    assert_eq!(same.etag, renamed.etag, "what changes nothing is no change");
    let moved =
        ForwardingTarget { url: "https://hooks.example/b".to_owned(), display_name: "x".to_owned(), ..renamed.clone() };
    let moved = update(&mut client, moved, &["url"]).await.unwrap();
    assert_eq!((moved.display_name.as_str(), moved.url.as_str()), ("新しい名前", "https://hooks.example/b"));

    let paused = pause(&mut client, &made.target_id).await;
    assert_eq!((paused.state(), paused.pause_reason()), (ForwardingState::Paused, ForwardingPauseReason::Requested));
    assert!(paused.pause_time.is_some());
    assert_eq!(pause(&mut client, &made.target_id).await, paused, "paused once more it stays as it is");
    let resumed = resume(&mut client, &made.target_id).await;
    assert_eq!((resumed.state(), resumed.pause_time), (ForwardingState::Active, None));
    assert_eq!(resume(&mut client, &made.target_id).await.etag, resumed.etag);

    let request = DeleteForwardingTargetRequest { target_id: made.target_id.clone(), etag: resumed.etag };
    client.delete_forwarding_target(request).await.unwrap();
    assert_eq!(reason(&get(&mut client, &made.target_id).await.unwrap_err()), (Code::NotFound, "NOT_FOUND".to_owned()));
    let noted: Vec<(String, String)> =
        sqlx::query_as("SELECT action, detail::text FROM ingest.audit WHERE subject = $1 ORDER BY audit_id")
            .bind(format!("forwarding_target/{}", made.target_id))
            .fetch_all(&mut stage.admin().await)
            .await
            .unwrap();
    let actions: Vec<&str> = noted.iter().map(|(action, _)| action.trim_start_matches("forwarding_target.")).collect();
    assert_eq!(actions, ["create", "update", "update", "pause", "resume", "delete"]);
    assert!(noted.iter().all(|(_, detail)| !detail.contains("hooks.example")), "{noted:?}");
}

#[tokio::test]
async fn every_wrong_field_is_named_and_the_url_is_not_repeated() {
    let stage = Stage::new("targets_bad").await;
    let replica = stage.start().await;
    let mut client = manager(&stage, &replica).await;
    let good = wanted(&stage.account, URL);
    let with = |change: &dyn Fn(&mut ForwardingTarget)| {
        let mut request = good.clone();
        change(request.forwarding_target.as_mut().unwrap());
        request
    };
    let account = "forwarding_target.account_id";
    let (url, name) = ("forwarding_target.url", "forwarding_target.display_name");
    for (request, field) in [
        (with(&|target| target.account_id.clear()), account),
        (with(&|target| target.account_id = "x".to_owned()), account),
        (with(&|target| target.url.clear()), url),
        (with(&|target| target.url = "http://hooks.example/secret-path".to_owned()), url),
        (with(&|target| target.url = "secret-path".to_owned()), url),
        (with(&|target| target.url = "https://a:secret-path@hooks.example/".to_owned()), url),
        (with(&|target| target.url = "https://hooks.example/#secret-path".to_owned()), url),
        (with(&|target| target.url = "https://127.0.0.1/secret-path".to_owned()), url),
        (with(&|target| target.url = format!("{URL}/{}", "a".repeat(2_000))), url),
        (with(&|target| target.url = format!("{URL}/{}", "あ".repeat(700))), url),
        (with(&|target| target.display_name.clear()), name),
        (with(&|target| target.display_name = "あ".repeat(101)), name),
        (with(&|target| target.display_name = " x".to_owned()), name),
        (with(&|target| target.display_name = "a\nb".to_owned()), name),
        (CreateForwardingTargetRequest { request_id: "x".to_owned(), ..good.clone() }, "request_id"),
    ] {
        let refused = create(&mut client, request.clone()).await.unwrap_err();
        assert_eq!(fields(&refused), [field], "{request:?}");
    }
    let nothing = create(&mut client, CreateForwardingTargetRequest::default()).await.unwrap_err();
    assert_eq!(fields(&nothing), [account, url, name], "all at once");
    let longest = with(&|target| {
        target.url = format!("https://hooks.example/{}", "a".repeat(1_978));
        target.display_name = "あ".repeat(100);
    });
    let made = create(&mut client, longest).await.unwrap();
    assert_eq!(made.url.len(), 2_000);

    let id = |target_id: &str| GetForwardingTargetRequest { target_id: target_id.to_owned() };
    for target_id in ["", "x"] {
        assert_eq!(fields(&client.get_forwarding_target(id(target_id)).await.unwrap_err()), ["target_id"]);
    }
    let bad =
        ForwardingTarget { target_id: "x".to_owned(), url: "secret-path".to_owned(), ..ForwardingTarget::default() };
    let refused = update(&mut client, bad, &["url", "state"]).await.unwrap_err();
    assert_eq!(fields(&refused), ["forwarding_target.target_id", "update_mask", url]);
    let emptied = ForwardingTarget { target_id: made.target_id, ..ForwardingTarget::default() };
    assert_eq!(fields(&update(&mut client, emptied, &["*"]).await.unwrap_err()), [url, name]);
    let list = ListForwardingTargetsRequest { page_size: -1, page_token: "?".to_owned(), account_id: "x".to_owned() };
    let refused = client.list_forwarding_targets(list).await.unwrap_err();
    assert_eq!(fields(&refused), ["page_size", "page_token", "account_id"]);
}

#[tokio::test]
async fn a_request_sent_twice_makes_one_target_and_an_account_has_three() {
    let stage = Stage::new("targets_three").await;
    let replica = stage.start().await;
    let mut client = manager(&stage, &replica).await;
    let request =
        CreateForwardingTargetRequest { request_id: Uuid::new_v4().to_string(), ..wanted(&stage.account, URL) };
    let first = create(&mut client, request.clone()).await.unwrap();
    assert_eq!(create(&mut client, request.clone()).await.unwrap(), first);
    let other = CreateForwardingTargetRequest {
        request_id: request.request_id,
        ..wanted(&stage.account, "https://other.example/")
    };
    let refused = create(&mut client, other).await.unwrap_err();
    assert_eq!(reason(&refused), (Code::Aborted, "REQUEST_ID_REUSED".to_owned()));
    // Of many at once two fit.
    let many = (0..6).map(|_| {
        let mut client = client.clone();
        let request = wanted(&stage.account, URL);
        async move { create(&mut client, request).await }
    });
    let many = futures::future::join_all(many).await;
    assert_eq!(many.iter().filter(|one| one.is_ok()).count(), 2);
    for refused in many.iter().filter_map(|one| one.as_ref().err()) {
        assert_eq!(reason(refused), (Code::FailedPrecondition, "TOO_MANY_FORWARDING_TARGETS".to_owned()));
    }
    let mut listed = Vec::new();
    let mut page_token = String::new();
    loop {
        let ask = ListForwardingTargetsRequest { page_size: 2, page_token, account_id: stage.account.id.to_string() };
        let page = client.list_forwarding_targets(ask).await.unwrap().into_inner();
        assert!(page.forwarding_targets.len() <= 2);
        listed.extend(page.forwarding_targets);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(listed.len(), 3);
    assert_eq!(listed[0], first, "the oldest first");
}

#[tokio::test]
async fn a_change_on_another_version_is_refused() {
    let stage = Stage::new("targets_etag").await;
    let replica = stage.start().await;
    let mut client = manager(&stage, &replica).await;
    let made = create(&mut client, wanted(&stage.account, URL)).await.unwrap();
    let (target_id, etag) = (made.target_id.clone(), made.etag.clone());
    let named = |name: &str| ForwardingTarget { display_name: name.to_owned(), ..made.clone() };
    let (mut first, mut second) = (client.clone(), client.clone());
    let (a, b) = tokio::join!(
        update(&mut first, named("a"), &["display_name"]),
        update(&mut second, named("b"), &["display_name"])
    );
    assert!(a.is_ok() != b.is_ok(), "of two changes of one version one is made");
    let stale = (Code::Aborted, "ETAG_MISMATCH".to_owned());
    assert_eq!(reason(&a.err().or(b.err()).unwrap()), stale);
    let request = PauseForwardingTargetRequest { target_id: target_id.clone(), etag: etag.clone() };
    assert_eq!(reason(&client.pause_forwarding_target(request).await.unwrap_err()), stale);
    let request = ResumeForwardingTargetRequest { target_id: target_id.clone(), etag: etag.clone() };
    assert_eq!(reason(&client.resume_forwarding_target(request).await.unwrap_err()), stale);
    let request = DeleteForwardingTargetRequest { target_id, etag };
    assert_eq!(reason(&client.delete_forwarding_target(request).await.unwrap_err()), stale);
}

#[tokio::test]
async fn nobody_reaches_another_tenants_targets_or_does_more_than_its_rights_say() {
    let stage = Stage::new("targets_apart").await;
    let other = TestAccount::new();
    stage.put(&other, stage.replica_of(&other, 1)).await;
    let replica = stage.start().await;
    let mut ours = manager(&stage, &replica).await;
    let target_id = create(&mut ours, wanted(&stage.account, URL)).await.unwrap().target_id;
    let mut theirs = client(&stage, &replica, other.tenant, &[Right::AccountsRead, Right::AccountsManage]).await;
    let not_found = |status: &Status| status.code() == Code::NotFound;
    assert!(not_found(&get(&mut theirs, &target_id).await.unwrap_err()));
    let change = ForwardingTarget { target_id: target_id.clone(), display_name: "x".to_owned(), ..<_>::default() };
    assert!(not_found(&update(&mut theirs, change.clone(), &[]).await.unwrap_err()));
    let etag = String::new;
    let request = PauseForwardingTargetRequest { target_id: target_id.clone(), etag: etag() };
    assert!(not_found(&theirs.pause_forwarding_target(request.clone()).await.unwrap_err()));
    let resumption = ResumeForwardingTargetRequest { target_id: target_id.clone(), etag: etag() };
    assert!(not_found(&theirs.resume_forwarding_target(resumption).await.unwrap_err()));
    let deletion = DeleteForwardingTargetRequest { target_id: target_id.clone(), etag: etag() };
    assert!(not_found(&theirs.delete_forwarding_target(deletion.clone()).await.unwrap_err()));
    assert!(not_found(&create(&mut theirs, wanted(&stage.account, URL)).await.unwrap_err()));
    let ask = ListForwardingTargetsRequest { account_id: stage.account.id.to_string(), ..<_>::default() };
    assert!(not_found(&theirs.list_forwarding_targets(ask).await.unwrap_err()));
    let all = theirs.list_forwarding_targets(ListForwardingTargetsRequest::default()).await.unwrap().into_inner();
    assert!(all.forwarding_targets.is_empty());

    let mut reader = client(&stage, &replica, stage.account.tenant, &[Right::AccountsRead]).await;
    assert!(get(&mut reader, &target_id).await.is_ok());
    assert_eq!(update(&mut reader, change, &[]).await.unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(reader.pause_forwarding_target(request).await.unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(reader.delete_forwarding_target(deletion).await.unwrap_err().code(), Code::PermissionDenied);
    let mut stranger = client(&stage, &replica, stage.account.tenant, &[Right::OperationsRead]).await;
    assert_eq!(get(&mut stranger, &target_id).await.unwrap_err().code(), Code::PermissionDenied);

    // The worker of all tenants sees neither URLs nor names, and without a tenant there is no row.
    let ingest = stage.ingest().await;
    for column in ["url", "display_name"] {
        let query = sqlx::AssertSqlSafe(format!("SELECT {column} FROM ingest.forwarding_target"));
        assert!(sqlx::query(query).fetch_all(ingest.worker()).await.is_err(), "{column}");
    }
    for table in ["forwarding_target", "forwarding"] {
        let mut nobody = ingest.tenant(Uuid::new_v4().into()).await.unwrap();
        let query = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM ingest.{table}"));
        assert_eq!(sqlx::query_scalar::<_, i64>(query).fetch_one(&mut *nobody).await.unwrap(), 0, "{table}");
    }
}
