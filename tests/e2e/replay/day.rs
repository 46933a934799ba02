//! A lively day of a shop: friends come, write, take back, edit, tap, link, block and come back; staff read and answer.

use contracts::messaging::v1::{MarkReadRequest, MessageState};
use line_simulator::{Act, ActRequest, ChatChange, ChatKind, ChatSpec, Media, Writing};
use tsunagi::stage::{Person, Shop, Stage};

async fn friend(stage: &Stage, shop: &Shop, name: &str) -> anyhow::Result<Person> {
    let person = shop.person(stage, name).await?;
    stage.line.add_friend(&shop.card.channel_id, &person.id).await?;
    Ok(person)
}

/// One of the day's texts, which nobody else says.
pub(super) const WORD: &str = "ひとこと";

/// Lives the day; LINE's ID of the event that says [`WORD`].
pub(super) async fn live(stage: &Stage, shop: &Shop) -> anyhow::Result<String> {
    let (line, account) = (&stage.line, &shop.card.channel_id);
    shop.customer(stage, ("山田", "花子"), "09012345678").await?;
    let hanako = friend(stage, shop, "はなこ").await?;
    let typed = [("family", "山田"), ("given", "花子"), ("text", "土曜日は空いていますか")];
    shop.asks_to_be_linked(stage, &hanako, "tsunagi:inquiry", &typed).await?;
    line.write_text(account, &hanako.id, "おはようございます").await?;
    let (conversation, _) = shop.sees(stage, "おはようございます").await?;
    let answer = shop.answers(stage, &conversation.conversation_id, "いらっしゃいませ").await?;
    shop.reaches(stage, &answer.message_id, MessageState::Accepted).await?;
    let read = MarkReadRequest { conversation_id: conversation.conversation_id, ..Default::default() };
    shop.conversations(stage)?.mark_read(read).await?;
    let word = line.write_text(account, &hanako.id, WORD).await?.webhook_event_id.unwrap_or_default();
    shop.sees(stage, WORD).await?;
    come_and_go(stage, shop).await?;
    Ok(word)
}

/// The part of the day in which no staff have a hand: friends come, write, take back, block and come back.
pub(super) async fn come_and_go(stage: &Stage, shop: &Shop) -> anyhow::Result<()> {
    let (line, account) = (&stage.line, &shop.card.channel_id);
    let taro = friend(stage, shop, "たろう").await?;
    let picture = Act::Write(Writing::Image(Media::default()));
    line.act(account, &taro.id, picture).await?;
    let taken_back = line.write_text(account, &taro.id, "まちがえました").await?.message_id.unwrap_or_default();
    shop.sees(stage, "まちがえました").await?;
    line.act(account, &taro.id, Act::Unsend { message_id: taken_back }).await?;
    line.block(account, &taro.id).await?;
    line.unblock(account, &taro.id).await?;
    line.act(account, &taro.id, Act::Postback { data: "menu=1".to_owned(), params: None }).await?;

    let jiro = friend(stage, shop, "じろう").await?;
    line.block(account, &jiro.id).await?;
    let visitor = shop.person(stage, "とおりすがり").await?;
    line.write_text(account, &visitor.id, "はじめまして").await?;

    let spec = ChatSpec { kind: ChatKind::Group, name: "家族".to_owned(), members: vec![visitor.id.clone()] };
    let chat = line.add_chat(&spec).await?;
    line.change_chat(&chat, &ChatChange::InviteAccount { account: account.clone() }).await?;
    let here = |act| ActRequest { chat: Some(chat.clone()), ..ActRequest::from(act) };
    let write = Act::Write(Writing::Text { text: "みんなで行きまs".to_owned(), extra: None });
    let written = line.act(account, &visitor.id, here(write)).await?.message_id.unwrap_or_default();
    shop.sees(stage, "みんなで行きまs").await?;
    let edit = Act::Edit { message_id: written, text: "みんなで行きます".to_owned() };
    line.act(account, &visitor.id, here(edit)).await?;
    shop.sees(stage, "みんなで行きます").await?;
    shop.sees(stage, "はじめまして").await?;
    anyhow::ensure!(line.webhooks_settled(super::SOON).await?, "webhooks are on their way still");
    Ok(())
}
