//! A shop's staff on LINE: an official account of their own, a branch that hears of new friends, and a member's way onto LINE.

use anyhow::{Context as _, ensure};
use contracts::events::v1::AccountPurpose;
use contracts::identity::v1::account_service_client::AccountServiceClient;
use contracts::identity::v1::staff_account_service_client::StaffAccountServiceClient;
use contracts::identity::v1::staff_service_client::StaffServiceClient;
use contracts::identity::v1::{
    CreateOrganizationRequest, CreateStaffInvitationRequest, GetStaffMemberRequest, ListOrganizationsRequest,
    OfficialAccount, Organization, SetStaffAccountShareRequest, StaffLineState, StaffMember,
    UpdateOfficialAccountRequest, UpdateStaffMemberRequest, UseStaffAccountShareRequest,
};
use contracts::messaging::v1::ListConversationsRequest;
use contracts::scheduler::v1::GetDigestSettingsRequest;
use contracts::scheduler::v1::digest_schedule_service_client::DigestScheduleServiceClient;
use kernel::AccountId;
use line_simulator::{AccountCard, AccountSpec, BooksQuery, ChatId, Sent};

use super::{OpenForm, Person, SHOWN_WITHIN, Shop, Stage, account, until};

impl Shop {
    /// Opens an official account for the shop's staff on LINE's side and with us, and returns it as LINE sees it.
    pub async fn open_staff_account(&self, stage: &Stage, name: &str) -> anyhow::Result<AccountCard> {
        let spec = AccountSpec { name: name.to_owned(), ..AccountSpec::default() };
        let card = stage.line.add_account(&self.card.provider, spec).await?;
        let (account_id, _) = account::connect(stage, &self.program, &self.provider, &card).await?;
        let purpose = AccountPurpose::Staff.into();
        let account = OfficialAccount { account_id: account_id.to_string(), purpose, ..Default::default() };
        self.change_account(stage, account).await?;
        Ok(card)
    }

    /// Opens an official account for the staff of several shops in this one, which is the operator's own, and returns it with how LINE
    /// sees it.
    pub async fn open_shared_staff_account(
        &self,
        stage: &Stage,
        name: &str,
    ) -> anyhow::Result<(AccountId, AccountCard)> {
        let spec = AccountSpec { name: name.to_owned(), ..AccountSpec::default() };
        let card = stage.line.add_account(&self.card.provider, spec).await?;
        let (account_id, _) = account::connect(stage, &self.program, &self.provider, &card).await?;
        let purpose = AccountPurpose::SharedStaff.into();
        let account = OfficialAccount { account_id: account_id.to_string(), purpose, ..Default::default() };
        let request = UpdateOfficialAccountRequest { account: Some(account), update_mask: None };
        let operator = stage.operator.for_tenant(self.tenant);
        AccountServiceClient::new(operator.connect(&stage.identity)?).update_official_account(request).await?;
        Ok((account_id, card))
    }

    /// Has the operator give the shop a share in an account of `home`, and the shop use it.
    pub async fn uses_shared_staff_account(
        &self,
        stage: &Stage,
        home: &Self,
        account: AccountId,
        monthly_push_limit: i32,
    ) -> anyhow::Result<()> {
        let operator = stage.operator.for_tenant(self.tenant);
        let request = SetStaffAccountShareRequest {
            home_tenant_id: home.tenant.to_string(),
            account_id: account.to_string(),
            monthly_push_limit,
        };
        StaffAccountServiceClient::new(operator.connect(&stage.identity)?).set_staff_account_share(request).await?;
        let mut shares = StaffAccountServiceClient::new(self.program.connect(&stage.identity)?);
        shares.use_staff_account_share(UseStaffAccountShareRequest {}).await?;
        Ok(())
    }

    /// Opens a branch, for which the staff member works and which hears of whoever becomes a friend of the shop (F-69).
    pub async fn open_branch(&self, stage: &Stage, name: &str) -> anyhow::Result<String> {
        let mut staff = StaffServiceClient::new(self.program.connect(&stage.identity)?);
        let organization = Some(Organization { display_name: name.to_owned(), ..Default::default() });
        let request = CreateOrganizationRequest { organization, ..Default::default() };
        let branch = staff.create_organization(request).await?.into_inner().organization.unwrap_or_default();
        let member = StaffMember {
            staff_id: self.staff_id.to_string(),
            organization_ids: vec![branch.organization_id.clone()],
            ..Default::default()
        };
        let request = UpdateStaffMemberRequest { staff_member: Some(member), update_mask: None };
        staff.update_staff_member(request).await?;
        let account = OfficialAccount {
            account_id: self.account.to_string(),
            default_organization_id: branch.organization_id.clone(),
            ..Default::default()
        };
        self.change_account(stage, account).await?;
        Ok(branch.organization_id)
    }

    async fn change_account(&self, stage: &Stage, account: OfficialAccount) -> anyhow::Result<()> {
        let request = UpdateOfficialAccountRequest { account: Some(account), update_mask: None };
        AccountServiceClient::new(self.staff.connect(&stage.identity)?).update_official_account(request).await?;
        Ok(())
    }

    /// Invites the staff member, who adds the staff account as `person`, types the code into the page of its card and confirms in
    /// LINE's own dialog. Returns what the account then says.
    pub async fn binds_staff(&self, stage: &Stage, account: &AccountCard, person: &Person) -> anyhow::Result<Sent> {
        stage.line.add_friend(&account.channel_id, &person.id).await?;
        let card = Self::hears(stage, account, person, 0).await?;
        let address = Self::opens_card(&card)?;
        let mut staff = StaffServiceClient::new(self.program.connect(&stage.identity)?);
        let staff_id = self.staff_id.to_string();
        let invitation = CreateStaffInvitationRequest { staff_id: staff_id.clone(), ..Default::default() };
        let code = staff.create_staff_invitation(invitation).await?.into_inner().code;
        let dialog = OpenForm::at(&address).await?.submit(&[("code", &code)]).await?;
        let shown = stage.line.open_link(&person.id, &dialog).await?;
        ensure!(shown.status == 200, "LINE's dialog answered {}", shown.status);
        let said = Self::hears(stage, account, person, 1).await?;
        let member = staff.get_staff_member(GetStaffMemberRequest { staff_id }).await?.into_inner();
        let state = member.staff_member.unwrap_or_default().line_state();
        ensure!(state == StaffLineState::Bound, "the member is {}", state.as_str_name());
        Ok(said)
    }

    /// Waits until every service has noticed that the clock was turned: until then it takes nobody's word for who acts.
    pub async fn keeps_pace(&self, stage: &Stage) -> anyhow::Result<()> {
        let mut staff = StaffServiceClient::new(self.staff.connect(&stage.identity)?);
        until(SHOWN_WITHIN, async || staff.list_organizations(ListOrganizationsRequest::default()).await).await?;
        let mut conversations = self.conversations(stage)?;
        until(SHOWN_WITHIN, async || conversations.list_conversations(ListConversationsRequest::default()).await)
            .await?;
        let mut digests = DigestScheduleServiceClient::new(self.staff.connect(&stage.scheduler)?);
        until(SHOWN_WITHIN, async || digests.get_digest_settings(GetDigestSettingsRequest::default()).await).await?;
        Ok(())
    }

    fn opens_card(card: &Sent) -> anyhow::Result<String> {
        let action = &card.messages.first().context("no card was sent")?["template"]["actions"][0];
        Ok(action["uri"].as_str().context("the card opens nothing")?.to_owned())
    }

    /// What an account sent a person, oldest first.
    pub async fn heard(stage: &Stage, account: &AccountCard, person: &Person) -> anyhow::Result<Vec<Sent>> {
        let chat = Some(ChatId::from(person.user_id.as_str()));
        let query = BooksQuery { account: Some(account.channel_id.clone()), chat, after: None };
        Ok(stage.line.sent(&query).await?)
    }

    /// Waits until an account has sent a person more than `before` requests, and returns the first of those.
    pub async fn hears(stage: &Stage, account: &AccountCard, person: &Person, before: usize) -> anyhow::Result<Sent> {
        until(SHOWN_WITHIN, async || {
            let sent = Self::heard(stage, account, person).await.map_err(|problem| problem.to_string())?;
            sent.into_iter().nth(before).ok_or_else(|| "nothing came in the chat".to_owned())
        })
        .await
    }
}
