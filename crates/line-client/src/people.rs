//! People and groups: <https://developers.line.biz/en/reference/messaging-api/#get-profile>.

use std::time::Duration;

use line_types::{
    api::{FollowerIds, GroupSummary, Profile},
    id::{GroupId, RoomId, UserId},
    rate::Endpoint,
};

use crate::{client::LineClient, failure::Failure, token::ChannelAccessToken};

impl LineClient {
    /// A friend, or somebody who wrote: `GET /v2/bot/profile/{userId}`. 404 for strangers and for those who block.
    pub async fn profile(
        &self,
        token: &ChannelAccessToken,
        user: &UserId,
        deadline: Duration,
    ) -> Result<Profile, Failure> {
        let url = self.endpoints().api(&["v2", "bot", "profile", user.as_str()]);
        self.call(Endpoint::Profile, self.get(url, token), deadline).await?.json()
    }

    /// A member of a group, friend or not: `GET /v2/bot/group/{groupId}/member/{userId}`.
    pub async fn group_member_profile(
        &self,
        token: &ChannelAccessToken,
        group: &GroupId,
        user: &UserId,
        deadline: Duration,
    ) -> Result<Profile, Failure> {
        let url = self.endpoints().api(&["v2", "bot", "group", group.as_str(), "member", user.as_str()]);
        self.call(Endpoint::GroupMemberProfile, self.get(url, token), deadline).await?.json()
    }

    /// A member of a multi-person chat, friend or not: `GET /v2/bot/room/{roomId}/member/{userId}`.
    pub async fn room_member_profile(
        &self,
        token: &ChannelAccessToken,
        room: &RoomId,
        user: &UserId,
        deadline: Duration,
    ) -> Result<Profile, Failure> {
        let url = self.endpoints().api(&["v2", "bot", "room", room.as_str(), "member", user.as_str()]);
        self.call(Endpoint::RoomMemberProfile, self.get(url, token), deadline).await?.json()
    }

    /// Name and picture of a group: `GET /v2/bot/group/{groupId}/summary`.
    pub async fn group_summary(
        &self,
        token: &ChannelAccessToken,
        group: &GroupId,
        deadline: Duration,
    ) -> Result<GroupSummary, Failure> {
        let url = self.endpoints().api(&["v2", "bot", "group", group.as_str(), "summary"]);
        self.call(Endpoint::GroupSummary, self.get(url, token), deadline).await?.json()
    }

    /// One page of friends: `GET /v2/bot/followers/ids`. Verified and premium accounts only (403 otherwise).
    ///
    /// `limit` is 1 to 1,000; `start` is `next` of the page before, valid 24 hours.
    pub async fn follower_ids(
        &self,
        token: &ChannelAccessToken,
        limit: u32,
        start: Option<&str>,
        deadline: Duration,
    ) -> Result<FollowerIds, Failure> {
        let url = self.endpoints().api(&["v2", "bot", "followers", "ids"]);
        let mut request = self.get(url, token).query(&[("limit", limit.clamp(1, 1_000))]);
        if let Some(start) = start {
            request = request.query(&[("start", start)]);
        }
        self.call(Endpoint::FollowerIds, request, deadline).await?.json()
    }
}
