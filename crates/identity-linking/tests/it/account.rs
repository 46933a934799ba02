//! Providers and official accounts over gRPC.

use contracts::events::v1::AccountState;
use contracts::identity::v1::*;
use prost_types::FieldMask;
use tonic::{Code, Status};

use crate::house::House;
use crate::refused::{fields, reason};

const BOT: &str = "U0123456789abcdef0123456789abcdef";
const OTHER_BOT: &str = "Uffffffffffffffffffffffffffffffff";

fn registration(provider: &str, channel: &str) -> CreateOfficialAccountRequest {
    CreateOfficialAccountRequest {
        account: Some(OfficialAccount {
            provider_id: provider.to_owned(),
            channel_id: channel.to_owned(),
            ..OfficialAccount::default()
        }),
        ..CreateOfficialAccountRequest::default()
    }
}

#[tokio::test]
async fn an_account_is_registered_once_under_its_provider() {
    let house = House::open("account").await;
    let tenant = house.tenant().await;
    let at = house.at(tenant);
    let provider = house.provider(tenant).await;
    let read = GetProviderRequest { provider_id: provider.clone() };
    let read = at.accounts().get_provider(read).await.unwrap().into_inner().provider.unwrap();
    let listed = at.accounts().list_providers(ListProvidersRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.providers, [read]);

    let request = CreateOfficialAccountRequest {
        request_id: uuid::Uuid::new_v4().to_string(),
        channel_secret: "0123456789abcdef0123456789ABCDEF".to_owned(),
        ..registration(&provider, "1234567890")
    };
    let created = at.accounts().create_official_account(request.clone()).await.unwrap().into_inner();
    assert!(created.webhook_key.starts_with(&format!("{tenant}.")) && created.webhook_key.len() == 37 + 43);
    let again = at.accounts().create_official_account(request).await.unwrap().into_inner();
    assert_eq!((again.account, again.webhook_key.as_str()), (created.account.clone(), ""));
    let created = created.account.unwrap();
    assert_eq!(created.state(), AccountState::Registered);
    assert!(created.has_channel_secret && !created.has_channel_credential);
    assert_eq!(
        reason(at.accounts().create_official_account(registration(&provider, "1234567890")).await),
        (Code::AlreadyExists, "CHANNEL_TAKEN".to_owned())
    );
    let get = GetOfficialAccountRequest { account_id: created.account_id.clone() };
    assert_eq!(at.accounts().get_official_account(get).await.unwrap().into_inner().account.unwrap(), created);
    let listed = at.accounts().list_official_accounts(ListOfficialAccountsRequest::default()).await.unwrap();
    assert_eq!(listed.into_inner().accounts, [created]);
}

#[tokio::test]
async fn a_provider_is_put_right_by_mask_etag_and_request_id() {
    let house = House::open("provider").await;
    let tenant = house.tenant().await;
    let at = house.at(tenant);
    let id = house.provider(tenant).await;
    let update = |name: &str, line_id: &str, etag: &str, paths: &[&str]| UpdateProviderRequest {
        provider: Some(Provider {
            provider_id: id.clone(),
            display_name: name.to_owned(),
            line_provider_id: line_id.to_owned(),
            etag: etag.to_owned(),
        }),
        update_mask: Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }),
        request_id: uuid::Uuid::new_v4().to_string(),
    };
    let call = async |request: UpdateProviderRequest| {
        at.accounts().update_provider(request).await.map(|changed| changed.into_inner().provider.unwrap())
    };
    let renamed = update("さくら", "1234", "", &["display_name"]);
    let first = call(renamed.clone()).await.unwrap();
    assert_eq!((first.display_name.as_str(), first.line_provider_id.as_str()), ("さくら", ""));
    let second = call(update("", "1234", &first.etag, &["line_provider_id"])).await.unwrap();
    assert_eq!((second.display_name.as_str(), second.line_provider_id.as_str()), ("さくら", "1234"));
    assert_ne!(second.etag, first.etag);
    assert_eq!(call(renamed.clone()).await.unwrap(), first, "the same request ID gives the first answer again");
    let other = UpdateProviderRequest { request_id: renamed.request_id, ..update("別", "", "", &["display_name"]) };
    assert_eq!(reason(call(other).await), (Code::Aborted, "REQUEST_ID_REUSED".to_owned()));
    let stale = call(update("x", "", &first.etag, &["display_name"])).await;
    assert_eq!(reason(stale), (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    assert_eq!(call(update("さくら", "", "", &["display_name"])).await.unwrap(), second, "nothing changed");
    assert_eq!(
        fields(call(update("", "x", "", &["*", "provider_id"])).await),
        ["update_mask", "provider.display_name", "provider.line_provider_id"]
    );
    let read = GetProviderRequest { provider_id: id.clone() };
    assert_eq!(at.accounts().get_provider(read).await.unwrap().into_inner().provider.unwrap(), second);
    let elsewhere = house.at(house.tenant().await);
    let foreign = elsewhere.accounts().update_provider(update("x", "", "", &["display_name"])).await;
    assert_eq!(reason(foreign), (Code::NotFound, "NOT_FOUND".to_owned()));
    let told = house.audit(tenant).await;
    assert_eq!(told, ["tenant.create", "provider.create", "provider.update", "provider.update"]);
}

#[tokio::test]
async fn every_wrong_field_of_a_registration_is_named() {
    let house = House::open("account_wrong").await;
    let at = house.at(house.tenant().await);
    let request = CreateOfficialAccountRequest {
        account: Some(OfficialAccount {
            provider_id: "x".to_owned(),
            channel_id: "abc".to_owned(),
            bot_user_id: "U1".to_owned(),
            owner_organization_id: "y".to_owned(),
            default_organization_id: "z".to_owned(),
            ..OfficialAccount::default()
        }),
        channel_secret: "two words".to_owned(),
        credential: Some(ChannelCredentialInput {
            kind: Some(channel_credential_input::Kind::AssertionKey(AssertionKeyInput {
                key_id: "kid".to_owned(),
                private_jwk: "{}".to_owned(),
            })),
        }),
        request_id: String::new(),
    };
    let outcome = at.accounts().create_official_account(request).await;
    assert!(!format!("{outcome:?}").contains("two words"), "a secret is never repeated");
    assert_eq!(
        fields(outcome),
        [
            "account.provider_id",
            "account.channel_id",
            "account.bot_user_id",
            "account.owner_organization_id",
            "account.default_organization_id",
            "channel_secret",
            "credential.assertion_key.private_jwk"
        ]
    );
    let provider = Provider { line_provider_id: "abc".to_owned(), ..Provider::default() };
    let request = CreateProviderRequest { provider: Some(provider), request_id: String::new() };
    assert_eq!(
        fields(at.accounts().create_provider(request).await),
        ["provider.display_name", "provider.line_provider_id"]
    );
}

#[tokio::test]
async fn an_account_opens_only_with_its_secrets_and_for_its_own_bot() {
    let house = House::open("account_connect").await;
    let tenant = house.tenant().await;
    let at = house.at(tenant);
    let provider = house.provider(tenant).await;
    let bare = at.accounts().create_official_account(registration(&provider, "55")).await.unwrap().into_inner();
    let connect = |account: &str, endpoint: &str| ConnectOfficialAccountRequest {
        account_id: account.to_owned(),
        webhook_endpoint: endpoint.to_owned(),
    };
    assert_eq!(
        reason(at.accounts().connect_official_account(connect(&bare.account.unwrap().account_id, "")).await),
        (Code::FailedPrecondition, "SECRET_MISSING".to_owned())
    );

    let id = house.registered(tenant, &provider, BOT).await.to_string();
    let outcome = at.accounts().connect_official_account(connect(&id, "")).await;
    assert_eq!(reason(outcome), (Code::Unavailable, "LINE_UNAVAILABLE".to_owned()));
    house.messaging.refuse(Some(Status::failed_precondition("refused by LINE")));
    let outcome = at.accounts().connect_official_account(connect(&id, "")).await;
    assert_eq!(reason(outcome), (Code::FailedPrecondition, "CREDENTIAL_REFUSED".to_owned()));
    house.messaging.refuse(None);
    house.messaging.bot(&id, OTHER_BOT);
    let outcome = at.accounts().connect_official_account(connect(&id, "https://a.example/x")).await;
    assert_eq!(reason(outcome), (Code::FailedPrecondition, "BOT_MISMATCH".to_owned()));
    assert!(house.messaging.endpoints().is_empty(), "another bot's webhooks are left alone");
    assert_eq!(
        fields(at.accounts().connect_official_account(connect("x", "http://a.example")).await),
        ["account_id", "webhook_endpoint"]
    );

    house.messaging.bot(&id, BOT);
    let connected = at.accounts().connect_official_account(connect(&id, "https://a.example/x")).await;
    let connected = connected.unwrap().into_inner().account.unwrap();
    assert_eq!(connected.state(), AccountState::Connected);
    assert_eq!((connected.basic_id.as_str(), connected.chat_mode.as_str()), ("@shop", "bot"));
    assert_eq!(house.messaging.endpoints(), ["https://a.example/x"]);

    let twin = house.registered(tenant, &provider, OTHER_BOT).await.to_string();
    let paused = at.accounts().pause_official_account(PauseOfficialAccountRequest { account_id: id.clone() }).await;
    assert_eq!(paused.unwrap().into_inner().account.unwrap().state(), AccountState::Paused);
    let again = at.accounts().connect_official_account(connect(&id, "")).await.unwrap().into_inner();
    assert_eq!(again.account.unwrap().connect_time, connected.connect_time);
    let pause = PauseOfficialAccountRequest { account_id: twin };
    let never = at.accounts().pause_official_account(pause).await.unwrap().into_inner().account.unwrap();
    assert_eq!(never.state(), AccountState::Registered);
}

#[tokio::test]
async fn two_accounts_are_never_one_bot() {
    let house = House::open("account_bot").await;
    let tenant = house.tenant().await;
    let at = house.at(tenant);
    let provider = house.provider(tenant).await;
    house.registered(tenant, &provider, BOT).await;
    let mut request = registration(&provider, "77");
    request.account.as_mut().unwrap().bot_user_id = BOT.to_owned();
    assert_eq!(
        reason(at.accounts().create_official_account(request).await),
        (Code::AlreadyExists, "BOT_TAKEN".to_owned())
    );
}

#[tokio::test]
async fn an_account_belongs_to_the_tenant_or_to_a_branch() {
    let house = House::open("account_branch").await;
    let tenant = house.tenant().await;
    let at = house.at(tenant);
    let provider = house.provider(tenant).await;
    let id = house.registered(tenant, &provider, BOT).await.to_string();
    let branch = Organization { display_name: "渋谷店".to_owned(), ..Organization::default() };
    let branch = CreateOrganizationRequest { organization: Some(branch), request_id: String::new() };
    let branch = at.staff().create_organization(branch).await.unwrap().into_inner().organization.unwrap();
    let update = |owner: &str, default: &str, etag: &str, paths: &[&str]| UpdateOfficialAccountRequest {
        account: Some(OfficialAccount {
            account_id: id.clone(),
            owner_organization_id: owner.to_owned(),
            default_organization_id: default.to_owned(),
            etag: etag.to_owned(),
            ..OfficialAccount::default()
        }),
        update_mask: Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }),
    };
    let both = ["owner_organization_id", "default_organization_id"];
    let set = update(&branch.organization_id, &branch.organization_id, "", &both);
    let changed = at.accounts().update_official_account(set.clone()).await.unwrap().into_inner().account.unwrap();
    assert_eq!(changed.owner_organization_id, branch.organization_id);
    let unchanged = at.accounts().update_official_account(set).await.unwrap().into_inner().account.unwrap();
    assert_eq!(unchanged.etag, changed.etag, "nothing changed, so there is no new version");
    let shared = at.accounts().update_official_account(update("", "", &changed.etag, &both[..1])).await.unwrap();
    let shared = shared.into_inner().account.unwrap();
    assert_eq!((shared.owner_organization_id.as_str(), &shared.default_organization_id), ("", &branch.organization_id));
    let stale = at.accounts().update_official_account(update("", "", &changed.etag, &both)).await;
    assert_eq!(reason(stale), (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    let fixed = at.accounts().update_official_account(update("", "", "", &["channel_id"])).await;
    assert_eq!(fields(fixed), ["update_mask"]);
}
