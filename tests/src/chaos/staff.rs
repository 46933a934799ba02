//! The shop's staff on LINE in the runs: an account of their own, a branch that hears of whoever comes, and two conversations that wait,
//! one unread and one put off, so that each digest has something to tell.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use contracts::access_proto::v1::Right;
use contracts::identity::v1::staff_service_client::StaffServiceClient;
use contracts::identity::v1::{CreateOrganizationRequest, CreateStaffMemberRequest, Organization, StaffMember};
use contracts::messaging::v1::{ListConversationsRequest, MarkReadRequest, PutOffConversationRequest};
use kernel::StaffId;
use line_simulator::{AccountCard, BooksQuery, Method};
use sqlx::PgPool;
use tsunagi::stage::{Person, Shop, Stage, texts, until};

use super::linking::BACK_WITHIN;

/// Conversations that wait from the first run to the last.
pub(super) const WAIT: usize = 2;
/// How many of those are put off.
pub(super) const PUT_OFF: usize = 1;

/// The staff of a shop.
#[derive(Debug)]
pub(super) struct Staff {
    /// The account for staff.
    pub(super) account: AccountCard,
    /// All of them.
    pub(super) members: Vec<Member>,
}

/// A staff member who is bound on LINE.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) id: StaffId,
    pub(super) person: Person,
    /// Works for the branch to which every conversation belongs: sees what waits, and hears of who comes. Whoever does not sees nothing.
    pub(super) of_branch: bool,
}

/// What LINE pushed to each member, text by text.
pub(super) type Heard = BTreeMap<StaffId, Vec<String>>;

impl Staff {
    /// Binds an administrator and a member of the branch on LINE, and a member of another; before anybody becomes a friend of the shop.
    pub(super) async fn bind(stage: &Stage, shop: &Shop, tables: &PgPool) -> anyhow::Result<Self> {
        let account = shop.open_staff_account(stage, "さくら美容室 スタッフ").await?;
        let branch = shop.open_branch(stage, "渋谷店").await?;
        let other = branch_nobody_comes_to(stage, shop).await?;
        // Until messaging hears of it, it takes the account for one of customers; and who comes before the branch is known there is nobody's.
        until(BACK_WITHIN, async || {
            let known = "SELECT count(*) FROM messaging.account_replica
                 WHERE purpose = 2 OR default_organization_id = $1::uuid";
            let known: i64 = sqlx::query_scalar(known).bind(&branch).fetch_one(tables).await?;
            ensure!(known == 2, "messaging has not heard of the staff account or of the branch");
            Ok(())
        })
        .await?;
        let mut members = Vec::new();
        for (name, organization) in [("佐藤 美咲", None), ("鈴木 葵", Some(branch)), ("高橋 健", Some(other))]
        {
            let id = match &organization {
                None => shop.staff_id,
                Some(organization) => member_of(stage, shop, name, organization).await?,
            };
            let person = shop.person(stage, name).await?;
            let shop = Shop { staff_id: id, ..shop.clone() };
            shop.binds_staff(stage, &account, &person).await?;
            members.push(Member { id, person, of_branch: members.len() < 2 });
        }
        until(BACK_WITHIN, async || {
            let known =
                "SELECT count(*) FROM messaging.staff_contact JOIN messaging.staff_replica USING (tenant_id, staff_id)
                 WHERE line_user_id <> '' AND organization_ids <> '{}'";
            let known: i64 = sqlx::query_scalar(known).fetch_one(tables).await?;
            ensure!(usize::try_from(known)? == members.len(), "messaging knows of {known} members on LINE");
            Ok(())
        })
        .await?;
        Ok(Self { account, members })
    }

    /// Has somebody write who stays unread, and somebody whose conversation is read and put off.
    pub(super) async fn let_wait(&self, stage: &Stage, shop: &Shop) -> anyhow::Result<()> {
        for n in 0..WAIT {
            let person = shop.person(stage, &format!("待ち人{n}")).await?;
            let asked = format!("お待ちしています{n}");
            stage.line.add_friend(&shop.card.channel_id, &person.id).await?;
            stage.line.write_text(&shop.card.channel_id, &person.id, &asked).await?;
            let (conversation, _) = shop.sees(stage, &asked).await?;
            if n < PUT_OFF {
                let conversation_id = conversation.conversation_id;
                let mut conversations = shop.conversations(stage)?;
                let put_off = PutOffConversationRequest { conversation_id: conversation_id.clone() };
                conversations.put_off_conversation(put_off).await?;
                let read = MarkReadRequest { conversation_id, ..MarkReadRequest::default() };
                conversations.mark_read(read).await?;
            }
        }
        let member = self.members.get(1).context("no member of the branch")?;
        let branch = Shop { staff: shop.program.as_staff(&shop.staff_key, member.id), ..shop.clone() };
        let mut conversations = branch.conversations(stage)?;
        until(BACK_WITHIN, async || {
            let seen = conversations.list_conversations(ListConversationsRequest::default()).await?.into_inner();
            ensure!(seen.conversations.len() >= WAIT, "the branch sees {} conversations", seen.conversations.len());
            Ok(())
        })
        .await
    }

    /// What LINE's books hold of pushes to the members, behind the entry of this number.
    pub(super) async fn heard(&self, stage: &Stage, after: u64) -> anyhow::Result<Heard> {
        let account = Some(self.account.channel_id.clone());
        let books = stage.line.sent(&BooksQuery { account, after: Some(after), ..BooksQuery::default() }).await?;
        let mut heard: Heard = self.members.iter().map(|member| (member.id, Vec::new())).collect();
        for push in books.iter().filter(|sent| sent.method == Method::Push) {
            let to = |member: &&Member| push.chats.iter().any(|chat| chat.as_str() == member.person.user_id.as_str());
            let member = self.members.iter().find(to).context("the staff account wrote to a stranger")?;
            heard.entry(member.id).or_default().extend(texts(push).into_iter().map(str::to_owned));
        }
        Ok(heard)
    }
}

/// A branch that hears of nobody.
async fn branch_nobody_comes_to(stage: &Stage, shop: &Shop) -> anyhow::Result<String> {
    let mut staff = StaffServiceClient::new(shop.program.connect(&stage.identity)?);
    let organization = Some(Organization { display_name: "新宿店".to_owned(), ..Organization::default() });
    let request = CreateOrganizationRequest { organization, ..CreateOrganizationRequest::default() };
    Ok(staff.create_organization(request).await?.into_inner().organization.unwrap_or_default().organization_id)
}

async fn member_of(stage: &Stage, shop: &Shop, name: &str, organization: &str) -> anyhow::Result<StaffId> {
    let mut staff = StaffServiceClient::new(shop.program.connect(&stage.identity)?);
    let member = StaffMember {
        display_name: name.to_owned(),
        rights: vec![Right::ConversationsRead.into()],
        organization_ids: vec![organization.to_owned()],
        active: true,
        ..StaffMember::default()
    };
    let request = CreateStaffMemberRequest { staff_member: Some(member), ..CreateStaffMemberRequest::default() };
    let made = staff.create_staff_member(request).await?.into_inner().staff_member.unwrap_or_default();
    Ok(made.staff_id.parse()?)
}

#[cfg(test)]
pub(super) mod tests {
    use line_simulator::{PersonId, UserId};

    use super::*;

    /// One who is of the branch, and one who is not.
    pub(in crate::chaos) fn members() -> Vec<Member> {
        let member = |n: u128, of_branch| Member {
            id: uuid::Uuid::from_u128(n).into(),
            person: Person {
                id: PersonId::from(n.to_string()),
                user_id: UserId::from(n.to_string()),
                display_name: n.to_string(),
            },
            of_branch,
        };
        vec![member(1, true), member(2, false)]
    }
}
