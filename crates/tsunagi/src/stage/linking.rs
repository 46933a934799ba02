//! Linking as the people of a shop live it: a LINE user taps the rich menu and fills a form in; staff look at what came of it.

use anyhow::Context as _;
use contracts::identity::v1::customer_service_client::CustomerServiceClient;
use contracts::identity::v1::friend_service_client::FriendServiceClient;
use contracts::identity::v1::link_attempt_service_client::LinkAttemptServiceClient;
use contracts::identity::v1::link_policy_service_client::LinkPolicyServiceClient;
use contracts::identity::v1::link_service_client::LinkServiceClient;
use contracts::identity::v1::{
    CreateCustomerRequest, Customer, GetCustomerRequest, GetFriendRequest, GetLinkAttemptRequest, LinkAttempt,
    LinkAttemptState, LinkPolicy, LinkReason, ListLinkAttemptsRequest, ListLinksRequest, OnFirstMessage, PersonName,
    Phone, PhoneKind, UpdateLinkPolicyRequest,
};
use line_simulator::{Act, BooksQuery, ChatId, Sent};
use serde_json::Value;

use super::form::OpenForm;
use super::{Person, SHOWN_WITHIN, Shop, Stage, until};

/// A form that was submitted and waits for LINE's word.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// The attempt it made.
    pub attempt_id: String,
    /// LINE's account-link dialog.
    pub dialog: String,
}

impl Shop {
    /// Creates a customer with a mobile number, as staff do, and returns its ID.
    pub async fn customer(&self, stage: &Stage, (family, given): (&str, &str), mobile: &str) -> anyhow::Result<String> {
        let name = PersonName { family: family.to_owned(), given: given.to_owned(), ..Default::default() };
        let phone = Phone { number: mobile.to_owned(), kind: PhoneKind::Mobile.into() };
        let customer = Customer { name: Some(name), phones: vec![phone], ..Default::default() };
        let request = CreateCustomerRequest { customer: Some(customer), request_id: uuid::Uuid::new_v4().to_string() };
        let made = CustomerServiceClient::new(self.staff.connect(&stage.identity)?).create_customer(request).await?;
        Ok(made.into_inner().customer.unwrap_or_default().customer_id)
    }

    /// A customer's record as staff see it.
    pub async fn record(&self, stage: &Stage, customer_id: &str) -> anyhow::Result<Customer> {
        let request = GetCustomerRequest { customer_id: customer_id.to_owned(), ..Default::default() };
        let read = CustomerServiceClient::new(self.staff.connect(&stage.identity)?).get_customer(request).await?;
        Ok(read.into_inner().customer.unwrap_or_default())
    }

    /// Our ID of a person, once they are known.
    pub async fn friend_id(&self, stage: &Stage, person: &Person) -> anyhow::Result<String> {
        let mut friends = FriendServiceClient::new(self.program.connect(&stage.identity)?);
        let request = GetFriendRequest {
            account_id: self.account.to_string(),
            line_user_id: person.user_id.as_str().to_owned(),
            ..Default::default()
        };
        let found = until(SHOWN_WITHIN, async || friends.get_friend(request.clone()).await).await?;
        Ok(found.into_inner().friend.unwrap_or_default().friend_id)
    }

    /// The customer a person is linked to.
    pub async fn customer_of(&self, stage: &Stage, person: &Person) -> anyhow::Result<String> {
        let request = ListLinksRequest { friend_id: self.friend_id(stage, person).await?, ..Default::default() };
        let links =
            LinkServiceClient::new(self.staff.connect(&stage.identity)?).list_links(request).await?.into_inner();
        let active = links.links.into_iter().find(|link| link.end_time.is_none());
        Ok(active.context("the person is linked to nobody")?.customer_id)
    }

    /// Sets what a first message of somebody who is linked to nobody does (D-2).
    pub async fn on_first_message(&self, stage: &Stage, wanted: OnFirstMessage) -> anyhow::Result<()> {
        let policy = LinkPolicy { on_first_message: wanted.into(), ..Default::default() };
        let request = UpdateLinkPolicyRequest { link_policy: Some(policy), update_mask: None };
        LinkPolicyServiceClient::new(self.staff.connect(&stage.identity)?).update_link_policy(request).await?;
        Ok(())
    }

    /// What the account sent a person, oldest first.
    pub async fn sent_to(&self, stage: &Stage, person: &Person) -> anyhow::Result<Vec<Sent>> {
        let chat = Some(ChatId::from(person.user_id.as_str()));
        let query = BooksQuery { account: Some(self.card.channel_id.clone()), chat, after: None };
        Ok(stage.line.sent(&query).await?)
    }

    /// Waits until more than `before` requests have sent a person something, and returns the first of those.
    pub async fn answers_person(&self, stage: &Stage, person: &Person, before: usize) -> anyhow::Result<Sent> {
        until(SHOWN_WITHIN, async || {
            let sent = self.sent_to(stage, person).await.map_err(|problem| problem.to_string())?;
            sent.into_iter().nth(before).ok_or_else(|| "nothing came in the chat".to_owned())
        })
        .await
    }

    /// The person taps a button with this postback `data`; returns what it is answered with.
    pub async fn taps(&self, stage: &Stage, person: &Person, data: &str) -> anyhow::Result<Sent> {
        let before = self.sent_to(stage, person).await?.len();
        let act = Act::Postback { data: data.to_owned(), params: None };
        stage.line.act(&self.card.channel_id, &person.id, act).await?;
        self.answers_person(stage, person, before).await
    }

    /// The address the button of a card opens, tapped by the person it was sent to.
    pub async fn opens(&self, stage: &Stage, person: &Person, card: &Sent) -> anyhow::Result<String> {
        let message_id = card.message_ids.first().context("no message was sent")?.clone();
        let actions = card.messages.first().and_then(|message| message["template"]["actions"].as_array());
        let opening = actions.and_then(|actions| actions.iter().find(|action| action["type"] == "uri"));
        let label = opening.and_then(|action| action["label"].as_str()).context("no button opens a page")?.to_owned();
        let done = stage.line.act(&self.card.channel_id, &person.id, Act::Tap { message_id, label }).await?;
        done.uri.context("the button opens nothing")
    }

    /// The person taps the rich menu, opens the card's page and submits it. LINE has not been asked yet.
    pub async fn submits(
        &self,
        stage: &Stage,
        person: &Person,
        data: &str,
        typed: &[(&str, &str)],
    ) -> anyhow::Result<Submitted> {
        let card = self.taps(stage, person, data).await?;
        let address = self.opens(stage, person, &card).await?;
        let dialog = OpenForm::at(&address).await?.submit(typed).await?;
        let latest = self.attempts(stage, person).await?.into_iter().next().context("no attempt is listed")?;
        anyhow::ensure!(latest.state() == LinkAttemptState::Pending, "the attempt is {}", latest.state().as_str_name());
        Ok(Submitted { attempt_id: latest.link_attempt_id, dialog })
    }

    /// The person opens LINE's dialog and confirms; returns the attempt as it was decided, once the chat has answered.
    pub async fn confirms(&self, stage: &Stage, person: &Person, submitted: &Submitted) -> anyhow::Result<LinkAttempt> {
        let before = self.sent_to(stage, person).await?.len();
        let shown = stage.line.open_link(&person.id, &submitted.dialog).await?;
        anyhow::ensure!(shown.status == 200, "LINE's dialog answered {}", shown.status);
        let mut attempts = LinkAttemptServiceClient::new(self.staff.connect(&stage.identity)?);
        let request = GetLinkAttemptRequest { link_attempt_id: submitted.attempt_id.clone() };
        let attempt = until(SHOWN_WITHIN, async || {
            let read = attempts.get_link_attempt(request.clone()).await.map_err(|status| status.to_string())?;
            let attempt = read.into_inner().link_attempt.unwrap_or_default();
            let is_decided = attempt.state() == LinkAttemptState::Decided;
            if is_decided { Ok(attempt) } else { Err("the attempt is not decided".to_owned()) }
        })
        .await?;
        // LINE names nobody who was not the one it asked for, so nobody is answered.
        if attempt.reason() != LinkReason::NotConfirmedByLine {
            self.answers_person(stage, person, before).await?;
        }
        Ok(attempt)
    }

    /// From the rich menu to the decision: [`Shop::submits`], [`Shop::confirms`].
    pub async fn asks_to_be_linked(
        &self,
        stage: &Stage,
        person: &Person,
        data: &str,
        typed: &[(&str, &str)],
    ) -> anyhow::Result<LinkAttempt> {
        let submitted = self.submits(stage, person, data, typed).await?;
        self.confirms(stage, person, &submitted).await
    }

    /// A person's attempts, latest first.
    pub async fn attempts(&self, stage: &Stage, person: &Person) -> anyhow::Result<Vec<LinkAttempt>> {
        let friend_id = self.friend_id(stage, person).await?;
        let request = ListLinkAttemptsRequest { friend_id, ..Default::default() };
        let mut attempts = LinkAttemptServiceClient::new(self.staff.connect(&stage.identity)?);
        Ok(attempts.list_link_attempts(request).await?.into_inner().link_attempts)
    }
}

/// The texts of what was sent: of a template its own text, of a text message the message's.
#[must_use]
pub fn texts(sent: &Sent) -> Vec<&str> {
    sent.messages.iter().filter_map(text).collect()
}

fn text(message: &Value) -> Option<&str> {
    message["template"]["text"].as_str().or(message["text"].as_str())
}
