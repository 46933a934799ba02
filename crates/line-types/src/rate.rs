//! LINE's request rate limits, per channel and endpoint: <https://developers.line.biz/en/reference/messaging-api/#rate-limits>.
//!
//! The same path with another HTTP method is another endpoint; path parameters, bodies and client addresses make no
//! difference. LINE limits by token bucket and does not publish the bucket's capacity.

use std::time::Duration;

/// How many requests an endpoint takes in a window of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests within one window.
    pub requests: u32,
    /// Length of the window.
    pub window: Duration,
}

impl RateLimit {
    const fn per_second(requests: u32) -> Self {
        Self { requests, window: Duration::from_secs(1) }
    }

    const fn per_minute(requests: u32) -> Self {
        Self { requests, window: Duration::from_mins(1) }
    }

    const fn per_hour(requests: u32) -> Self {
        Self { requests, window: Duration::from_hours(1) }
    }

    /// Requests per second, averaged over the window.
    pub fn requests_per_second(self) -> f64 {
        f64::from(self.requests) / self.window.as_secs_f64()
    }
}

/// An endpoint of LINE's APIs that has a bucket of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each name is the name of LINE's endpoint; the table of limits below says the rest")]
pub enum Endpoint {
    Reply,
    Push,
    Multicast,
    Narrowcast,
    Broadcast,
    NarrowcastProgress,
    ValidateReply,
    ValidatePush,
    ValidateMulticast,
    ValidateNarrowcast,
    ValidateBroadcast,
    Quota,
    QuotaConsumption,
    DeliveryCount,
    Profile,
    FollowerIds,
    GroupSummary,
    GroupMemberProfile,
    RoomMemberProfile,
    BotInfo,
    LinkToken,
    Content,
    ContentPreview,
    ContentTranscoding,
    LoadingAnimation,
    MarkAsRead,
    GetWebhookEndpoint,
    SetWebhookEndpoint,
    TestWebhookEndpoint,
    IssueShortLivedToken,
    IssueTokenV21,
    IssueStatelessToken,
    RevokeToken,
    VerifyToken,
    TokenKeyIds,
    Insight,
    Audience,
    CreateRichMenu,
    DeleteRichMenu,
    DeleteRichMenuAlias,
    RichMenuBatch,
    RichMenuBatchProgress,
    ListRichMenus,
    UploadRichMenuImage,
    SetDefaultRichMenu,
    LinkRichMenu,
    UnlinkRichMenu,
    RichMenuOfUser,
    BulkLinkRichMenu,
    BulkUnlinkRichMenu,
    Membership,
    Coupon,
}

impl Endpoint {
    /// LINE's limit for this endpoint and one channel.
    pub const fn limit(self) -> RateLimit {
        match self {
            Self::Narrowcast | Self::Broadcast | Self::Insight | Self::TestWebhookEndpoint => RateLimit::per_hour(60),
            Self::Audience => RateLimit::per_minute(60),
            Self::GetWebhookEndpoint | Self::SetWebhookEndpoint => RateLimit::per_minute(1_000),
            Self::CreateRichMenu | Self::DeleteRichMenu | Self::DeleteRichMenuAlias | Self::RichMenuBatchProgress => {
                RateLimit::per_hour(100)
            }
            Self::RichMenuBatch => RateLimit::per_hour(3),
            Self::ListRichMenus => RateLimit::per_second(10),
            Self::Multicast | Self::Membership | Self::Coupon => RateLimit::per_second(200),
            Self::LoadingAnimation => RateLimit::per_second(100),
            Self::IssueShortLivedToken => RateLimit::per_second(370),
            Self::Reply
            | Self::Push
            | Self::NarrowcastProgress
            | Self::ValidateReply
            | Self::ValidatePush
            | Self::ValidateMulticast
            | Self::ValidateNarrowcast
            | Self::ValidateBroadcast
            | Self::Quota
            | Self::QuotaConsumption
            | Self::DeliveryCount
            | Self::Profile
            | Self::FollowerIds
            | Self::GroupSummary
            | Self::GroupMemberProfile
            | Self::RoomMemberProfile
            | Self::BotInfo
            | Self::LinkToken
            | Self::Content
            | Self::ContentPreview
            | Self::ContentTranscoding
            | Self::MarkAsRead
            | Self::IssueTokenV21
            | Self::IssueStatelessToken
            | Self::RevokeToken
            | Self::VerifyToken
            | Self::TokenKeyIds
            | Self::UploadRichMenuImage
            | Self::SetDefaultRichMenu
            | Self::LinkRichMenu
            | Self::UnlinkRichMenu
            | Self::RichMenuOfUser
            | Self::BulkLinkRichMenu
            | Self::BulkUnlinkRichMenu => RateLimit::per_second(2_000),
        }
    }

    /// Whether LINE takes `X-Line-Retry-Key` here; elsewhere it refuses the request with 400
    /// (<https://developers.line.biz/en/docs/messaging-api/retrying-api-request/>).
    pub const fn takes_retry_key(self) -> bool {
        matches!(self, Self::Push | Self::Multicast | Self::Narrowcast | Self::Broadcast)
    }

    /// Whether a message accepted here counts against the monthly quota.
    pub const fn counts_to_quota(self) -> bool {
        matches!(self, Self::Push | Self::Multicast | Self::Narrowcast | Self::Broadcast)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_lines() {
        assert_eq!(Endpoint::Push.limit().requests, 2_000);
        assert!((Endpoint::Multicast.limit().requests_per_second() - 200.0).abs() < f64::EPSILON);
        assert!((Endpoint::Broadcast.limit().requests_per_second() * 60.0 - 1.0).abs() < 1e-9);
        assert!(!Endpoint::Reply.takes_retry_key());
        assert!(Endpoint::Push.takes_retry_key());
        assert!(!Endpoint::Reply.counts_to_quota());
    }
}
