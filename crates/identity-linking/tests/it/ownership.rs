//! S-1: every method, called as one tenant on another's IDs, answers NOT_FOUND and changes nothing.

mod linking;

use std::collections::BTreeMap;

use contracts::access_proto::v1::{Right, Scope};
use contracts::events::v1::AssertionKey;
use contracts::identity::v1::*;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use kernel::TenantId;
use sqlx::AssertSqlSafe;
use tonic::{Code, Status};

use crate::activity::told;
use crate::customer::yamada;
use crate::friend::{event, user};
use crate::house::{Caller, House, SOON};

/// The first tenant's IDs.
struct Ids {
    tenant: String,
    provider: String,
    account: String,
    organization: String,
    staff: String,
    invitation: String,
    principal: String,
    friend: String,
    customer: String,
    activity: String,
    linking: linking::Ids,
}

async fn furnish(house: &House, tenant: TenantId) -> Ids {
    let at = house.at(tenant);
    let (provider, account) = house.account(tenant, &user(100)).await;
    house.webhooks(tenant, account, &[event("follow", &user(1), 1_000)]).await;
    let branch = Organization { display_name: "A".to_owned(), ..Organization::default() };
    let branch = CreateOrganizationRequest { organization: Some(branch), request_id: String::new() };
    let organization = at.staff().create_organization(branch).await.unwrap().into_inner().organization.unwrap();
    let staff = StaffMember { display_name: "佐藤".to_owned(), active: true, ..StaffMember::default() };
    let staff = CreateStaffMemberRequest { staff_member: Some(staff), request_id: String::new() };
    let staff = at.staff().create_staff_member(staff).await.unwrap().into_inner().staff_member.unwrap();
    let invitation = CreateStaffInvitationRequest { staff_id: staff.staff_id.clone(), request_id: String::new() };
    let invitation = at.staff().create_staff_invitation(invitation).await.unwrap().into_inner();
    let principal = CreatePrincipalRequest { display_name: "p".to_owned(), ..CreatePrincipalRequest::default() };
    let principal = at.principals().create_principal(principal).await.unwrap().into_inner().principal.unwrap();
    let customer = at.customers().create_customer(yamada("C-1")).await.unwrap().into_inner().customer.unwrap();
    let activity = told(&customer.customer_id, ActivityKind::Visit, "V-1", 1);
    let activity = at.customers().record_activity(activity).await.unwrap().into_inner().activity.unwrap();
    let friend = testkit::eventually(SOON, || async {
        let list = ListFriendsRequest { account_id: account.to_string(), ..ListFriendsRequest::default() };
        at.friends().list_friends(list).await.unwrap().into_inner().friends.pop()
    });
    let friend = friend.await.unwrap().friend_id;
    let linking = linking::furnish(house, tenant, &account.to_string(), &friend, &customer.customer_id).await;
    Ids {
        tenant: tenant.to_string(),
        provider,
        account: account.to_string(),
        organization: organization.organization_id,
        staff: staff.staff_id,
        invitation: invitation.staff_invitation.unwrap().staff_invitation_id,
        principal: principal.principal_id,
        friend,
        customer: customer.customer_id,
        activity: activity.activity_id,
        linking,
    }
}

type Call<'a> = (&'static str, BoxFuture<'a, Result<(), Status>>);

/// Every method that works inside a tenant, called on these IDs.
#[expect(clippy::too_many_lines, reason = "one line or two for each of more than thirty methods")]
fn calls<'a>(caller: &'a Caller, ids: &'a Ids) -> Vec<Call<'a>> {
    macro_rules! call {
        ($path:literal, $client:ident . $method:ident ( $request:expr )) => {
            ($path, async move { caller.$client().$method($request).await.map(drop) }.boxed())
        };
    }
    let organization = || Organization { organization_id: ids.organization.clone(), ..Organization::default() };
    let staff = || StaffMember {
        staff_id: ids.staff.clone(),
        display_name: "x".to_owned(),
        organization_ids: vec![ids.organization.clone()],
        ..StaffMember::default()
    };
    let account = || OfficialAccount {
        account_id: ids.account.clone(),
        provider_id: ids.provider.clone(),
        channel_id: "42".to_owned(),
        display_name: "x".to_owned(),
        ..OfficialAccount::default()
    };
    let customer = || Customer {
        customer_id: ids.customer.clone(),
        organization_id: ids.organization.clone(),
        ..yamada("").customer.unwrap()
    };
    let credential =
        || ChannelCredentialInput { kind: Some(channel_credential_input::Kind::LongLivedToken("t".to_owned())) };
    let key = || AssertionKey { key_id: "k".to_owned(), public_key: vec![7; 32] };
    let id = |id: &String| id.clone();
    vec![
        call!("TenantService/GetTenant", tenants.get_tenant(GetTenantRequest {})),
        call!(
            "TenantService/UpdateTenant",
            tenants.update_tenant(UpdateTenantRequest {
                tenant: Some(Tenant { tenant_id: id(&ids.tenant), display_name: "x".to_owned(), ..Tenant::default() }),
                update_mask: None,
            })
        ),
        call!(
            "PrincipalService/CreatePrincipal",
            principals.create_principal(CreatePrincipalRequest {
                display_name: "x".to_owned(),
                ..CreatePrincipalRequest::default()
            })
        ),
        call!("PrincipalService/ListPrincipals", principals.list_principals(ListPrincipalsRequest::default())),
        call!(
            "PrincipalService/RevokePrincipal",
            principals.revoke_principal(RevokePrincipalRequest { principal_id: id(&ids.principal) })
        ),
        call!(
            "PrincipalService/RegisterAssertionKey",
            principals.register_assertion_key(RegisterAssertionKeyRequest {
                principal_id: id(&ids.principal),
                key: Some(key()),
            })
        ),
        call!(
            "PrincipalService/RemoveAssertionKey",
            principals.remove_assertion_key(RemoveAssertionKeyRequest {
                principal_id: id(&ids.principal),
                key_id: "k".to_owned(),
            })
        ),
        call!(
            "StaffService/CreateOrganization",
            staff.create_organization(CreateOrganizationRequest {
                organization: Some(Organization { display_name: "x".to_owned(), ..organization() }),
                request_id: String::new(),
            })
        ),
        call!(
            "StaffService/GetOrganization",
            staff.get_organization(GetOrganizationRequest { organization_id: id(&ids.organization) })
        ),
        call!("StaffService/ListOrganizations", staff.list_organizations(ListOrganizationsRequest::default())),
        call!(
            "StaffService/UpdateOrganization",
            staff.update_organization(UpdateOrganizationRequest {
                organization: Some(Organization { display_name: "x".to_owned(), ..organization() }),
                update_mask: None,
            })
        ),
        call!(
            "StaffService/CreateStaffMember",
            staff.create_staff_member(CreateStaffMemberRequest {
                staff_member: Some(staff()),
                request_id: String::new(),
            })
        ),
        call!(
            "StaffService/GetStaffMember",
            staff.get_staff_member(GetStaffMemberRequest { staff_id: id(&ids.staff) })
        ),
        call!("StaffService/ListStaffMembers", staff.list_staff_members(ListStaffMembersRequest::default())),
        call!(
            "StaffService/UpdateStaffMember",
            staff.update_staff_member(UpdateStaffMemberRequest { staff_member: Some(staff()), update_mask: None })
        ),
        call!(
            "StaffService/CreateStaffInvitation",
            staff.create_staff_invitation(CreateStaffInvitationRequest {
                staff_id: id(&ids.staff),
                request_id: String::new(),
            })
        ),
        call!(
            "StaffService/ListStaffInvitations",
            staff.list_staff_invitations(ListStaffInvitationsRequest {
                staff_id: id(&ids.staff),
                ..ListStaffInvitationsRequest::default()
            })
        ),
        call!(
            "StaffService/RevokeStaffInvitation",
            staff.revoke_staff_invitation(RevokeStaffInvitationRequest { staff_invitation_id: id(&ids.invitation) })
        ),
        call!(
            "StaffService/UnbindStaffLine",
            staff.unbind_staff_line(UnbindStaffLineRequest { staff_id: id(&ids.staff) })
        ),
        call!(
            "StaffAccountService/SetStaffAccountShare",
            staff_accounts.set_staff_account_share(SetStaffAccountShareRequest {
                home_tenant_id: id(&ids.tenant),
                account_id: id(&ids.account),
                monthly_push_limit: 1,
            })
        ),
        call!(
            "StaffAccountService/EndStaffAccountShare",
            staff_accounts.end_staff_account_share(EndStaffAccountShareRequest {})
        ),
        call!(
            "StaffAccountService/GetStaffAccountShare",
            staff_accounts.get_staff_account_share(GetStaffAccountShareRequest {})
        ),
        call!(
            "StaffAccountService/UseStaffAccountShare",
            staff_accounts.use_staff_account_share(UseStaffAccountShareRequest {})
        ),
        call!(
            "StaffAccountService/LeaveStaffAccountShare",
            staff_accounts.leave_staff_account_share(LeaveStaffAccountShareRequest {})
        ),
        call!(
            "AccountService/CreateProvider",
            accounts.create_provider(CreateProviderRequest {
                provider: Some(Provider { display_name: "x".to_owned(), ..Provider::default() }),
                request_id: String::new(),
            })
        ),
        call!(
            "AccountService/GetProvider",
            accounts.get_provider(GetProviderRequest { provider_id: id(&ids.provider) })
        ),
        call!(
            "AccountService/UpdateProvider",
            accounts.update_provider(UpdateProviderRequest {
                provider: Some(Provider {
                    provider_id: id(&ids.provider),
                    display_name: "x".to_owned(),
                    ..Provider::default()
                }),
                ..UpdateProviderRequest::default()
            })
        ),
        call!("AccountService/ListProviders", accounts.list_providers(ListProvidersRequest::default())),
        call!(
            "AccountService/CreateOfficialAccount",
            accounts.create_official_account(CreateOfficialAccountRequest {
                account: Some(account()),
                ..CreateOfficialAccountRequest::default()
            })
        ),
        call!(
            "AccountService/GetOfficialAccount",
            accounts.get_official_account(GetOfficialAccountRequest { account_id: id(&ids.account) })
        ),
        call!(
            "AccountService/ListOfficialAccounts",
            accounts.list_official_accounts(ListOfficialAccountsRequest::default())
        ),
        call!(
            "AccountService/UpdateOfficialAccount",
            accounts
                .update_official_account(UpdateOfficialAccountRequest { account: Some(account()), update_mask: None })
        ),
        call!(
            "AccountService/SetChannelSecret",
            accounts.set_channel_secret(SetChannelSecretRequest {
                account_id: id(&ids.account),
                channel_secret: "0".repeat(32),
                ..Default::default()
            })
        ),
        call!(
            "AccountService/SetChannelCredential",
            accounts.set_channel_credential(SetChannelCredentialRequest {
                account_id: id(&ids.account),
                credential: Some(credential()),
            })
        ),
        call!(
            "AccountService/RotateWebhookKey",
            accounts.rotate_webhook_key(RotateWebhookKeyRequest { account_id: id(&ids.account), ..Default::default() })
        ),
        call!(
            "AccountService/ConnectOfficialAccount",
            accounts.connect_official_account(ConnectOfficialAccountRequest {
                account_id: id(&ids.account),
                webhook_endpoint: "https://stolen.example".to_owned(),
            })
        ),
        call!(
            "AccountService/PauseOfficialAccount",
            accounts.pause_official_account(PauseOfficialAccountRequest { account_id: id(&ids.account) })
        ),
        call!(
            "FriendService/GetFriend",
            friends.get_friend(GetFriendRequest {
                account_id: id(&ids.account),
                friend_id: id(&ids.friend),
                line_user_id: String::new(),
            })
        ),
        call!(
            "FriendService/ListFriends",
            friends.list_friends(ListFriendsRequest { account_id: id(&ids.account), ..ListFriendsRequest::default() })
        ),
        call!(
            "FriendService/UpdateFriend",
            friends.update_friend(UpdateFriendRequest {
                friend: Some(Friend {
                    account_id: id(&ids.account),
                    friend_id: id(&ids.friend),
                    attributes: Some(FriendAttributes { age: 30, ..FriendAttributes::default() }),
                    ..Friend::default()
                }),
                update_mask: None,
            })
        ),
        call!(
            "FriendService/CountFriends",
            friends.count_friends(CountFriendsRequest { account_id: id(&ids.account) })
        ),
        call!(
            "CustomerService/CreateCustomer",
            customers.create_customer(CreateCustomerRequest { customer: Some(customer()), request_id: String::new() })
        ),
        call!(
            "CustomerService/GetCustomer",
            customers
                .get_customer(GetCustomerRequest { customer_id: id(&ids.customer), external_reference: String::new() })
        ),
        call!("CustomerService/ListCustomers", customers.list_customers(ListCustomersRequest::default())),
        call!(
            "CustomerService/UpdateCustomer",
            customers.update_customer(UpdateCustomerRequest { customer: Some(customer()), update_mask: None })
        ),
        call!(
            "CustomerService/RecordActivity",
            customers.record_activity(told(&ids.customer, ActivityKind::Visit, "V-1", 1))
        ),
        call!(
            "CustomerService/GetActivity",
            customers
                .get_activity(GetActivityRequest { activity_id: id(&ids.activity), ..GetActivityRequest::default() })
        ),
        call!(
            "CustomerService/ListActivities",
            customers.list_activities(ListActivitiesRequest {
                customer_id: id(&ids.customer),
                ..ListActivitiesRequest::default()
            })
        ),
    ]
    .into_iter()
    .chain(linking::calls(caller, ids))
    .collect()
}

/// Methods that name no ID of the first tenant when they are called in the second.
const WITHOUT_IDS: [&str; 13] = [
    "TenantService/GetTenant",
    "PrincipalService/CreatePrincipal",
    "PrincipalService/ListPrincipals",
    "StaffService/CreateOrganization",
    "StaffService/ListOrganizations",
    "StaffService/ListStaffMembers",
    "AccountService/CreateProvider",
    "AccountService/ListProviders",
    "AccountService/ListOfficialAccounts",
    "CustomerService/ListCustomers",
    // Another tenant's form token is as unknown as one that never was, and whoever submits with it is told nothing of that.
    "LinkAttemptService/SubmitLinkAttempt",
    "LinkPolicyService/GetLinkPolicy",
    "LinkPolicyService/UpdateLinkPolicy",
];

/// Methods that no tenant's program may call, on whatever IDs.
const OF_THE_OPERATOR: [&str; 2] =
    ["StaffAccountService/SetStaffAccountShare", "StaffAccountService/EndStaffAccountShare"];

/// A hash of every row of a tenant, by table; the request ledger is left out, as it notes calls.
async fn rows(house: &House, tenant: &str) -> BTreeMap<String, Option<String>> {
    let admin = house.admin().await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
         WHERE c.relnamespace = 'identity'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
             AND c.relname NOT LIKE 'outbox%'",
    )
    .fetch_all(&admin)
    .await
    .unwrap();
    let mut hashes = BTreeMap::new();
    for table in tables {
        let hash = format!(
            "SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM identity.{table} t WHERE tenant_id = $1::uuid"
        );
        let hash = sqlx::query_scalar(AssertSqlSafe(hash)).bind(tenant).fetch_one(&admin).await.unwrap();
        hashes.insert(table, hash);
    }
    hashes
}

#[tokio::test]
async fn every_method_answers_not_found_to_another_tenant_and_changes_nothing() {
    let house = House::open("ownership").await;
    let (one, two) = (house.tenant().await, house.tenant().await);
    let ids = furnish(&house, one).await;
    let profile_read = testkit::eventually(SOON, || async {
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM identity.profile_request")
            .fetch_one(&house.admin().await)
            .await
            .unwrap();
        (left == 0).then_some(())
    });
    profile_read.await.unwrap();
    let all_rights: Vec<Right> = (1..100)
        .filter_map(|right| Right::try_from(right).ok())
        .filter(|right| {
            ![Right::TenantsManage, Right::ReplicasRead, Right::LineGatewayCall, Right::RebuildsCall].contains(right)
        })
        .collect();
    let stranger = house.program(two, &all_rights).await;
    let before = rows(&house, &ids.tenant).await;

    let rules = contracts::AccessRules::load().unwrap();
    let mut expected: Vec<&str> = rules
        .iter()
        // What webhook-ingest alone may call has no caller of a tenant's.
        .filter(|(_, rule)| rule.scope == Scope::Tenant && rule.right != Right::RebuildsCall)
        .filter_map(|(path, _)| path.strip_prefix("/tsunagi.identity.v1."))
        .collect();
    expected.sort_unstable();
    let mut covered: Vec<&str> = calls(&stranger, &ids).iter().map(|(path, _)| *path).collect();
    covered.sort_unstable();
    covered.dedup();
    assert_eq!(covered, expected, "a method is missing here");

    let intruder = stranger.for_tenant(one);
    for (path, call) in calls(&intruder, &ids) {
        assert_eq!(call.await.unwrap_err().code(), Code::NotFound, "{path} in the other tenant");
    }
    for (path, call) in calls(&stranger, &ids) {
        let code = call.await.err().map(|status| status.code());
        let wanted = if WITHOUT_IDS.contains(&path) {
            None
        } else if OF_THE_OPERATOR.contains(&path) {
            Some(Code::PermissionDenied)
        } else {
            Some(Code::NotFound)
        };
        assert_eq!(code, wanted, "{path} on the other tenant's IDs");
    }
    assert!(house.messaging.endpoints().is_empty(), "LINE was not told anything");
    assert_eq!(rows(&house, &ids.tenant).await, before);

    for (tenant, caller) in [(one, house.at(one)), (two, stranger.clone())] {
        let listed = caller.customers().list_customers(ListCustomersRequest::default()).await.unwrap().into_inner();
        assert_eq!(listed.customers.len(), usize::from(tenant == one), "lists show one's own");
    }
}
