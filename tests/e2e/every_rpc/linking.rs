//! Links and all that is around them: one of each of the first tenant's, and the calls that name them.

use anyhow::Context as _;
use contracts::identity::v1::LinkMethod;
use contracts::identity::v1::duplicate_service_client::DuplicateServiceClient;
use contracts::identity::v1::link_attempt_service_client::LinkAttemptServiceClient;
use contracts::identity::v1::link_service_client::LinkServiceClient;
use contracts::identity::v1::merge_service_client::MergeServiceClient;
use contracts::identity::v1::{
    IssueFormTokenRequest, ListDuplicateSuspicionsRequest, ListLinksRequest, ListMergesRequest,
};
use serde_json::{Value, json};
use tsunagi::stage::{Shop, Stage};
use uuid::Uuid;

use super::Must::{self, NotFind, ShowNothing};
use super::World;

/// The first tenant's IDs around its links.
#[derive(Clone, Debug, Default)]
pub(super) struct Linking {
    link: String,
    held: String,
    takeover: String,
    suspicion: String,
    merge: String,
    form_token: String,
}

impl Linking {
    /// Links, holds, refuses and merges by what friends of the shop do.
    pub(super) async fn fill(stage: &Stage, shop: &Shop) -> anyhow::Result<Self> {
        const RESERVATIONS: &str = "tsunagi:reservations";
        let mut friends = Vec::new();
        for name in ["けん", "けん2", "けん3", "たろう"] {
            let person = shop.person(stage, name).await?;
            stage.line.add_friend(&shop.card.channel_id, &person.id).await?;
            friends.push(person);
        }
        let [ken, other, namesake, taro] = friends.as_slice() else { anyhow::bail!("four friends") };
        let customer = shop.customer(stage, ("高橋", "健"), "09055556666").await?;
        let typed = |mobile| [("family", "高橋"), ("given", "健"), ("mobile", mobile)];
        shop.asks_to_be_linked(stage, ken, RESERVATIONS, &typed("09055556667")).await?;
        let linked = shop.asks_to_be_linked(stage, ken, RESERVATIONS, &typed("09055556666")).await?;
        anyhow::ensure!(linked.customer_id == customer, "not linked: {linked:?}");
        let refused = shop.asks_to_be_linked(stage, other, RESERVATIONS, &typed("09055556666")).await?;
        // A near miss leaves a suspicion that no merge settles.
        shop.asks_to_be_linked(stage, namesake, RESERVATIONS, &typed("09055556668")).await?;
        shop.customer(stage, ("鈴木", "太郎"), "09011112222").await?;
        shop.customer(stage, ("鈴木", "太郎"), "09033334444").await?;
        let inquiry = [("family", "鈴木"), ("given", "太郎"), ("text", "x")];
        let held = shop.asks_to_be_linked(stage, taro, "tsunagi:inquiry", &inquiry).await?;

        let connect = || shop.staff.connect(&stage.identity);
        let links = ListLinksRequest { customer_id: customer.clone(), ..Default::default() };
        let links = LinkServiceClient::new(connect()?).list_links(links).await?.into_inner().links;
        let merges = MergeServiceClient::new(connect()?).list_merges(ListMergesRequest::default()).await?;
        let asked = ListDuplicateSuspicionsRequest { include_dismissed: true, ..Default::default() };
        let suspicions = DuplicateServiceClient::new(connect()?).list_duplicate_suspicions(asked).await?;
        let token = IssueFormTokenRequest {
            account_id: shop.account.to_string(),
            friend_id: shop.friend_id(stage, taro).await?,
            method: LinkMethod::BookingPage.into(),
        };
        let token = LinkAttemptServiceClient::new(connect()?).issue_form_token(token).await?;
        let suspicion = suspicions.into_inner().duplicate_suspicions.into_iter().next().context("no suspicion")?;
        Ok(Self {
            link: links.into_iter().next().context("no link")?.link_id,
            held: held.link_attempt_id,
            takeover: refused.takeover_request_id,
            suspicion: suspicion.duplicate_suspicion_id,
            merge: merges.into_inner().merges.into_iter().next().context("no merge")?.merge_id,
            form_token: token.into_inner().form_token,
        })
    }

    /// All of them.
    pub(super) fn ids(&self) -> [&str; 6] {
        let Self { link, held, takeover, suspicion, merge, form_token } = self;
        [link, held, takeover, suspicion, merge, form_token]
    }
}

pub(super) fn bodies(world: &World) -> Vec<(&'static str, Must, Value)> {
    let World { account, friend, customer, .. } = world;
    let Linking { link, held, takeover, suspicion, merge, form_token } = &world.linking;
    // An attempt of the other tenant's own, with the first one's token: it is no token there, and the activity stands.
    let activity = json!({ "kind": "ACTIVITY_KIND_RESERVATION", "externalReference": "r-9",
        "state": "ACTIVITY_STATE_ACTIVE", "startTime": "2027-01-01T01:00:00Z" });
    vec![
        ("/tsunagi.identity.v1.LinkService/ListLinks", NotFind, json!({ "customerId": customer })),
        ("/tsunagi.identity.v1.LinkService/ConfirmLink", NotFind, json!({ "linkId": link, "note": "x" })),
        ("/tsunagi.identity.v1.LinkService/EndLink", NotFind, json!({ "linkId": link, "note": "x" })),
        ("/tsunagi.identity.v1.LinkService/GetLinkFigures", NotFind, json!({ "accountId": account })),
        (
            "/tsunagi.identity.v1.LinkAttemptService/IssueFormToken",
            NotFind,
            json!({ "accountId": account, "friendId": friend, "method": "LINK_METHOD_BOOKING_PAGE" }),
        ),
        (
            "/tsunagi.identity.v1.LinkAttemptService/SubmitLinkAttempt",
            ShowNothing,
            json!({ "method": "LINK_METHOD_BOOKING_PAGE", "formToken": form_token, "name": { "family": "高橋", "given": "健" },
                "mobileNumber": "09055556666", "activity": activity, "requestId": Uuid::new_v4() }),
        ),
        (
            "/tsunagi.identity.v1.LinkAttemptService/InviteToLink",
            NotFind,
            json!({ "accountId": account, "friendId": friend, "requestId": Uuid::new_v4() }),
        ),
        ("/tsunagi.identity.v1.LinkAttemptService/GetLinkAttempt", NotFind, json!({ "linkAttemptId": held })),
        ("/tsunagi.identity.v1.LinkAttemptService/ListLinkAttempts", ShowNothing, json!({})),
        ("/tsunagi.identity.v1.LinkAttemptService/ListLinkAttempts", NotFind, json!({ "customerId": customer })),
        ("/tsunagi.identity.v1.LinkAttemptService/ListLinkAttempts", NotFind, json!({ "friendId": friend })),
        ("/tsunagi.identity.v1.LinkAttemptService/ReconsiderLinkAttempt", NotFind, json!({ "linkAttemptId": held })),
        (
            "/tsunagi.identity.v1.LinkAttemptService/ResolveLinkAttempt",
            NotFind,
            json!({ "linkAttemptId": held, "customerId": customer, "note": "x" }),
        ),
        ("/tsunagi.identity.v1.TakeoverService/GetTakeoverRequest", NotFind, json!({ "takeoverRequestId": takeover })),
        ("/tsunagi.identity.v1.TakeoverService/ListTakeoverRequests", ShowNothing, json!({})),
        ("/tsunagi.identity.v1.TakeoverService/ListTakeoverRequests", NotFind, json!({ "customerId": customer })),
        (
            "/tsunagi.identity.v1.TakeoverService/ApproveTakeoverRequest",
            NotFind,
            json!({ "takeoverRequestId": takeover, "note": "x" }),
        ),
        (
            "/tsunagi.identity.v1.TakeoverService/DeclineTakeoverRequest",
            NotFind,
            json!({ "takeoverRequestId": takeover, "note": "x" }),
        ),
        ("/tsunagi.identity.v1.LinkPolicyService/GetLinkPolicy", ShowNothing, json!({})),
        (
            "/tsunagi.identity.v1.LinkPolicyService/UpdateLinkPolicy",
            ShowNothing,
            json!({ "linkPolicy": { "onNoMatch": "ON_NO_MATCH_HOLD" } }),
        ),
        ("/tsunagi.identity.v1.DuplicateService/ListDuplicateSuspicions", ShowNothing, json!({})),
        ("/tsunagi.identity.v1.DuplicateService/ListDuplicateSuspicions", NotFind, json!({ "customerId": customer })),
        (
            "/tsunagi.identity.v1.DuplicateService/DismissDuplicateSuspicion",
            NotFind,
            json!({ "duplicateSuspicionId": suspicion, "note": "x" }),
        ),
        ("/tsunagi.identity.v1.MergeService/ListMerges", ShowNothing, json!({})),
        ("/tsunagi.identity.v1.MergeService/ListMerges", NotFind, json!({ "customerId": customer })),
        ("/tsunagi.identity.v1.MergeService/UndoMerge", NotFind, json!({ "mergeId": merge, "note": "x" })),
    ]
}
