//! What a page token says that was made up.

use chassis::page::Page;
use chrono::{DateTime, Utc};
use contracts::messaging::v1 as wire;
use contracts::operations::v1::ListDeadLettersRequest;
use kernel::Timestamp;
use tonic::Code;
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::world::World;

/// Asks a list for the page behind a moment that no row can hold, which is refused, and for that behind the last one there is, which
/// is a place like any other.
macro_rules! asks {
    ($house:expr, $tenant:expr, $service:ident.$method:ident($request:expr)) => {
        let behind = |moment: Timestamp| {
            let mut request = $request;
            request.page_token =
                Page::<(Timestamp, Uuid)>::asked($tenant.id, &request).unwrap().token(&(moment, Uuid::nil()));
            request
        };
        let refused = $house.$service($tenant).$method(behind(DateTime::<Utc>::MIN_UTC)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, stringify!($method));
        let violations = refused.get_details_bad_request().unwrap().field_violations;
        assert_eq!(violations[0].field, "page_token", stringify!($method));
        let last = $house.$service($tenant).$method(behind(DateTime::<Utc>::MAX_UTC)).await;
        assert_eq!(last.map_or_else(|status| status.code(), |_| Code::Ok), Code::Ok, stringify!($method));
    };
}

#[tokio::test]
async fn a_token_that_names_a_moment_no_row_can_hold_is_no_token_of_any_list() {
    let world = World::new("paging").await;
    let house = world.open().await;
    let tenant = &world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, tenant).await;
    let conversation_id = conversation.conversation_id;
    asks!(house, tenant, conversations.list_conversations(wire::ListConversationsRequest::default()));
    let messages = || wire::ListMessagesRequest { conversation_id: conversation_id.clone(), ..Default::default() };
    asks!(house, tenant, conversations.list_messages(messages()));
    let scheduled = || wire::ListOutboundMessagesRequest {
        state: wire::MessageState::Scheduled.into(),
        ..wire::ListOutboundMessagesRequest::default()
    };
    asks!(house, tenant, messages.list_outbound_messages(scheduled()));
    asks!(house, tenant, digests.list_digests(wire::ListDigestsRequest::default()));
    asks!(house, tenant, notices.list_notices(wire::ListNoticesRequest::default()));
    asks!(house, tenant, dead_letters.list_dead_letters(ListDeadLettersRequest::default()));
    house.close().await;
}
