//! `FriendService`. LINE user IDs are read and told only for callers who hold the right to see them (D-8, F-79).

use chassis::audit::Actor;
use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::page::Part;
use contracts::access_proto::v1::Right;
use contracts::events::v1::FriendshipState as WireState;
use contracts::identity::v1::friend_service_server::FriendService;
use contracts::identity::v1::{
    CountFriendsRequest, CountFriendsResponse, Friend as WireFriend, FriendAttributes as WireAttributes,
    GetFriendRequest, GetFriendResponse, ListFriendsRequest, ListFriendsResponse, UpdateFriendRequest,
    UpdateFriendResponse,
};
use contracts::timestamp;
use identity_linking_core::friendship::FriendshipState;
use identity_linking_core::{Age, FriendAttributes, Gender, Line, MobileNumber};
use kernel::{AccountId, FriendId};
use line_types::id::UserId;
use tonic::{Request, Response, Status};

use super::fields::Fields;
use super::mask::Mask;
use super::refusal::Refusal;
use super::visibility;
use crate::change::{self, Subject};
use crate::postgres::friendship::{self, StoredFriend};
use crate::postgres::{account, friend, tenant};
use crate::registry::Registry;
use crate::replica;

const CHANGEABLE: &[&str] =
    &["attributes.mobile_number", "attributes.gender", "attributes.age", "attributes.prefecture"];

/// LINE users and their friendships.
pub(crate) struct Friends(pub(crate) Registry);

#[tonic::async_trait]
impl FriendService for Friends {
    async fn get_friend(&self, request: Request<GetFriendRequest>) -> Result<Response<GetFriendResponse>, Status> {
        Ok(Response::new(get(&self.0, request).await?))
    }

    async fn list_friends(
        &self,
        request: Request<ListFriendsRequest>,
    ) -> Result<Response<ListFriendsResponse>, Status> {
        Ok(Response::new(list(&self.0, request).await?))
    }

    async fn update_friend(
        &self,
        request: Request<UpdateFriendRequest>,
    ) -> Result<Response<UpdateFriendResponse>, Status> {
        Ok(Response::new(update(&self.0, request).await?))
    }

    async fn count_friends(
        &self,
        request: Request<CountFriendsRequest>,
    ) -> Result<Response<CountFriendsResponse>, Status> {
        Ok(Response::new(count(&self.0, request).await?))
    }
}

fn tell(caller: &Caller, friend: &StoredFriend) -> WireFriend {
    let user = &friend.line_user;
    let friendship = &friend.friendship.value;
    let may_see_id = caller.has(Right::LineUserIdRead);
    WireFriend {
        friend_id: user.id.to_string(),
        account_id: friend.account.to_string(),
        provider_id: user.provider.to_string(),
        line_user_id: if may_see_id { user.line_user_id.as_str().to_owned() } else { String::new() },
        display_name: user.profile.display_name.clone().unwrap_or_default(),
        state: replica::friendship_state(friendship.state()).into(),
        state_time: Some(timestamp(friendship.since())),
        first_seen_time: Some(timestamp(friendship.first_seen)),
        attributes: Some(tell_attributes(&friend.attributes)),
    }
}

fn tell_attributes(attributes: &FriendAttributes) -> WireAttributes {
    WireAttributes {
        mobile_number: attributes.mobile_number.as_ref().map(MobileNumber::as_str).unwrap_or_default().to_owned(),
        gender: attributes.gender.map(Gender::as_str).unwrap_or_default().to_owned(),
        age: attributes.age.map_or(0, |age| age.years().into()),
        prefecture: replica::text(attributes.prefecture.as_ref()),
    }
}

/// Who is asked for.
enum Named {
    ById(FriendId),
    ByLineUserId(UserId),
}

async fn get(registry: &Registry, request: Request<GetFriendRequest>) -> Result<GetFriendResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let mut fields = Fields::new();
    let account: Option<AccountId> = fields.id("account_id", &request.account_id);
    let by_line_user_id = request.friend_id.is_empty() && !request.line_user_id.is_empty();
    let named = if by_line_user_id {
        let user = UserId::parse(&request.line_user_id).map_err(|_| "is not a LINE user ID");
        fields.take("line_user_id", user).map(Named::ByLineUserId)
    } else {
        fields.id("friend_id", &request.friend_id).map(Named::ById)
    };
    let (account, named) = fields.all(|| Some((account?, named?)))?;
    if by_line_user_id && !caller.has(Right::LineUserIdRead) {
        return Err(refuse::denied("RIGHT_MISSING").into());
    }
    let mut tx = registry.tenant_of(&caller).await?;
    let id = match named {
        Named::ById(id) => id,
        Named::ByLineUserId(user) => {
            let account = account::find(&mut tx, account).await?.ok_or_else(|| refuse::not_found("ACCOUNT"))?;
            friend::id_of(account.stored.value.provider, &user)
        }
    };
    let found = visibility::friend(&mut tx, &caller.sight(), account, id).await?;
    Ok(GetFriendResponse { friend: Some(tell(&caller, &found)) })
}

async fn list(registry: &Registry, request: Request<ListFriendsRequest>) -> Result<ListFriendsResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let mut fields = Fields::new();
    let account: Option<AccountId> = fields.id("account_id", &request.account_id);
    let asked = fields.page(caller.tenant(), &request);
    let state = match WireState::try_from(request.state) {
        Ok(WireState::Unspecified) => Ok(None),
        Ok(WireState::Seen) => Ok(Some(FriendshipState::Seen)),
        Ok(WireState::Friend) => Ok(Some(FriendshipState::Friend)),
        Ok(WireState::Blocked) => Ok(Some(FriendshipState::Blocked)),
        Err(_) => Err("does not exist"),
    };
    let state = fields.take("state", state);
    let (account, asked, state) = fields.all(|| Some((account?, asked?, state?)))?;
    let mut tx = registry.tenant_of(&caller).await?;
    account::find(&mut tx, account).await?.ok_or_else(|| refuse::not_found("ACCOUNT"))?;
    let place = |last: &StoredFriend| (last.friendship.value.first_seen, last.line_user.id.uuid());
    let sight = caller.sight();
    let mut part = Part::of(&asked, &sight);
    while let Some(look) = part.look() {
        let rows = friendship::list(&mut tx, account, state, look.after, look.rows).await?;
        let looked = rows.iter().map(place).collect();
        part.add(looked, visibility::friends(&mut tx, &sight, account, rows).await?);
    }
    let (rows, next_page_token) = part.cut(place);
    Ok(ListFriendsResponse { friends: rows.iter().map(|row| tell(&caller, row)).collect(), next_page_token })
}

async fn count(registry: &Registry, request: Request<CountFriendsRequest>) -> Result<CountFriendsResponse, Refusal> {
    let mut fields = Fields::new();
    let account = fields.id("account_id", &request.get_ref().account_id);
    let account = fields.all(|| account)?;
    let mut tx = registry.tenant_of(&Caller::of(&request)).await?;
    account::find(&mut tx, account).await?.ok_or_else(|| refuse::not_found("ACCOUNT"))?;
    let counts = friendship::count(&mut tx, account).await?;
    Ok(CountFriendsResponse { friends: counts.friends, blocked: counts.blocked, seen: counts.seen })
}

async fn update(registry: &Registry, request: Request<UpdateFriendRequest>) -> Result<UpdateFriendResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let wanted = request.friend.unwrap_or_default();
    let given = wanted.attributes.unwrap_or_default();
    let mut tx = registry.tenant_of(&caller).await?;
    // Mobile numbers are read by the tenant's zone; a tenant that is not there has no friends either.
    let Some(tenant) = tenant::find(&mut tx).await? else { return Err(refuse::not_found("FRIEND").into()) };
    let mut fields = Fields::new();
    let account: Option<AccountId> = fields.id("friend.account_id", &wanted.account_id);
    let id: Option<FriendId> = fields.id("friend.friend_id", &wanted.friend_id);
    let mask = Mask::read(&mut fields, request.update_mask, CHANGEABLE);
    let region = tenant.value.time_zone.calling_region();
    let mobile_number = mask
        .covers("attributes.mobile_number", !given.mobile_number.is_empty())
        .then(|| fields.take("friend.attributes.mobile_number", MobileNumber::optional(&given.mobile_number, region)));
    let gender = mask
        .covers("attributes.gender", !given.gender.is_empty())
        .then(|| fields.take("friend.attributes.gender", Gender::optional(&given.gender)));
    let age = mask
        .covers("attributes.age", given.age != 0)
        .then(|| fields.take("friend.attributes.age", Age::optional(given.age)));
    let prefecture = mask
        .covers("attributes.prefecture", !given.prefecture.is_empty())
        .then(|| fields.take("friend.attributes.prefecture", Line::optional(&given.prefecture)));
    let (account, id) = fields.all(|| Some((account?, id?)))?;
    // The lock makes changes of one friend's attributes wait for each other.
    friend::lock(&mut tx, id).await?.ok_or_else(|| refuse::not_found("FRIEND"))?;
    let mut found = visibility::friend(&mut tx, &caller.sight(), account, id).await?;
    let known = found.attributes;
    found.attributes = FriendAttributes {
        mobile_number: mobile_number.flatten().unwrap_or(known.mobile_number),
        gender: gender.flatten().unwrap_or(known.gender),
        age: age.flatten().unwrap_or(known.age),
        prefecture: prefecture.flatten().unwrap_or(known.prefecture),
    };
    friend::put_attributes(&mut tx, id, &found.attributes).await?;
    let subject = Subject { kind: "friend", id: id.uuid(), version: found.line_user.version };
    change::note(&mut tx, &Actor::of(&caller), "friend.update", subject, serde_json::json!({})).await?;
    tx.commit().await?;
    Ok(UpdateFriendResponse { friend: Some(tell(&caller, &found)) })
}
