//! The principals of the four services: what each may call of the others, and nothing more.

use crate::Right;

/// The principal of one of Tsunagi's own services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServicePrincipal {
    /// The service, as its binary is called.
    pub name: &'static str,
    /// Its rights.
    pub rights: &'static [Right],
    /// The only methods it may call, as `/package.Service/Method`.
    pub methods: &'static [&'static str],
}

const SNAPSHOT: &str = "/tsunagi.identity.v1.ReplicaService/SnapshotReplicas";
const REBUILD: &[&str] = &[
    SNAPSHOT,
    "/tsunagi.identity.v1.RebuildService/PrepareRebuild",
    "/tsunagi.identity.v1.RebuildService/CheckRebuild",
    "/tsunagi.identity.v1.RebuildService/FinishRebuild",
];
const GATEWAY: &[&str] = &[
    "/tsunagi.messaging.v1.LineGatewayService/IssueLinkToken",
    "/tsunagi.messaging.v1.LineGatewayService/GetProfile",
    "/tsunagi.messaging.v1.LineGatewayService/GetBotInfo",
    "/tsunagi.messaging.v1.LineGatewayService/GetWebhookEndpoint",
    "/tsunagi.messaging.v1.LineGatewayService/SetWebhookEndpoint",
    "/tsunagi.messaging.v1.LineGatewayService/TestWebhookEndpoint",
    "/tsunagi.messaging.v1.LineGatewayService/ListFollowers",
    "/tsunagi.messaging.v1.LineGatewayService/GetFollowerCount",
];

/// Every service's principal.
pub const SERVICE_PRINCIPALS: &[ServicePrincipal] = &[
    ServicePrincipal { name: "webhook-ingest", rights: &[Right::ReplicasRead, Right::RebuildsCall], methods: REBUILD },
    ServicePrincipal { name: "identity-linking", rights: &[Right::LineGatewayCall], methods: GATEWAY },
    ServicePrincipal { name: "messaging-outbox", rights: &[Right::ReplicasRead], methods: &[SNAPSHOT] },
    ServicePrincipal { name: "scheduler", rights: &[Right::ReplicasRead], methods: &[SNAPSHOT] },
];

/// Rights that belong to the services.
const OF_SERVICES: [Right; 3] = [Right::ReplicasRead, Right::LineGatewayCall, Right::RebuildsCall];

/// The rights of the platform's first principal: everything but what belongs to the services.
pub fn operator_rights() -> impl Iterator<Item = Right> {
    Right::ALL.iter().copied().filter(|right| !OF_SERVICES.contains(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_is_no_service() {
        assert!(operator_rights().all(|right| !OF_SERVICES.contains(&right)));
        assert_eq!(operator_rights().count(), Right::ALL.len() - OF_SERVICES.len());
    }

    #[test]
    fn a_service_has_no_right_without_a_list_of_methods() {
        for service in SERVICE_PRINCIPALS {
            assert!(!service.methods.is_empty(), "{} could call everything its rights allow", service.name);
        }
    }
}
