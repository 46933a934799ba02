//! What a page token says that was made up.

use chassis::page::Page;
use chrono::{DateTime, Utc};
use contracts::identity::v1::*;
use kernel::{TenantId, Timestamp};
use tonic::Code;
use uuid::Uuid;

use crate::linking::stage::{HANAKO, MOBILE, Stage, person};
use crate::refused::fields;

/// Asks a list for the page behind a moment that no row can hold, which is refused, and for that behind the last one there is, which
/// is a place like any other.
macro_rules! asks {
    ($at:expr, $tenant:expr, $service:ident.$method:ident($request:expr)) => {
        let behind = |moment: Timestamp| {
            let mut request = $request;
            request.page_token =
                Page::<(Timestamp, Uuid)>::asked($tenant, &request).unwrap().token(&(moment, Uuid::nil()));
            request
        };
        let refused = $at.$service().$method(behind(DateTime::<Utc>::MIN_UTC)).await;
        assert_eq!(fields(refused), ["page_token"], stringify!($method));
        let last = $at.$service().$method(behind(DateTime::<Utc>::MAX_UTC)).await;
        assert_eq!(last.map_or_else(|status| status.code(), |_| Code::Ok), Code::Ok, stringify!($method));
    };
}

#[tokio::test]
async fn a_token_that_names_a_moment_no_row_can_hold_is_no_token_of_any_list() {
    let stage = Stage::open("paging").await;
    let (at, tenant) = (stage.at(), stage.tenant);
    let customer_id = stage.customer(HANAKO, MOBILE).await;
    stage.link(&person(1), HANAKO, MOBILE).await;
    let account_id = stage.account.to_string();
    asks!(at, tenant, staff.list_organizations(ListOrganizationsRequest::default()));
    asks!(at, tenant, staff.list_staff_members(ListStaffMembersRequest::default()));
    asks!(at, tenant, staff.list_staff_invitations(ListStaffInvitationsRequest::default()));
    asks!(at, tenant, principals.list_principals(ListPrincipalsRequest::default()));
    asks!(at, tenant, accounts.list_providers(ListProvidersRequest::default()));
    asks!(at, tenant, accounts.list_official_accounts(ListOfficialAccountsRequest::default()));
    asks!(at, tenant, customers.list_customers(ListCustomersRequest::default()));
    let activities = || ListActivitiesRequest { customer_id: customer_id.clone(), ..ListActivitiesRequest::default() };
    asks!(at, tenant, customers.list_activities(activities()));
    let friends = || ListFriendsRequest { account_id: account_id.clone(), ..ListFriendsRequest::default() };
    asks!(at, tenant, friends.list_friends(friends()));
    let links = || ListLinksRequest { customer_id: customer_id.clone(), ..ListLinksRequest::default() };
    asks!(at, tenant, links.list_links(links()));
    asks!(at, tenant, attempts.list_link_attempts(ListLinkAttemptsRequest::default()));
    asks!(at, tenant, takeovers.list_takeover_requests(ListTakeoverRequestsRequest::default()));
    asks!(at, tenant, duplicates.list_duplicate_suspicions(ListDuplicateSuspicionsRequest::default()));
    asks!(at, tenant, merges.list_merges(ListMergesRequest::default()));
    let nobody = TenantId::from(Uuid::nil());
    asks!(stage.house.platform(), nobody, tenants.list_tenants(ListTenantsRequest::default()));
}
