//! Which command calls which method: every noun of the operator's language, with its verbs.

/// A command that calls a method.
pub(super) struct Verb {
    /// What it is called.
    pub(super) name: &'static str,
    /// `package.Service/Method`, without `tsunagi.` before it.
    pub(super) method: &'static str,
    /// The field of the request that holds the thing itself; its fields are flags without a prefix.
    pub(super) resource: &'static str,
    /// Fields of the thing that say which one it is, and are never changed.
    pub(super) keys: &'static [&'static str],
}

/// A noun: what it is called, what it is, and what can be done with it.
pub(super) type Noun = (&'static str, &'static str, &'static [Verb]);

const fn verb(name: &'static str, method: &'static str) -> Verb {
    Verb { name, method, resource: "", keys: &[] }
}

const fn of(name: &'static str, method: &'static str, resource: &'static str, keys: &'static [&'static str]) -> Verb {
    Verb { name, method, resource, keys }
}

/// Every noun with its verbs.
pub(super) const NOUNS: &[Noun] = &[
    (
        "tenant",
        "The platform's tenants",
        &[
            verb("create", "identity.v1.TenantService/CreateTenant"),
            verb("get", "identity.v1.TenantService/GetTenant"),
            verb("list", "identity.v1.TenantService/ListTenants"),
            of("update", "identity.v1.TenantService/UpdateTenant", "tenant", &["tenant_id"]),
        ],
    ),
    (
        "principal",
        "Programs of a tenant",
        &[
            verb("create", "identity.v1.PrincipalService/CreatePrincipal"),
            verb("list", "identity.v1.PrincipalService/ListPrincipals"),
            verb("revoke", "identity.v1.PrincipalService/RevokePrincipal"),
            verb("register-assertion-key", "identity.v1.PrincipalService/RegisterAssertionKey"),
            verb("remove-assertion-key", "identity.v1.PrincipalService/RemoveAssertionKey"),
        ],
    ),
    (
        "organization",
        "Organizations (branches) of a tenant",
        &[
            of("create", "identity.v1.StaffService/CreateOrganization", "organization", &["organization_id"]),
            verb("get", "identity.v1.StaffService/GetOrganization"),
            verb("list", "identity.v1.StaffService/ListOrganizations"),
            of("update", "identity.v1.StaffService/UpdateOrganization", "organization", &["organization_id"]),
        ],
    ),
    (
        "staff",
        "People who work for a tenant",
        &[
            of("create", "identity.v1.StaffService/CreateStaffMember", "staff_member", &["staff_id"]),
            verb("get", "identity.v1.StaffService/GetStaffMember"),
            verb("list", "identity.v1.StaffService/ListStaffMembers"),
            of("update", "identity.v1.StaffService/UpdateStaffMember", "staff_member", &["staff_id"]),
            verb("invite", "identity.v1.StaffService/CreateStaffInvitation"),
            verb("list-invitations", "identity.v1.StaffService/ListStaffInvitations"),
            verb("revoke-invitation", "identity.v1.StaffService/RevokeStaffInvitation"),
            verb("unbind-line", "identity.v1.StaffService/UnbindStaffLine"),
        ],
    ),
    (
        "staff-account-share",
        "A tenant's share in a staff account of the operator's",
        &[
            verb("set", "identity.v1.StaffAccountService/SetStaffAccountShare"),
            verb("end", "identity.v1.StaffAccountService/EndStaffAccountShare"),
            verb("get", "identity.v1.StaffAccountService/GetStaffAccountShare"),
            verb("use", "identity.v1.StaffAccountService/UseStaffAccountShare"),
            verb("leave", "identity.v1.StaffAccountService/LeaveStaffAccountShare"),
        ],
    ),
    (
        "provider",
        "LINE providers",
        &[
            of("create", "identity.v1.AccountService/CreateProvider", "provider", &["provider_id"]),
            verb("get", "identity.v1.AccountService/GetProvider"),
            verb("list", "identity.v1.AccountService/ListProviders"),
            of("update", "identity.v1.AccountService/UpdateProvider", "provider", &["provider_id"]),
        ],
    ),
    (
        "account",
        "LINE Official Accounts",
        &[
            of("create", "identity.v1.AccountService/CreateOfficialAccount", "account", &["account_id"]),
            verb("get", "identity.v1.AccountService/GetOfficialAccount"),
            verb("list", "identity.v1.AccountService/ListOfficialAccounts"),
            of("update", "identity.v1.AccountService/UpdateOfficialAccount", "account", &["account_id"]),
            verb("set-channel-secret", "identity.v1.AccountService/SetChannelSecret"),
            verb("set-channel-credential", "identity.v1.AccountService/SetChannelCredential"),
            verb("rotate-webhook-key", "identity.v1.AccountService/RotateWebhookKey"),
            verb("connect", "identity.v1.AccountService/ConnectOfficialAccount"),
            verb("pause", "identity.v1.AccountService/PauseOfficialAccount"),
        ],
    ),
    (
        "friend",
        "LINE users and their friendships",
        &[
            verb("get", "identity.v1.FriendService/GetFriend"),
            verb("list", "identity.v1.FriendService/ListFriends"),
            of("update", "identity.v1.FriendService/UpdateFriend", "friend", &["friend_id", "account_id"]),
            verb("count", "identity.v1.FriendService/CountFriends"),
        ],
    ),
    (
        "customer",
        "The company's own customers",
        &[
            of("create", "identity.v1.CustomerService/CreateCustomer", "customer", &["customer_id"]),
            verb("get", "identity.v1.CustomerService/GetCustomer"),
            verb("list", "identity.v1.CustomerService/ListCustomers"),
            of("update", "identity.v1.CustomerService/UpdateCustomer", "customer", &["customer_id"]),
        ],
    ),
    (
        "activity",
        "What customers did and will do",
        &[
            of("record", "identity.v1.CustomerService/RecordActivity", "activity", &["activity_id"]),
            verb("get", "identity.v1.CustomerService/GetActivity"),
            verb("list", "identity.v1.CustomerService/ListActivities"),
        ],
    ),
    (
        "link",
        "Links between customers and LINE users",
        &[
            verb("list", "identity.v1.LinkService/ListLinks"),
            verb("confirm", "identity.v1.LinkService/ConfirmLink"),
            verb("end", "identity.v1.LinkService/EndLink"),
            verb("figures", "identity.v1.LinkService/GetLinkFigures"),
            verb("invite", "identity.v1.LinkAttemptService/InviteToLink"),
        ],
    ),
    (
        "link-attempt",
        "Attempts to link, what was decided, and why",
        &[
            verb("issue-form-token", "identity.v1.LinkAttemptService/IssueFormToken"),
            verb("submit", "identity.v1.LinkAttemptService/SubmitLinkAttempt"),
            verb("get", "identity.v1.LinkAttemptService/GetLinkAttempt"),
            verb("list", "identity.v1.LinkAttemptService/ListLinkAttempts"),
            verb("reconsider", "identity.v1.LinkAttemptService/ReconsiderLinkAttempt"),
            verb("resolve", "identity.v1.LinkAttemptService/ResolveLinkAttempt"),
        ],
    ),
    (
        "takeover",
        "Requests to take a link over from another LINE user",
        &[
            verb("get", "identity.v1.TakeoverService/GetTakeoverRequest"),
            verb("list", "identity.v1.TakeoverService/ListTakeoverRequests"),
            verb("approve", "identity.v1.TakeoverService/ApproveTakeoverRequest"),
            verb("decline", "identity.v1.TakeoverService/DeclineTakeoverRequest"),
        ],
    ),
    (
        "link-policy",
        "What happens by itself when LINE users come",
        &[
            verb("get", "identity.v1.LinkPolicyService/GetLinkPolicy"),
            of("update", "identity.v1.LinkPolicyService/UpdateLinkPolicy", "link_policy", &[]),
        ],
    ),
    (
        "duplicate",
        "Customers that may be one person twice",
        &[
            verb("list", "identity.v1.DuplicateService/ListDuplicateSuspicions"),
            verb("dismiss", "identity.v1.DuplicateService/DismissDuplicateSuspicion"),
        ],
    ),
    (
        "merge",
        "Customers that absorbed others",
        &[verb("list", "identity.v1.MergeService/ListMerges"), verb("undo", "identity.v1.MergeService/UndoMerge")],
    ),
    (
        "conversation",
        "Conversations with LINE users",
        &[
            verb("list", "messaging.v1.ConversationService/ListConversations"),
            verb("get", "messaging.v1.ConversationService/GetConversation"),
            verb("messages", "messaging.v1.ConversationService/ListMessages"),
            verb("mark-read", "messaging.v1.ConversationService/MarkRead"),
            verb("put-off", "messaging.v1.ConversationService/PutOffConversation"),
            verb("clear-put-off", "messaging.v1.ConversationService/ClearPutOff"),
            verb("watch", "messaging.v1.ConversationService/WatchConversations"),
        ],
    ),
    (
        "message",
        "Messages to LINE users and their fate",
        &[
            of("send", "messaging.v1.MessageService/SendMessage", "content", &[]),
            verb("get", "messaging.v1.MessageService/GetMessage"),
            verb("list", "messaging.v1.MessageService/ListOutboundMessages"),
            of("reschedule", "messaging.v1.MessageService/RescheduleMessage", "content", &[]),
            verb("cancel", "messaging.v1.MessageService/CancelMessage"),
            verb("settle", "messaging.v1.MessageService/SettleMessage"),
            verb("content", "messaging.v1.MessageService/FetchContent"),
        ],
    ),
    ("staff-digest", "What staff were told of what waits", &[verb("list", "messaging.v1.DigestService/ListDigests")]),
    (
        "reminder",
        "Reminders of reservations, and what became of them",
        &[verb("list", "messaging.v1.ReminderService/ListReminders")],
    ),
    ("notice", "Notices to staff, and what became of them", &[verb("list", "messaging.v1.NoticeService/ListNotices")]),
    (
        "notice-settings",
        "How staff are told of what happens",
        &[
            verb("get", "messaging.v1.NoticeService/GetNoticeSettings"),
            verb("update", "messaging.v1.NoticeService/UpdateNoticeSettings"),
            verb("set-webhook", "messaging.v1.NoticeService/SetNoticeWebhook"),
            verb("delete-webhook", "messaging.v1.NoticeService/DeleteNoticeWebhook"),
            verb("rotate-webhook-secret", "messaging.v1.NoticeService/RotateNoticeWebhookSecret"),
        ],
    ),
    ("quota", "The month's messages of an official account", &[verb("get", "messaging.v1.QuotaService/GetQuota")]),
    (
        "timer",
        "Moments that programs want to hear of",
        &[
            verb("create", "scheduler.v1.TimerService/CreateTimers"),
            verb("get", "scheduler.v1.TimerService/GetTimer"),
            verb("list", "scheduler.v1.TimerService/ListTimers"),
            verb("move", "scheduler.v1.TimerService/MoveTimer"),
            verb("cancel", "scheduler.v1.TimerService/CancelTimers"),
            verb("missed", "scheduler.v1.TimerService/ListMissedTimers"),
        ],
    ),
    (
        "digest",
        "When staff are told together of what is unread",
        &[
            verb("get", "scheduler.v1.DigestScheduleService/GetDigestSettings"),
            of("update", "scheduler.v1.DigestScheduleService/UpdateDigestSettings", "digest_settings", &[]),
            verb("slots", "scheduler.v1.DigestScheduleService/ListDigestSlots"),
        ],
    ),
    (
        "reminder-rule",
        "By which rules customers are reminded of their reservations",
        &[
            of("create", "scheduler.v1.ReminderRuleService/CreateReminderRule", "reminder_rule", &["rule_id"]),
            verb("get", "scheduler.v1.ReminderRuleService/GetReminderRule"),
            verb("list", "scheduler.v1.ReminderRuleService/ListReminderRules"),
            of("update", "scheduler.v1.ReminderRuleService/UpdateReminderRule", "reminder_rule", &["rule_id"]),
            verb("delete", "scheduler.v1.ReminderRuleService/DeleteReminderRule"),
        ],
    ),
    (
        "webhook-event",
        "LINE's events, as they were received",
        &[
            verb("get", "ingest.v1.ArchiveService/GetWebhookEvent"),
            verb("list", "ingest.v1.ArchiveService/ListWebhookEvents"),
            verb("count", "ingest.v1.ArchiveService/CountWebhookEvents"),
        ],
    ),
    (
        "webhook-body",
        "The bodies of LINE's webhooks, as they were received",
        &[verb("get", "ingest.v1.ArchiveService/GetWebhookBody")],
    ),
    (
        "erasure",
        "What is erased of what LINE sent",
        &[
            verb("line-user", "ingest.v1.ErasureService/EraseLineUser"),
            verb("get", "ingest.v1.ErasureService/GetErasure"),
            verb("list", "ingest.v1.ErasureService/ListErasures"),
        ],
    ),
    (
        "retention",
        "For how long a tenant's webhook bodies are kept",
        &[
            verb("get", "ingest.v1.RetentionService/GetRetention"),
            of("update", "ingest.v1.RetentionService/UpdateRetention", "retention", &[]),
        ],
    ),
    (
        "forwarding-target",
        "Where LINE's webhooks are forwarded to",
        &[
            of("create", "ingest.v1.ForwardingService/CreateForwardingTarget", "forwarding_target", &["target_id"]),
            verb("get", "ingest.v1.ForwardingService/GetForwardingTarget"),
            verb("list", "ingest.v1.ForwardingService/ListForwardingTargets"),
            of("update", "ingest.v1.ForwardingService/UpdateForwardingTarget", "forwarding_target", &["target_id"]),
            verb("delete", "ingest.v1.ForwardingService/DeleteForwardingTarget"),
            verb("pause", "ingest.v1.ForwardingService/PauseForwardingTarget"),
            verb("resume", "ingest.v1.ForwardingService/ResumeForwardingTarget"),
        ],
    ),
    (
        "quarantine",
        "Webhook bodies that are quarantined",
        &[
            verb("list", "ingest.v1.QuarantineService/ListQuarantinedBodies"),
            verb("get", "ingest.v1.QuarantineService/GetQuarantinedBody"),
            verb("release", "ingest.v1.QuarantineService/ReleaseQuarantinedBody"),
            verb("drop", "ingest.v1.QuarantineService/DropQuarantinedBody"),
        ],
    ),
    (
        "replay",
        "LINE's events, published once more from the archive",
        &[
            verb("start", "ingest.v1.ReplayService/StartReplay"),
            verb("get", "ingest.v1.ReplayService/GetReplay"),
            verb("list", "ingest.v1.ReplayService/ListReplays"),
            verb("stop", "ingest.v1.ReplayService/StopReplay"),
        ],
    ),
    ("finding", "What an operator should know of an account", &[verb("list", "ingest.v1.ArchiveService/ListFindings")]),
    (
        "dead-letter",
        "Messages a service could not handle; --service says whose",
        &[
            verb("list", "operations.v1.DeadLetterService/ListDeadLetters"),
            verb("get", "operations.v1.DeadLetterService/GetDeadLetter"),
            verb("replay", "operations.v1.DeadLetterService/ReplayDeadLetter"),
            verb("drop", "operations.v1.DeadLetterService/DropDeadLetter"),
        ],
    ),
];
