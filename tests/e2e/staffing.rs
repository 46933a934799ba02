//! A staff member's way onto LINE, and what reaches the member there, through the real services and LINE's side.

use std::time::Duration;

use contracts::events::v1::AccountPurpose;
use contracts::identity::v1::account_service_client::AccountServiceClient;
use contracts::identity::v1::staff_service_client::StaffServiceClient;
use contracts::identity::v1::{
    AccountFinding, AccountFindingKind, CreateOrganizationRequest, CreateStaffInvitationRequest, GetStaffMemberRequest,
    ListOfficialAccountsRequest, OfficialAccount, Organization, StaffLineState, StaffMember,
    UpdateOfficialAccountRequest, UpdateStaffMemberRequest,
};
use contracts::messaging::v1::ListConversationsRequest;
use line_simulator::{AccountCard, AccountSettings, BooksQuery, ChatId, Method, Sent};
use sqlx::{Connection as _, PgConnection};
use testkit::eventually;
use tests::{Options, Platform};
use tsunagi::stage::{OpenForm, Person, Shop, Stage};

const SOON: Duration = Duration::from_secs(30);

async fn accounts(stage: &Stage, shop: &Shop) -> anyhow::Result<Vec<OfficialAccount>> {
    let mut accounts = AccountServiceClient::new(shop.staff.connect(&stage.identity)?);
    let listed = accounts.list_official_accounts(ListOfficialAccountsRequest::default()).await?;
    Ok(listed.into_inner().accounts)
}

async fn change(stage: &Stage, shop: &Shop, account: OfficialAccount) -> anyhow::Result<()> {
    let request = UpdateOfficialAccountRequest { account: Some(account), update_mask: None };
    AccountServiceClient::new(shop.staff.connect(&stage.identity)?).update_official_account(request).await?;
    Ok(())
}

/// What an account sent a person, oldest first, once there are more than `before`.
async fn sent(stage: &Stage, card: &AccountCard, person: &Person, before: usize) -> anyhow::Result<Sent> {
    let chat = Some(ChatId::from(person.user_id.as_str()));
    let query = BooksQuery { account: Some(card.channel_id.clone()), chat, after: None };
    let look = async || {
        let sent = stage.line.sent(&query).await.map_err(|problem| problem.to_string())?;
        sent.into_iter().nth(before).ok_or_else(|| "nothing came in the chat".to_owned())
    };
    Ok(eventually(SOON, look).await?)
}

/// An account of the shop for its staff, and the organization that hears of the shop's friends.
async fn furnish(platform: &Platform, stage: &Stage, shop: &Shop) -> anyhow::Result<AccountCard> {
    let card = shop.add_account(stage).await?;
    let channel = card.channel_id.to_string();
    let of_staff = accounts(stage, shop).await?.into_iter().find(|one| one.channel_id == channel).unwrap_or_default();
    let wanted = OfficialAccount {
        account_id: of_staff.account_id,
        purpose: AccountPurpose::Staff.into(),
        ..OfficialAccount::default()
    };
    change(stage, shop, wanted).await?;
    let mut staff = StaffServiceClient::new(shop.program.connect(&stage.identity)?);
    let organization = Organization { display_name: "渋谷店".to_owned(), ..Organization::default() };
    let request = CreateOrganizationRequest { organization: Some(organization), ..Default::default() };
    let branch = staff.create_organization(request).await?.into_inner().organization.unwrap_or_default();
    let member = StaffMember {
        staff_id: shop.staff_id.to_string(),
        organization_ids: vec![branch.organization_id.clone()],
        ..StaffMember::default()
    };
    let request = UpdateStaffMemberRequest { staff_member: Some(member), update_mask: None };
    staff.update_staff_member(request).await?;
    let wanted = OfficialAccount {
        account_id: shop.account.to_string(),
        default_organization_id: branch.organization_id,
        ..OfficialAccount::default()
    };
    change(stage, shop, wanted).await?;
    // Messaging hears of the account's purpose by an event; before that it takes it for one of customers.
    eventually(SOON, async || {
        let mut admin = PgConnection::connect(&platform.admin_url()).await.map_err(|error| error.to_string())?;
        let known = "SELECT EXISTS (SELECT FROM messaging.account_replica WHERE purpose = 2)";
        let is_known: bool =
            sqlx::query_scalar(known).fetch_one(&mut admin).await.map_err(|error| error.to_string())?;
        if is_known { Ok(()) } else { Err("messaging has not heard of the staff account".to_owned()) }
    })
    .await?;
    Ok(card)
}

/// F-37, F-38, F-70: invited, bound by LINE's word, told of a friend-add and of LINE's own chat, and shown in no conversation.
#[tokio::test(flavor = "multi_thread")]
async fn a_staff_member_is_bound_on_line_and_hears_of_friends_and_of_lines_own_chat() -> anyhow::Result<()> {
    let platform = Platform::start(Options::default()).await?;
    let stage = platform.stage();
    let shop = Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
    let card = furnish(&platform, &stage, &shop).await?;

    let misaki = shop.person(&stage, "みさき").await?;
    stage.line.add_friend(&card.channel_id, &misaki.id).await?;
    let asked = sent(&stage, &card, &misaki, 0).await?;
    assert_eq!((asked.method, asked.counted), (Method::Reply, 0), "the card costs something");
    let address = asked.messages[0]["template"]["actions"][0]["uri"].as_str().unwrap_or_default().to_owned();
    let mut staff = StaffServiceClient::new(shop.program.connect(&stage.identity)?);
    let invite =
        CreateStaffInvitationRequest { staff_id: shop.staff_id.to_string(), ..CreateStaffInvitationRequest::default() };
    let code = staff.create_staff_invitation(invite).await?.into_inner().code;
    let dialog = OpenForm::at(&address).await?.submit(&[("code", &code)]).await?;

    // Whom the address is forwarded to confirms nothing.
    let other = shop.person(&stage, "ほかのひと").await?;
    stage.line.add_friend(&card.channel_id, &other.id).await?;
    stage.line.open_link(&other.id, &dialog).await?;
    let dialog = OpenForm::at(&address).await?.submit(&[("code", &code)]).await?;
    assert_eq!(stage.line.open_link(&misaki.id, &dialog).await?.status, 200);
    let said = sent(&stage, &card, &misaki, 1).await?;
    assert!(said.messages[0]["text"].as_str().is_some_and(|text| text.starts_with("スタッフとして登録されました")));
    let read = GetStaffMemberRequest { staff_id: shop.staff_id.to_string() };
    let member = staff.get_staff_member(read).await?.into_inner().staff_member.unwrap_or_default();
    assert_eq!(member.line_state(), StaffLineState::Bound);

    let hanako = shop.person(&stage, "はなこ").await?;
    stage.line.add_friend(&shop.card.channel_id, &hanako.id).await?;
    let told = sent(&stage, &card, &misaki, 2).await?;
    assert_eq!(told.method, Method::Push);

    let on = AccountSettings { chat: Some(true), ..AccountSettings::default() };
    stage.line.change_account(&shop.card.channel_id, &on).await?;
    let mut admin = PgConnection::connect(&platform.admin_url()).await?;
    sqlx::query("UPDATE identity.account_check SET due_time = now()").execute(&mut admin).await?;
    sent(&stage, &card, &misaki, 3).await?;
    let found = accounts(&stage, &shop).await?;
    let customers = found.iter().find(|one| one.account_id == shop.account.to_string());
    let findings: Vec<_> = customers.iter().flat_map(|one| &one.findings).map(AccountFinding::kind).collect();
    assert_eq!(findings, [AccountFindingKind::ChatModeOn]);

    let conversations = shop.conversations(&stage)?.list_conversations(ListConversationsRequest::default()).await?;
    let shown = conversations.into_inner().conversations;
    assert!(shown.iter().all(|one| one.account_id == shop.account.to_string()), "staff are shown as customers");
    Ok(())
}
