//! The main job played from end to end, on a running platform: every step says what was expected and what was seen.

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
        )
        .step("帳簿 (LINE's books): no message was shown to anybody twice (L-05)", steps::books_are_clean(stage).await);
    teller.end()
}
