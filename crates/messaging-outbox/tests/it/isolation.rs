//! Another tenant sees nothing and changes nothing (S-1).

use contracts::messaging::v1 as wire;
use tonic::Code;

use crate::world::World;

#[tokio::test]
async fn every_method_answers_another_tenant_with_not_found() {
    let world = World::new("isolation").await;
    let house = world.open().await;
    let ours = world.tenant(&house).await;
    let (person, conversation) = house.conversing(&world, &ours).await;
    let user = world.control.user_id(&ours.card.channel_id, &person).await.unwrap().as_str().to_owned();
    let message_id = conversation.last_message_id.clone();
    let conversation_id = conversation.conversation_id.clone();
    let account_id = ours.account.to_string();
    let theirs = world.tenant(&house).await;
    let (mut conversations, mut messages) = (house.conversations(&theirs), house.messages(&theirs));
    let (mut quota, mut gateway) = (house.quota(&theirs), house.gateway(&theirs));

    assert!(house.list(&theirs).await.is_empty());

    macro_rules! not_found {
        ($client:ident.$method:ident($($message:tt)*)) => {
            let status = $client.$method($($message)*).await.map(drop).unwrap_err();
            assert_eq!(status.code(), Code::NotFound, stringify!($method));
        };
    }
    not_found!(conversations.list_conversations(wire::ListConversationsRequest {
        account_ids: vec![account_id.clone()],
        ..Default::default()
    }));
    not_found!(messages.list_outbound_messages(wire::ListOutboundMessagesRequest {
        account_id: account_id.clone(),
        ..Default::default()
    }));
    not_found!(
        conversations.get_conversation(wire::GetConversationRequest { conversation_id: conversation_id.clone() })
    );
    not_found!(
        conversations.list_messages(wire::ListMessagesRequest {
            conversation_id: conversation_id.clone(),
            ..Default::default()
        })
    );
    not_found!(
        conversations
            .mark_read(wire::MarkReadRequest { conversation_id: conversation_id.clone(), ..Default::default() })
    );
    not_found!(
        conversations
            .put_off_conversation(wire::PutOffConversationRequest { conversation_id: conversation_id.clone() })
    );
    not_found!(conversations.clear_put_off(wire::ClearPutOffRequest { conversation_id: conversation_id.clone() }));
    not_found!(messages.send_message(crate::world::send_request(&conversation_id, "x", wire::SendPolicy::PushOnly)));
    not_found!(messages.get_message(wire::GetMessageRequest { message_id: message_id.clone() }));
    let listed = wire::ListOutboundMessagesRequest { conversation_id: conversation_id.clone(), ..Default::default() };
    not_found!(messages.list_outbound_messages(listed.clone()));
    let state = wire::MessageState::Scheduled.into();
    not_found!(messages.list_outbound_messages(wire::ListOutboundMessagesRequest { state, ..listed }));
    let mut later = crate::world::send_request(&conversation_id, "x", wire::SendPolicy::PushOnly);
    later.send_time = Some(crate::scheduler::from_now(600));
    let scheduled = house.messages(&ours).send_message(later.clone()).await.unwrap().into_inner().message.unwrap();
    not_found!(messages.send_message(later));
    not_found!(messages.reschedule_message(wire::RescheduleMessageRequest {
        message_id: scheduled.message_id.clone(),
        send_time: Some(crate::scheduler::from_now(900)),
        ..Default::default()
    }));
    not_found!(messages.cancel_message(wire::CancelMessageRequest { message_id: scheduled.message_id.clone() }));
    let list = wire::ListOutboundMessagesRequest { state: wire::MessageState::Scheduled.into(), ..Default::default() };
    assert!(messages.list_outbound_messages(list).await.unwrap().into_inner().messages.is_empty());
    // Another tenant's scheduler says that its time has come.
    crate::scheduler::due(&world, &theirs, &[(&scheduled.message_id, 1)]).await;
    not_found!(messages.cancel_message(wire::CancelMessageRequest { message_id: message_id.clone() }));
    not_found!(
        messages.settle_message(wire::SettleMessageRequest { message_id: message_id.clone(), ..Default::default() })
    );
    not_found!(messages.fetch_content(wire::FetchContentRequest { message_id: message_id.clone() }));
    not_found!(quota.get_quota(wire::GetQuotaRequest { account_id: account_id.clone() }));
    not_found!(
        gateway.issue_link_token(wire::IssueLinkTokenRequest {
            account_id: account_id.clone(),
            line_user_id: user.clone()
        })
    );
    not_found!(
        gateway.get_profile(wire::GetProfileRequest { account_id: account_id.clone(), line_user_id: user.clone() })
    );
    not_found!(gateway.get_bot_info(wire::GetBotInfoRequest { account_id: account_id.clone() }));
    not_found!(gateway.get_webhook_endpoint(wire::GetWebhookEndpointRequest { account_id: account_id.clone() }));
    not_found!(gateway.set_webhook_endpoint(wire::SetWebhookEndpointRequest {
        account_id: account_id.clone(),
        endpoint: "https://example.com/".to_owned()
    }));
    not_found!(gateway.test_webhook_endpoint(wire::TestWebhookEndpointRequest { account_id: account_id.clone() }));
    not_found!(
        gateway.list_followers(wire::ListFollowersRequest { account_id: account_id.clone(), ..Default::default() })
    );
    let count = wire::GetFollowerCountRequest { account_id: account_id.clone(), date: "2026-04-01".to_owned() };
    not_found!(gateway.get_follower_count(count));

    assert_eq!(house.list(&ours).await[0].unread_count, 1);
    let kept = house.message(&ours, &scheduled.message_id).await;
    assert_eq!((kept.state, kept.schedule), (wire::MessageState::Scheduled.into(), scheduled.schedule));
    let mut own = house.gateway(&ours);
    let profile = wire::GetProfileRequest { account_id: account_id.clone(), line_user_id: user.clone() };
    assert!(own.get_profile(profile).await.unwrap().into_inner().found);
    let link = own.issue_link_token(wire::IssueLinkTokenRequest { account_id, line_user_id: user }).await.unwrap();
    assert!(!link.into_inner().link_token.is_empty());
    house.close().await;
}
