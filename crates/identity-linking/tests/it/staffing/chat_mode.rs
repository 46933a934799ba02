//! F-37, F-38: LINE's own chat, asked about when an account is connected and every hour after that.

use std::time::Duration;

use contracts::events::v1::StaffNoticeKind;
use contracts::identity::v1::*;
use tonic::Status;

use super::notice::notices;
use crate::linking::stage::{HANAKO, MOBILE, Stage, person};

async fn account(stage: &Stage) -> OfficialAccount {
    let listed = stage.at().accounts().list_official_accounts(ListOfficialAccountsRequest::default()).await.unwrap();
    let account = stage.account.to_string();
    listed.into_inner().accounts.into_iter().find(|one| one.account_id == account).unwrap()
}

/// The hour is over.
async fn hour_passes(stage: &Stage) {
    stage.alter("UPDATE identity.account_check SET due_time = now()").await;
}

async fn until_on(stage: &Stage, on: bool) -> OfficialAccount {
    Stage::until(async || {
        let account = account(stage).await;
        if account.findings.is_empty() == on { Err(account.chat_mode) } else { Ok(account) }
    })
    .await
}

/// How many seconds it is until LINE is asked again.
async fn pause(stage: &Stage) -> f64 {
    sqlx::query_scalar("SELECT extract(epoch FROM due_time - now())::float8 FROM identity.account_check")
        .fetch_one(&stage.house.admin().await)
        .await
        .unwrap()
}

#[tokio::test]
async fn chat_that_is_turned_on_is_found_told_and_closes_the_tab_until_it_is_off() {
    let stage = Stage::open("chat_mode").await;
    let customer = stage.customer(HANAKO, MOBILE).await;
    stage.link(&person(1), HANAKO, MOBILE).await;
    let standing = async || stage.standing(&customer).await;
    assert_eq!((standing().await.tab(), standing().await.tab_reason_ja.as_str()), (LineTab::Open, ""));
    let branch = stage.branch("渋谷店").await;
    stage.put_default(&branch).await;
    assert!(pause(&stage).await > 3_000.0, "LINE was asked when the account was connected");

    stage.house.messaging.chat_mode("chat");
    hour_passes(&stage).await;
    let found = until_on(&stage, true).await;
    let finding = &found.findings[0];
    assert_eq!((found.chat_mode.as_str(), finding.kind()), ("chat", AccountFindingKind::ChatModeOn));
    assert!(finding.reason_ja.contains("チャット") && finding.reason_en.contains("does not appear here"));
    let closed = standing().await;
    assert_eq!(closed.tab(), LineTab::ChatModeOn);
    assert_eq!((&closed.tab_reason_ja, &closed.tab_reason_en), (&finding.reason_ja, &finding.reason_en));
    assert!(closed.linked, "the mark stays");
    let told = notices(&stage).await;
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].kind(), &told[0].organization_id), (StaffNoticeKind::ChatModeOn, &branch));
    assert!(stage.house.audit(stage.tenant).await.contains(&"account.check".to_owned()));

    // Seen on once more, nothing is told again.
    let since = finding.find_time;
    hour_passes(&stage).await;
    Stage::until(async || {
        let pause = pause(&stage).await;
        if pause > 3_599.0 - 60.0 { Ok(()) } else { Err(pause.to_string()) }
    })
    .await;
    assert_eq!(account(&stage).await.findings[0].find_time, since);
    assert_eq!(notices(&stage).await.len(), 1);

    stage.house.messaging.chat_mode("bot");
    hour_passes(&stage).await;
    until_on(&stage, false).await;
    assert_eq!(standing().await.tab(), LineTab::Open);
    stage.house.messaging.chat_mode("chat");
    hour_passes(&stage).await;
    until_on(&stage, true).await;
    let told = notices(&stage).await;
    assert_eq!(told.len(), 2);
    assert_ne!(told[0].notice_id, told[1].notice_id, "turned on again is news again");
}

#[tokio::test]
async fn an_account_is_asked_about_once_an_hour_while_it_is_connected_whatever_line_answers() {
    let stage = Stage::open("chat_mode_hour").await;
    let asked = async |more: usize| {
        Stage::until(async || {
            let asked = stage.house.messaging.bots_asked();
            let pause = pause(&stage).await;
            if asked == more && pause > 3_500.0 { Ok(()) } else { Err(format!("{asked} {pause}")) }
        })
        .await;
    };
    asked(1).await;
    stage.house.messaging.refuse(Some(Status::unavailable("LINE is away")));
    hour_passes(&stage).await;
    asked(2).await;
    assert_eq!(account(&stage).await.chat_mode, "bot", "no answer is no news");
    stage.house.messaging.refuse(None);
    let beside = stage.house.beside().await;
    hour_passes(&stage).await;
    asked(3).await;
    assert!(pause(&stage).await < 3_901.0);
    drop(beside);

    let pause_request = PauseOfficialAccountRequest { account_id: stage.account.to_string() };
    stage.at().accounts().pause_official_account(pause_request).await.unwrap();
    hour_passes(&stage).await;
    Stage::until(async || {
        let left = stage.count("identity.account_check").await;
        if left == 0 { Ok(()) } else { Err(left.to_string()) }
    })
    .await;
    assert_eq!(stage.house.messaging.bots_asked(), 3, "nobody asks about an account that is switched off");
    stage.house.messaging.chat_mode("chat");
    let connect =
        ConnectOfficialAccountRequest { account_id: stage.account.to_string(), webhook_endpoint: String::new() };
    let connected =
        stage.at().accounts().connect_official_account(connect).await.unwrap().into_inner().account.unwrap();
    assert_eq!(connected.findings.len(), 1, "found when it is connected, too");
    asked(4).await;
}

#[tokio::test]
async fn a_check_killed_after_lines_answer_is_made_again_and_told_once() {
    let mut stage = Stage::open("chat_mode_killed").await;
    let branch = stage.branch("渋谷店").await;
    stage.put_default(&branch).await;
    stage.house.messaging.chat_mode("chat");
    stage.house.stop().await;
    hour_passes(&stage).await;
    let mut killed = crate::killing::program(&stage.house, testkit::port::free(), "identity.check.after_line=kill@1");
    let signal = std::os::unix::process::ExitStatusExt::signal(&killed.exit(Duration::from_secs(30)).await.unwrap());
    assert_eq!(signal, Some(9), "{:?}", killed.lines());
    stage.house.start().await;
    assert!(account(&stage).await.findings.is_empty());
    // Its claim runs out.
    hour_passes(&stage).await;
    until_on(&stage, true).await;
    assert_eq!(notices(&stage).await.len(), 1);
}

#[tokio::test]
async fn an_account_in_use_is_connected_while_its_chat_is_on_and_the_tab_opens_once_it_is_off() {
    let stage = Stage::open("chat_in_use").await;
    let customer = stage.customer(HANAKO, MOBILE).await;
    let account_id = stage.account.to_string();
    let pause = PauseOfficialAccountRequest { account_id: account_id.clone() };
    stage.at().accounts().pause_official_account(pause).await.unwrap();
    stage.house.messaging.chat_mode("chat");
    let connect = ConnectOfficialAccountRequest { account_id, webhook_endpoint: String::new() };
    let connected = stage.at().accounts().connect_official_account(connect).await.unwrap().into_inner();
    assert_eq!(
        connected.account.unwrap().findings[0].kind(),
        AccountFindingKind::ChatModeOn,
        "whoever connects is told"
    );

    // Friends are heard of and linked meanwhile, and staff read them in LINE's own manager.
    stage.link(&person(1), HANAKO, MOBILE).await;
    let standing = stage.standing(&customer).await;
    assert_eq!((standing.linked, standing.tab()), (true, LineTab::ChatModeOn));
    stage.house.messaging.chat_mode("bot");
    hour_passes(&stage).await;
    until_on(&stage, false).await;
    assert_eq!(stage.standing(&customer).await.tab(), LineTab::Open);
}
