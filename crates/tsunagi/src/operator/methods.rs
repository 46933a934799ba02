//! Which command calls which method.

use clap::{Arg, ArgMatches, Command};
use prost_reflect::{DescriptorPool, MethodDescriptor};

use super::{call, connection, flags, request};

/// A command that calls a method.
pub(super) struct Verb {
    /// What it is called.
    name: &'static str,
    /// `Service/Method` of `tsunagi.identity.v1`.
    method: &'static str,
    /// The field of the request that holds the thing itself; its fields are flags without a prefix.
    pub(super) resource: &'static str,
    /// Fields of the thing that say which one it is, and are never changed.
    pub(super) keys: &'static [&'static str],
}

const fn verb(name: &'static str, method: &'static str) -> Verb {
    Verb { name, method, resource: "", keys: &[] }
}

const fn of(name: &'static str, method: &'static str, resource: &'static str, keys: &'static [&'static str]) -> Verb {
    Verb { name, method, resource, keys }
}

/// Every noun with its verbs.
const NOUNS: &[(&str, &str, &[Verb])] = &[
    (
        "tenant",
        "The platform's tenants",
        &[
            verb("create", "TenantService/CreateTenant"),
            verb("get", "TenantService/GetTenant"),
            verb("list", "TenantService/ListTenants"),
            of("update", "TenantService/UpdateTenant", "tenant", &["tenant_id"]),
        ],
    ),
    (
        "principal",
        "Programs of a tenant",
        &[
            verb("create", "PrincipalService/CreatePrincipal"),
            verb("list", "PrincipalService/ListPrincipals"),
            verb("revoke", "PrincipalService/RevokePrincipal"),
            verb("register-assertion-key", "PrincipalService/RegisterAssertionKey"),
            verb("remove-assertion-key", "PrincipalService/RemoveAssertionKey"),
        ],
    ),
    (
        "organization",
        "Organizations (branches) of a tenant",
        &[
            of("create", "StaffService/CreateOrganization", "organization", &["organization_id"]),
            verb("get", "StaffService/GetOrganization"),
            verb("list", "StaffService/ListOrganizations"),
            of("update", "StaffService/UpdateOrganization", "organization", &["organization_id"]),
        ],
    ),
    (
        "staff",
        "People who work for a tenant",
        &[
            of("create", "StaffService/CreateStaffMember", "staff_member", &["staff_id"]),
            verb("get", "StaffService/GetStaffMember"),
            verb("list", "StaffService/ListStaffMembers"),
            of("update", "StaffService/UpdateStaffMember", "staff_member", &["staff_id"]),
        ],
    ),
    (
        "provider",
        "LINE providers",
        &[
            of("create", "AccountService/CreateProvider", "provider", &["provider_id"]),
            verb("get", "AccountService/GetProvider"),
            verb("list", "AccountService/ListProviders"),
        ],
    ),
    (
        "account",
        "LINE Official Accounts",
        &[
            of("create", "AccountService/CreateOfficialAccount", "account", &["account_id"]),
            verb("get", "AccountService/GetOfficialAccount"),
            verb("list", "AccountService/ListOfficialAccounts"),
            of("update", "AccountService/UpdateOfficialAccount", "account", &["account_id"]),
            verb("set-channel-secret", "AccountService/SetChannelSecret"),
            verb("set-channel-credential", "AccountService/SetChannelCredential"),
            verb("rotate-webhook-key", "AccountService/RotateWebhookKey"),
            verb("connect", "AccountService/ConnectOfficialAccount"),
            verb("pause", "AccountService/PauseOfficialAccount"),
        ],
    ),
    (
        "friend",
        "LINE users and their friendships",
        &[
            verb("get", "FriendService/GetFriend"),
            verb("list", "FriendService/ListFriends"),
            of("update", "FriendService/UpdateFriend", "friend", &["friend_id", "account_id"]),
            verb("count", "FriendService/CountFriends"),
        ],
    ),
    (
        "customer",
        "The company's own customers",
        &[
            of("create", "CustomerService/CreateCustomer", "customer", &["customer_id"]),
            verb("get", "CustomerService/GetCustomer"),
            verb("list", "CustomerService/ListCustomers"),
            of("update", "CustomerService/UpdateCustomer", "customer", &["customer_id"]),
        ],
    ),
    (
        "activity",
        "What customers did and will do",
        &[
            of("record", "CustomerService/RecordActivity", "activity", &["activity_id"]),
            verb("get", "CustomerService/GetActivity"),
            verb("list", "CustomerService/ListActivities"),
        ],
    ),
];

impl Verb {
    /// The method's descriptor.
    fn descriptor(&self, pool: &DescriptorPool) -> Option<MethodDescriptor> {
        let (service, method) = self.method.split_once('/')?;
        let service = pool.get_service_by_name(&format!("tsunagi.identity.v1.{service}"))?;
        service.methods().find(|known| known.name() == method)
    }
}

fn pool() -> DescriptorPool {
    #[expect(
        clippy::expect_used,
        reason = "the descriptors are made by the build, and every service reads them at its start"
    )]
    DescriptorPool::decode(contracts::FILE_DESCRIPTOR_SET).expect("the built-in descriptors decode")
}

/// One command for each noun.
pub(super) fn commands() -> impl Iterator<Item = Command> {
    let pool = pool();
    NOUNS.iter().map(move |(noun, about, verbs)| {
        let verbs = verbs.iter().filter_map(|verb| Some((verb, verb.descriptor(&pool)?)));
        let command = Command::new(*noun).about(*about).subcommand_required(true);
        command.subcommands(verbs.map(|(verb, method)| {
            let about = format!("{} of identity-linking", verb.method);
            Command::new(verb.name)
                .about(about)
                .args(flags::of(&method.input(), verb).iter().map(flags::Flag::argument))
                .arg(
                    Arg::new("json")
                        .long("json")
                        .value_name("FILE")
                        .help("The request as JSON, `-` for standard input; flags come on top"),
                )
                .args(connection::flags())
        }))
    })
}

/// Runs the command of a noun; none where there is no such noun.
pub(super) async fn run(noun: &str, matches: &ArgMatches) -> Option<anyhow::Result<()>> {
    let (_, _, verbs) = NOUNS.iter().find(|(known, _, _)| *known == noun)?;
    let (name, matches) = matches.subcommand()?;
    let verb = verbs.iter().find(|verb| verb.name == name)?;
    Some(run_verb(verb, matches).await)
}

async fn run_verb(verb: &Verb, matches: &ArgMatches) -> anyhow::Result<()> {
    let Some(method) = verb.descriptor(&pool()) else { anyhow::bail!("this version does not know {}", verb.method) };
    let message = request::build(&method, verb, matches)?;
    let client = connection::open(matches)?;
    super::print(&call::unary(client, &method, &message).await?)
}

/// A command's verb and its method.
#[cfg(test)]
pub(super) fn found(noun: &str, verb: &str) -> (&'static Verb, MethodDescriptor) {
    let (_, _, verbs) = NOUNS.iter().find(|(known, _, _)| *known == noun).unwrap();
    let verb = verbs.iter().find(|known| known.name == verb).unwrap();
    (verb, verb.descriptor(&pool()).unwrap())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_of_identity_linking_has_its_command() {
        let mut commanded: Vec<&str> =
            NOUNS.iter().flat_map(|(_, _, verbs)| verbs.iter().map(|verb| verb.method)).collect();
        // The snapshot is a stream for the other services, and no operator's business.
        commanded.push("ReplicaService/SnapshotReplicas");
        commanded.sort_unstable();
        let rules = contracts::AccessRules::load().unwrap();
        let mut methods: Vec<&str> =
            rules.iter().filter_map(|(path, _)| path.strip_prefix("/tsunagi.identity.v1.")).collect();
        methods.sort_unstable();
        assert_eq!(commanded, methods);
        let pool = pool();
        for verb in NOUNS.iter().flat_map(|(_, _, verbs)| verbs.iter()) {
            let method = verb.descriptor(&pool).unwrap();
            assert!(verb.resource.is_empty() || method.input().get_field_by_name(verb.resource).is_some());
        }
    }
}
