//! An official account of LINE's side, made known to us.

use contracts::identity::v1::account_service_client::AccountServiceClient;
use contracts::identity::v1::channel_credential_input::Kind as Credential;
use contracts::identity::v1::{
    ChannelCredentialInput, ConnectOfficialAccountRequest, CreateOfficialAccountRequest, CreateProviderRequest,
    OfficialAccount, Provider,
};
use kernel::{AccountId, ProviderId};
use line_simulator::AccountCard;
use line_types::signature::{ChannelSecret, sign};

use super::{Caller, SHOWN_WITHIN, Stage, until};

/// Creates a provider.
pub(super) async fn create_provider(stage: &Stage, caller: &Caller, name: &str) -> anyhow::Result<ProviderId> {
    let provider = Provider { display_name: name.to_owned(), ..Default::default() };
    let made = AccountServiceClient::new(caller.connect(&stage.identity)?)
        .create_provider(CreateProviderRequest { provider: Some(provider), ..Default::default() })
        .await?
        .into_inner();
    Ok(made.provider.unwrap_or_default().provider_id.parse()?)
}

/// Registers an account, points LINE to our webhook address, connects it, and waits until every service knows it. Returns its
/// ID and the last part of the webhook address.
pub(super) async fn connect(
    stage: &Stage,
    caller: &Caller,
    provider: &ProviderId,
    card: &AccountCard,
) -> anyhow::Result<(AccountId, String)> {
    let mut accounts = AccountServiceClient::new(caller.connect(&stage.identity)?);
    let credential = ChannelCredentialInput { kind: Some(Credential::LongLivedToken(card.access_token.clone())) };
    let account = OfficialAccount {
        provider_id: provider.to_string(),
        channel_id: card.channel_id.to_string(),
        ..Default::default()
    };
    let made = accounts
        .create_official_account(CreateOfficialAccountRequest {
            account: Some(account),
            channel_secret: card.channel_secret.clone(),
            credential: Some(credential),
            ..Default::default()
        })
        .await?
        .into_inner();
    let account_id = made.account.unwrap_or_default().account_id;
    stage.line.set_webhook_url(&card.channel_id, &stage.webhook_url(&made.webhook_key)).await?;
    // Messaging hears of the account by an event; until then it cannot ask LINE on its behalf.
    until(SHOWN_WITHIN, async || {
        let request = ConnectOfficialAccountRequest { account_id: account_id.clone(), ..Default::default() };
        accounts.connect_official_account(request).await
    })
    .await?;
    webhooks_are_taken(stage, card, &made.webhook_key).await?;
    Ok((account_id.parse()?, made.webhook_key))
}

/// Webhook-ingest hears of the account by an event too: until then it knows no such webhook key.
async fn webhooks_are_taken(stage: &Stage, card: &AccountCard, webhook_key: &str) -> anyhow::Result<()> {
    let empty = format!(r#"{{"destination":"{}","events":[]}}"#, card.bot_user_id.as_str());
    let secret = ChannelSecret::parse(&card.channel_secret)?;
    let (url, http) = (stage.webhook_url(webhook_key), reqwest::Client::new());
    until(SHOWN_WITHIN, async || {
        let request = http.post(&url).header("x-line-signature", sign(&secret, empty.as_bytes())).body(empty.clone());
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(answer.status().to_string()),
            Err(problem) => Err(problem.to_string()),
        }
    })
    .await
}
