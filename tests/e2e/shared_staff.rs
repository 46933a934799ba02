//! One account of the operator's for the staff of two shops, and one person who works in both, through the real services and LINE's side.

use std::time::Duration;

use contracts::identity::v1::account_service_client::AccountServiceClient;
use contracts::identity::v1::staff_account_service_client::StaffAccountServiceClient;
use contracts::identity::v1::staff_service_client::StaffServiceClient;
use contracts::identity::v1::{
    CreateStaffInvitationRequest, GetOfficialAccountRequest, GetStaffMemberRequest, LeaveStaffAccountShareRequest,
    StaffLineState,
};
use contracts::messaging::v1::notice_service_client::NoticeServiceClient;
use contracts::messaging::v1::{ListConversationsRequest, ListNoticesRequest, MarkReadRequest};
use line_simulator::{AccountCard, Method};
use testkit::eventually;
use tests::{Options, Platform};
use tonic::Code;
use tsunagi::stage::{OpenForm, Person, Shop, Stage};

const SOON: Duration = Duration::from_secs(30);

/// Types a shop's invitation into the page of a card that the person was sent, and confirms in LINE's dialog.
async fn binds(stage: &Stage, shop: &Shop, card: &AccountCard, person: &Person, sent: usize) -> anyhow::Result<()> {
    let asked = Shop::hears(stage, card, person, sent).await?;
    let address = asked.messages[0]["template"]["actions"][0]["uri"].as_str().unwrap_or_default().to_owned();
    let mut staff = StaffServiceClient::new(shop.program.connect(&stage.identity)?);
    let invite = CreateStaffInvitationRequest { staff_id: shop.staff_id.to_string(), ..Default::default() };
    let code = staff.create_staff_invitation(invite).await?.into_inner().code;
    let dialog = OpenForm::at(&address).await?.submit(&[("code", &code)]).await?;
    assert_eq!(stage.line.open_link(&person.id, &dialog).await?.status, 200);
    let said = Shop::hears(stage, card, person, sent + 1).await?;
    let said = said.messages[0]["text"].as_str().unwrap_or_default().to_owned();
    assert!(said.starts_with("スタッフとして登録されました"), "{said}");
    assert_eq!(line_state(stage, shop).await?, StaffLineState::Bound);
    Ok(())
}

async fn line_state(stage: &Stage, shop: &Shop) -> anyhow::Result<StaffLineState> {
    let mut staff = StaffServiceClient::new(shop.program.connect(&stage.identity)?);
    let read = GetStaffMemberRequest { staff_id: shop.staff_id.to_string() };
    Ok(staff.get_staff_member(read).await?.into_inner().staff_member.unwrap_or_default().line_state())
}

/// Waits until the person's menu on the account is the yellow one, or is not.
async fn sees(stage: &Stage, card: &AccountCard, person: &Person, yellow: bool) -> anyhow::Result<()> {
    let look = async || {
        let shown = stage.line.rich_menu(&card.channel_id, &person.id).await.map_err(|problem| problem.to_string())?;
        let name = shown.and_then(|shown| shown.menu).map(|menu| menu.name).unwrap_or_default();
        if name.starts_with("tsunagi-bar/unread/") == yellow && !name.is_empty() { Ok(()) } else { Err(name) }
    };
    Ok(eventually(SOON, look).await?)
}

async fn reads_all(stage: &Stage, shop: &Shop) -> anyhow::Result<()> {
    let mut conversations = shop.conversations(stage)?;
    let listed = conversations.list_conversations(ListConversationsRequest::default()).await?.into_inner();
    for conversation in listed.conversations {
        assert_eq!(conversation.account_id, shop.account.to_string(), "staff are shown as customers");
        let conversation_id = conversation.conversation_id;
        conversations.mark_read(MarkReadRequest { conversation_id, ..Default::default() }).await?;
    }
    Ok(())
}

/// F-27, F-28, F-70: bound in two shops by two codes, told by each under its name, with one yellow bar for both, and in no shop a friend.
#[tokio::test(flavor = "multi_thread")]
async fn one_person_is_staff_of_two_shops_on_the_operators_account() -> anyhow::Result<()> {
    let platform = Platform::start(Options::default()).await?;
    let stage = platform.stage();
    let operator = Shop::open(&stage, "つなぎ運営", "運営 太郎").await?;
    let (account, card) = operator.open_shared_staff_account(&stage, "つなぎスタッフ通知").await?;
    let sakura = Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
    let midori = Shop::open(&stage, "みどり歯科", "佐藤 美咲").await?;
    for shop in [&sakura, &midori] {
        shop.open_branch(&stage, "本店").await?;
        shop.uses_shared_staff_account(&stage, &operator, account, 1_000).await?;
        let mut accounts = AccountServiceClient::new(shop.staff.connect(&stage.identity)?);
        let foreign = GetOfficialAccountRequest { account_id: account.to_string() };
        assert_eq!(accounts.get_official_account(foreign).await.unwrap_err().code(), Code::NotFound);
    }
    let misaki = operator.person(&stage, "みさき").await?;
    stage.line.add_friend(&card.channel_id, &misaki.id).await?;
    binds(&stage, &sakura, &card, &misaki, 0).await?;
    stage.line.write_text(&card.channel_id, &misaki.id, "もう一店にも登録したい").await?;
    binds(&stage, &midori, &card, &misaki, 2).await?;

    for (shop, name, before) in [(&sakura, "さくら美容室", 4), (&midori, "みどり歯科", 5)] {
        let hanako = shop.person(&stage, "はなこ").await?;
        stage.line.add_friend(&shop.card.channel_id, &hanako.id).await?;
        let told = Shop::hears(&stage, &card, &misaki, before).await?;
        let text = told.messages[0]["text"].as_str().unwrap_or_default().to_owned();
        assert!(told.method == Method::Push && text.starts_with(&format!("【{name}】\n友だち追加")), "{text}");
        let mut notices = NoticeServiceClient::new(shop.staff.connect(&stage.messaging)?);
        let listed = notices.list_notices(ListNoticesRequest::default()).await?.into_inner().notices;
        assert_eq!(listed.len(), 1, "one's own alone");
        stage.line.write_text(&shop.card.channel_id, &hanako.id, "予約したいです").await?;
        shop.sees(&stage, "予約したいです").await?;
    }
    sees(&stage, &card, &misaki, true).await?;
    reads_all(&stage, &midori).await?;
    reads_all(&stage, &sakura).await?;
    sees(&stage, &card, &misaki, false).await?;

    // One shop goes its own way; the other stays.
    let mut shares = StaffAccountServiceClient::new(sakura.program.connect(&stage.identity)?);
    shares.leave_staff_account_share(LeaveStaffAccountShareRequest {}).await?;
    assert_eq!(line_state(&stage, &sakura).await?, StaffLineState::NotBound);
    assert_eq!(line_state(&stage, &midori).await?, StaffLineState::Bound);
    reads_all(&stage, &operator).await?;
    Ok(())
}
