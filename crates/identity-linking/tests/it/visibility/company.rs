//! A tenant with two branches, and somebody of the staff for each, for none and for everything.

use contracts::access_proto::v1::Right;
use contracts::identity::v1::*;

use crate::linking::stage::Stage;
use crate::signer::Signer;

/// What staff of a branch may do.
const RIGHTS: [Right; 8] = [
    Right::AccountsRead,
    Right::CustomersRead,
    Right::CustomersWrite,
    Right::ActivitiesWrite,
    Right::FriendsRead,
    Right::LinksManage,
    Right::LinksSubmit,
    Right::MessagesSend,
];

pub(super) struct Company {
    pub(super) stage: Stage,
    pub(super) app: Signer,
    pub(super) shibuya: String,
    pub(super) ueno: String,
    pub(super) of_shibuya: StaffMember,
    pub(super) of_ueno: StaffMember,
    /// Of no branch.
    pub(super) of_none: StaffMember,
    pub(super) administrator: StaffMember,
}

impl Company {
    pub(super) async fn open(hint: &str) -> Self {
        let stage = Stage::open(hint).await;
        let (shibuya, ueno) = (stage.branch("渋谷店").await, stage.branch("上野店").await);
        let app = Signer::new(&stage.house, stage.tenant, &RIGHTS).await;
        let of = async |name: &str, branches: &[&String], administrator: bool| {
            let staff_member = StaffMember {
                display_name: name.to_owned(),
                organization_ids: branches.iter().map(|id| (*id).clone()).collect(),
                rights: RIGHTS.iter().map(|right| i32::from(*right)).collect(),
                administrator,
                active: true,
                ..StaffMember::default()
            };
            let request = CreateStaffMemberRequest { staff_member: Some(staff_member), request_id: String::new() };
            let made = stage.at().staff().create_staff_member(request).await.unwrap().into_inner();
            let made = made.staff_member.unwrap();
            app.known(&made).await;
            made
        };
        let of_shibuya = of("佐藤", &[&shibuya], false).await;
        let of_ueno = of("鈴木", &[&ueno], false).await;
        let of_none = of("田中", &[], false).await;
        let administrator = of("店長", &[], true).await;
        Self { stage, app, shibuya, ueno, of_shibuya, of_ueno, of_none, administrator }
    }
}

/// What a method answers to somebody of the staff.
macro_rules! by {
    ($company:ident, $who:expr, $service:ident.$method:ident($request:expr)) => {
        $company
            .app
            .caller
            .$service()
            .$method($company.app.acting($who, $request))
            .await
            .map(tonic::Response::into_inner)
    };
}
pub(super) use by;

impl Company {
    /// The customers somebody sees.
    pub(super) async fn customers(&self, who: &StaffMember) -> Vec<String> {
        let listed = by!(self, who, customers.list_customers(ListCustomersRequest::default())).unwrap();
        listed.customers.into_iter().map(|one| one.customer_id).collect()
    }

    /// The friends of the account somebody sees.
    pub(super) async fn friends(&self, who: &StaffMember) -> Vec<String> {
        let account_id = self.stage.account.to_string();
        let listed =
            by!(self, who, friends.list_friends(ListFriendsRequest { account_id, ..ListFriendsRequest::default() }));
        listed.unwrap().friends.into_iter().map(|one| one.friend_id).collect()
    }

    /// The attempts somebody sees.
    pub(super) async fn attempts(&self, who: &StaffMember) -> Vec<String> {
        let listed = by!(self, who, attempts.list_link_attempts(ListLinkAttemptsRequest::default())).unwrap();
        listed.link_attempts.into_iter().map(|one| one.link_attempt_id).collect()
    }

    /// The requests to take a link over that somebody sees.
    pub(super) async fn takeovers(&self, who: &StaffMember) -> Vec<String> {
        let listed = by!(self, who, takeovers.list_takeover_requests(ListTakeoverRequestsRequest::default())).unwrap();
        listed.takeover_requests.into_iter().map(|one| one.takeover_request_id).collect()
    }

    /// How many suspicions and merges somebody sees.
    pub(super) async fn joined(&self, who: &StaffMember) -> (usize, usize) {
        let suspected = by!(self, who, duplicates.list_duplicate_suspicions(ListDuplicateSuspicionsRequest::default()));
        let merged = by!(self, who, merges.list_merges(ListMergesRequest::default()));
        (suspected.unwrap().duplicate_suspicions.len(), merged.unwrap().merges.len())
    }
}
