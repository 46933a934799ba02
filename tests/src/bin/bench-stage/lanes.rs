//! Many accounts with friends of their own: what the sending side is measured on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use contracts::messaging::v1::message_content::Kind as Content;
use contracts::messaging::v1::message_service_client::MessageServiceClient;
use contracts::messaging::v1::{ListConversationsRequest, MessageContent, SendMessageRequest, SendPolicy, TextContent};
use futures::future::try_join_all;
use line_simulator::AccountCard;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tsunagi::stage::{Connection, Shop, Stage, until};

/// How long a change may take to reach the service that needs it.
const KNOWN_WITHIN: Duration = Duration::from_mins(2);
/// Calls that queue messages at once.
const CALLERS: usize = 64;
/// Conversations on a page; the most there may be.
const PAGE: i32 = 200;

/// Shops, their accounts on LINE's side, and a conversation with each friend.
pub(crate) struct Lanes {
    shops: Vec<Opened>,
}

struct Opened {
    shop: Shop,
    accounts: Vec<(AccountCard, Vec<String>)>,
    conversations: Vec<String>,
}

impl Lanes {
    /// Opens `tenants` shops with `accounts` accounts each, and `friends` friends to every account.
    pub(crate) async fn open(stage: &Stage, tenants: usize, accounts: usize, friends: usize) -> anyhow::Result<Self> {
        let opening = (0..tenants).map(|number| Opened::new(stage, number, accounts, friends));
        Ok(Self { shops: try_join_all(opening).await? })
    }

    /// What a peer needs to write to the same people, and how many there are.
    pub(crate) fn told(&self) -> Value {
        let accounts: Vec<Value> = self
            .shops
            .iter()
            .flat_map(|opened| &opened.accounts)
            .map(|(card, users)| json!({ "token": card.access_token, "users": users }))
            .collect();
        let conversations: usize = self.shops.iter().map(|opened| opened.conversations.len()).sum();
        json!({ "accounts": accounts, "conversations": conversations })
    }

    /// Queues one message in every conversation, account after account in turn, many callers at once.
    pub(crate) async fn enqueue(&self, stage: &Stage) -> anyhow::Result<Value> {
        let mut calls: Vec<(MessageServiceClient<Connection>, String)> = Vec::new();
        for opened in &self.shops {
            let client = MessageServiceClient::new(opened.shop.program.connect(&stage.messaging)?);
            calls.extend(opened.conversations.iter().map(|conversation| (client.clone(), conversation.clone())));
        }
        let (calls, next) = (Arc::new(calls), Arc::new(AtomicUsize::new(0)));
        let begun = Instant::now();
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let (calls, next) = (Arc::clone(&calls), Arc::clone(&next));
            callers.spawn(async move {
                while let Some((client, conversation)) = calls.get(next.fetch_add(1, Ordering::Relaxed)) {
                    client.clone().send_message(push(conversation)).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(called) = callers.join_next().await {
            called??;
        }
        Ok(json!({ "count": calls.len(), "seconds": begun.elapsed().as_secs_f64() }))
    }
}

impl Opened {
    async fn new(stage: &Stage, number: usize, accounts: usize, friends: usize) -> anyhow::Result<Self> {
        let shop = Shop::open(stage, &format!("店舗{number}"), "鈴木 一郎").await?;
        let mut cards = vec![shop.card.clone()];
        for _ in 1..accounts {
            cards.push(shop.add_account(stage).await?);
        }
        let mut opened = Vec::new();
        for card in cards {
            let users = stage.line.add_friends(&card.channel_id, friends, false).await?;
            opened.push((card, users.into_iter().map(|user| user.user_id.to_string()).collect()));
        }
        let conversations = conversations(stage, &shop, accounts * friends).await?;
        Ok(Self { shop, accounts: opened, conversations })
    }
}

/// The shop's conversations, once there are `count`.
async fn conversations(stage: &Stage, shop: &Shop, count: usize) -> anyhow::Result<Vec<String>> {
    let mut client = shop.conversations(stage)?;
    until(KNOWN_WITHIN, async || {
        let mut found = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListConversationsRequest { page_size: PAGE, page_token, ..Default::default() };
            let page = client.list_conversations(request).await?.into_inner();
            found.extend(page.conversations.into_iter().map(|conversation| conversation.conversation_id));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        ensure!(found.len() == count, "{} of {count} conversations are there", found.len());
        Ok::<_, anyhow::Error>(found)
    })
    .await
}

fn push(conversation: &str) -> SendMessageRequest {
    let text = format!("ご予約の確認 {conversation} {}", "あ".repeat(50));
    SendMessageRequest {
        conversation_id: conversation.to_owned(),
        content: Some(MessageContent { kind: Some(Content::Text(TextContent { text, ..Default::default() })) }),
        policy: SendPolicy::PushOnly.into(),
        request_id: uuid::Uuid::new_v4().to_string(),
        ..Default::default()
    }
}
