//! Invitations over gRPC: who may invite whom, once, and how invitations end.

use contracts::access_proto::v1::Right;
use contracts::identity::v1::*;
use tonic::Code;

use super::scene::{bound, card, change, invite, member, open, types};
use crate::linking::stage::{Stage, person};
use crate::refused::{fields, reason};

async fn listed(stage: &Stage, staff_id: &str) -> Vec<StaffInvitation> {
    let request =
        ListStaffInvitationsRequest { staff_id: staff_id.to_owned(), ..ListStaffInvitationsRequest::default() };
    stage.at().staff().list_staff_invitations(request).await.unwrap().into_inner().staff_invitations
}

fn revoke(invitation: &StaffInvitation) -> RevokeStaffInvitationRequest {
    RevokeStaffInvitationRequest { staff_invitation_id: invitation.staff_invitation_id.clone() }
}

#[tokio::test]
async fn an_invitation_shows_its_code_once_and_a_later_one_takes_its_place() {
    let stage = open("invitation").await;
    let staff = member(&stage, "佐藤").await.staff_id;
    let request =
        CreateStaffInvitationRequest { staff_id: staff.clone(), request_id: uuid::Uuid::new_v4().to_string() };
    let made = stage.at().staff().create_staff_invitation(request.clone()).await.unwrap().into_inner();
    assert_eq!((made.code.len(), made.code.matches('-').count()), (19, 3));
    let again = stage.at().staff().create_staff_invitation(request).await.unwrap().into_inner();
    assert_eq!((again.staff_invitation.clone(), again.code.as_str()), (made.staff_invitation.clone(), ""));
    let first = made.staff_invitation.unwrap();
    assert_eq!(first.state(), StaffInvitationState::Open);
    let life = first.expire_time.unwrap().seconds - first.create_time.unwrap().seconds;
    assert_eq!(life, 7 * 24 * 3_600);
    invite(&stage, &staff).await;
    let states: Vec<StaffInvitationState> = listed(&stage, &staff).await.iter().map(StaffInvitation::state).collect();
    assert_eq!(states, [StaffInvitationState::Open, StaffInvitationState::Revoked]);
    let page = ListStaffInvitationsRequest { page_size: 1, ..ListStaffInvitationsRequest::default() };
    let page = stage.at().staff().list_staff_invitations(page).await.unwrap().into_inner();
    let rest = ListStaffInvitationsRequest {
        page_size: 1,
        page_token: page.next_page_token,
        ..ListStaffInvitationsRequest::default()
    };
    let rest = stage.at().staff().list_staff_invitations(rest).await.unwrap().into_inner();
    assert_eq!(rest.staff_invitations[0].staff_invitation_id, first.staff_invitation_id, "the latest first");

    let open = listed(&stage, &staff).await.remove(0);
    for _ in 0..2 {
        let ended = stage.at().staff().revoke_staff_invitation(revoke(&open)).await.unwrap().into_inner();
        assert_eq!(ended.staff_invitation.unwrap().state(), StaffInvitationState::Revoked);
    }
    bound(&stage, &staff, &person(1)).await;
    let used = listed(&stage, &staff).await.remove(0);
    assert_eq!(used.state(), StaffInvitationState::Used);
    assert_eq!(
        reason(stage.at().staff().revoke_staff_invitation(revoke(&used)).await),
        (Code::FailedPrecondition, "INVITATION_USED".to_owned())
    );
    let told = stage.house.audit(stage.tenant).await;
    let noted = |action: &str| told.iter().filter(|one| *one == action).count();
    assert_eq!((noted("staff.invite"), noted("staff.revoke_invitation"), noted("staff.bind_line")), (3, 1, 1));
}

#[tokio::test]
async fn an_invitation_that_was_typed_in_time_binds_and_one_taken_back_before_lines_word_does_not() {
    let stage = open("invitation_late").await;
    let (staff, who) = (member(&stage, "佐藤").await.staff_id, person(1));
    let code = invite(&stage, &staff).await;
    let token = card(&stage, &who).await;
    let nonce = types(&stage, &token, &code).await.nonce();
    stage.at().staff().revoke_staff_invitation(revoke(&listed(&stage, &staff).await[0])).await.unwrap();
    stage.send(&[stage.confirmed(&who, stage.moment(), &nonce)]).await;
    assert_eq!(stage.count("identity.staff_contact WHERE line_user_id IS NOT NULL").await, 0);

    let nonce = types(&stage, &token, &invite(&stage, &staff).await).await.nonce();
    change(&stage, StaffMember { staff_id: staff.clone(), ..StaffMember::default() }, &["active"]).await.unwrap();
    change(&stage, StaffMember { staff_id: staff.clone(), active: true, ..StaffMember::default() }, &["active"])
        .await
        .unwrap();
    stage.send(&[stage.confirmed(&who, stage.moment(), &nonce)]).await;
    assert_eq!(
        stage.count("identity.staff_contact WHERE line_user_id IS NOT NULL").await,
        0,
        "whoever left meanwhile is invited anew"
    );

    let nonce = types(&stage, &token, &invite(&stage, &staff).await).await.nonce();
    stage
        .alter(
            "UPDATE identity.staff_invitation SET expire_time = now() WHERE revoke_time IS NULL AND use_time IS NULL",
        )
        .await;
    stage.send(&[stage.confirmed(&who, stage.moment(), &nonce)]).await;
    assert_eq!(stage.count("identity.staff_contact WHERE line_user_id IS NOT NULL").await, 1, "typed in time");
}

#[tokio::test]
async fn who_may_not_change_a_member_neither_invites_nor_unbinds_the_member() {
    let stage = open("invitation_right").await;
    let staff = member(&stage, "佐藤").await.staff_id;
    let master = {
        let staff_member = StaffMember {
            display_name: "店長".to_owned(),
            active: true,
            rights: vec![Right::Master.into()],
            ..StaffMember::default()
        };
        let request = CreateStaffMemberRequest { staff_member: Some(staff_member), request_id: String::new() };
        stage.at().staff().create_staff_member(request).await.unwrap().into_inner().staff_member.unwrap().staff_id
    };
    let ask =
        |staff_id: &str| CreateStaffInvitationRequest { staff_id: staff_id.to_owned(), request_id: String::new() };
    let of_master = stage.at().staff().create_staff_invitation(ask(&master)).await.unwrap().into_inner();
    let of_master = of_master.staff_invitation.unwrap();
    let manager = stage.house.program(stage.tenant, &[Right::StaffManage, Right::StaffRead]).await;
    let refused = (Code::PermissionDenied, "RIGHT_NEEDS_MASTER".to_owned());
    assert!(manager.staff().create_staff_invitation(ask(&staff)).await.is_ok());
    assert_eq!(reason(manager.staff().create_staff_invitation(ask(&master)).await), refused);
    let unbind = UnbindStaffLineRequest { staff_id: master.clone() };
    assert_eq!(reason(manager.staff().unbind_staff_line(unbind).await), refused);
    assert_eq!(reason(manager.staff().revoke_staff_invitation(revoke(&of_master)).await), refused);
    let reader = stage.house.program(stage.tenant, &[Right::StaffRead]).await;
    assert_eq!(reader.staff().create_staff_invitation(ask(&staff)).await.unwrap_err().code(), Code::PermissionDenied);
    assert!(reader.staff().list_staff_invitations(ListStaffInvitationsRequest::default()).await.is_ok());

    change(&stage, StaffMember { staff_id: staff.clone(), ..StaffMember::default() }, &["active"]).await.unwrap();
    assert_eq!(
        reason(stage.at().staff().create_staff_invitation(ask(&staff)).await),
        (Code::FailedPrecondition, "STAFF_NOT_ACTIVE".to_owned())
    );
    assert_eq!(fields(stage.at().staff().create_staff_invitation(ask("x")).await), ["staff_id"]);
    let wrong = RevokeStaffInvitationRequest { staff_invitation_id: "x".to_owned() };
    assert_eq!(fields(stage.at().staff().revoke_staff_invitation(wrong).await), ["staff_invitation_id"]);
}
