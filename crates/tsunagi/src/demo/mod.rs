//! The main job played from end to end, on a running platform: every step says what was expected and what was seen.

mod linking;
mod moment;
mod repair;
mod steps;
mod teller;

use std::time::Duration;

use crate::stage::{Person, Shop, Stage};
use moment::{Evening, PUT_OFF, UNLINKED};
use teller::Teller;

/// Plays the story.
///
/// # Errors
/// When a step differs from what it must be; the other steps were played all the same.
pub async fn play(stage: &Stage) -> anyhow::Result<()> {
    let mut teller = Teller::default();
    let sakura = Shop::open(stage, "さくら美容室", "佐藤 美咲").await?;
    let midori = Shop::open(stage, "みどり歯科", "鈴木 一郎").await?;
    teller.scene("Two tenants, each with a connected official account: さくら美容室 and みどり歯科");

    let hanako = sakura.person(stage, "はなこ").await?;
    teller
        .step(
            "友だち追加 (friend-add): a friend is known, no customer is created (F-01, F-03)",
            steps::friend_add_creates_no_customer(stage, &sakura, &hanako).await,
        )
        .step(
            "前からの友だち (a friend from before just writes): known from the first message (F-59), still no customer",
            steps::old_friend_just_writes(stage, &sakura).await,
        )
        .step(
            "スタッフの返信 (staff answer): goes by reply token, free, under the staff member's name (L-06, F-33)",
            steps::staff_answers_by_reply_token(stage, &sakura, &hanako).await,
        )
        .step(
            "遅い返信 (a late answer): the reply token is too old, so it goes by push and counts (D-3)",
            steps::late_answer_goes_by_push(stage, &sakura, &hanako, Duration::from_secs(70)).await,
        )
        .step(
            "再送 (a webhook delivered twice): changes nothing (R-5)",
            steps::repeated_webhook_changes_nothing(stage, &sakura, &hanako).await,
        )
        .step(
            "署名違い (a wrong signature): refused with 401, nothing is stored",
            steps::wrong_signature_is_refused(stage, &sakura).await,
        )
        .step(
            "送信取消 (unsend): the text is gone for staff too",
            steps::unsent_message_is_erased(stage, &sakura, &hanako).await,
        )
        .step(
            "別テナント (the other tenant): sees nothing of it (S-1)",
            steps::other_tenant_sees_nothing(stage, &sakura, &midori).await,
        )
        .step(
            "ブロック (a block): noticed; staff are told why they cannot write",
            steps::block_is_noticed(stage, &sakura, &hanako).await,
        );
    let ken = linking(stage, &sakura, &mut teller).await?;
    evening(stage, &sakura, &ken, &mut teller).await?;
    teller
        .step("帳簿 (LINE's books): no message was shown to anybody twice (L-05)", steps::books_are_clean(stage).await);
    teller.end()
}

/// LINE users and customers find each other, or are kept apart. Returns one of them who gave name and mobile number.
async fn linking(stage: &Stage, shop: &Shop, teller: &mut Teller) -> anyhow::Result<Person> {
    let yumi = shop.person(stage, "ゆみ").await?;
    let yumis_other = shop.person(stage, "ゆみ(新しいスマホ)").await?;
    let (taro, ken, mari, aoi) = (
        shop.person(stage, "たろさん").await?,
        shop.person(stage, "けん").await?,
        shop.person(stage, "まり").await?,
        shop.person(stage, "あおい").await?,
    );
    for person in [&yumi, &yumis_other, &taro, &ken, &mari, &aoi] {
        stage.line.add_friend(&shop.card.channel_id, &person.id).await?;
    }
    let yamada = shop.customer(stage, ("山田", "由美"), "090-1234-5678").await?;
    teller
        .scene("Customers of さくら美容室 link themselves to LINE, by the rich menu, a form and LINE's own dialog")
        .step(
            "はじめてのメッセージ (a first message): shown, and answered with the link card, once (D-2, F-42)",
            linking::first_message_is_asked_to_link(stage, shop).await,
        )
        .step(
            "お問い合わせ (an inquiry): the name matches one customer, who is linked; mark, name and tab show it (F-11, F-40)",
            linking::inquiry_links(stage, shop, &yumi, &yamada).await,
        )
        .step(
            "同姓同名 (two customers of that name): nobody is linked, staff see why; the message is there (F-13, D-5)",
            linking::two_of_one_name_are_held(stage, shop, &taro).await,
        )
        .step(
            "電話番号違い (a wrong mobile number): a provisional customer; the right number absorbs it (F-14, D-1, D-9)",
            linking::second_try_absorbs(stage, shop, &ken).await,
        )
        .step(
            "別のLINEアカウント (another LINE account): refused until somebody approves, then taken over (D-6, L-03)",
            repair::second_account_takes_over(stage, shop, (&yumi, &yumis_other), &yamada).await,
        )
        .step(
            "転送されたフォーム (a forwarded form): confirmed by somebody else, links nobody, the reason is kept (L-04)",
            repair::forwarded_form_links_nobody(stage, shop, &mari, &aoi).await,
        )
        .step(
            "連携解除 (unlinking): the LINE user ends the link by a button; the history stays (L-02)",
            repair::unlinked_by_the_line_user(stage, shop, &yumis_other, &yamada).await,
        );
    Ok(ken)
}

/// Staff hear of what waits and answer at the right moment: an evening and the morning behind it, the clock turned from one to the next.
async fn evening(stage: &Stage, shop: &Shop, reserves: &Person, teller: &mut Teller) -> anyhow::Result<()> {
    shop.open_branch(stage, "渋谷店").await?;
    let account = shop.open_staff_account(stage, "さくら美容室 スタッフ").await?;
    let member = shop.person(stage, "みさき").await?;
    let (newcomer, asks) = (shop.person(stage, "あたらしいひと").await?, shop.person(stage, "ももこ").await?);
    let evening = Evening { shop, account: &account, member: &member };
    teller
        .scene("Evening and morning at さくら美容室: staff on LINE, unread messages, and the right moment")
        .step(
            "スタッフのLINE (staff on LINE): invited, bound by LINE's own dialog",
            evening.staff_bind_on_line(stage).await,
        )
        .step(
            "友だち追加のお知らせ (a new friend): the responsible branch hears of it (F-69, F-70)",
            evening.friend_add_is_told(stage, &newcomer).await,
        )
        .step(
            "イエローバー (the yellow bar): 19:50, somebody nobody is linked to writes (F-28)",
            evening.bar_turns_yellow(stage, &asks).await,
        )
        .step(
            "夜8時の通知 (the digest at 20:00): unlinked senders included (F-27, L-12)",
            evening.digest_comes(stage, 20, UNLINKED).await,
        )
        .step("後で通知 (put off): read, but not done with (F-29)", evening.put_off_stays(stage).await);
    let (reply, told) = match evening.reply_waits_for_the_morning(stage).await {
        Ok((reply, told)) => (reply, Ok(told)),
        Err(problem) => (String::new(), Err(problem)),
    };
    let record = shop.customer_of(stage, reserves).await?;
    teller
        .step("送信予約 (a reply for the morning): written at 23:40 (F-31)", told)
        .step(
            "予約 (a reservation): its reminder is planned (F-107)",
            evening.reservation_is_booked(stage, &record).await,
        )
        .step(
            "朝8時の通知 (the digest at 8:00): what was put off is in it (F-29)",
            evening.digest_comes(stage, 8, PUT_OFF).await,
        )
        .step(
            "予約リマインド (the reminder): 8:30 of the day (F-107)",
            evening.customer_is_reminded(stage, reserves).await,
        )
        .step(
            "朝の送信 (the reply goes): 9:00, under its writer's name; the bar is gone (F-31, F-33)",
            evening.reply_goes_in_the_morning(stage, &asks, &reply).await,
        );
    Ok(())
}
