//! The main job played from end to end, on a running platform: every step says what was expected and what was seen.

mod linking;
mod repair;
mod steps;
mod teller;

use std::time::Duration;

use crate::stage::{Shop, Stage};
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
    linking(stage, &sakura, &mut teller).await?;
    teller
        .step("帳簿 (LINE's books): no message was shown to anybody twice (L-05)", steps::books_are_clean(stage).await);
    teller.end()
}

/// LINE users and customers find each other, or are kept apart.
async fn linking(stage: &Stage, shop: &Shop, teller: &mut Teller) -> anyhow::Result<()> {
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
    Ok(())
}
