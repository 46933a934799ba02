//! Calls about digests and reminders.

use chassis::grpc::Client;
use contracts::scheduler::v1 as wire;
use contracts::scheduler::v1::digest_schedule_service_client::DigestScheduleServiceClient;
use contracts::scheduler::v1::reminder_rule_service_client::ReminderRuleServiceClient;
use testkit::eventually;
use url::Url;

use crate::house::House;
use crate::world::{SOON, Tenant};

/// The way to the process at a port.
pub(crate) fn way(tenant: &Tenant, port: u16) -> Client {
    let url = Url::parse(&format!("http://127.0.0.1:{port}")).unwrap();
    Client::on_loopback(&url, &tenant.token.reveal()).unwrap()
}

impl House {
    pub(crate) fn digests(&self, tenant: &Tenant) -> DigestScheduleServiceClient<Client> {
        DigestScheduleServiceClient::new(way(tenant, self.app.grpc_addr().port()))
    }

    pub(crate) fn reminders(&self, tenant: &Tenant) -> ReminderRuleServiceClient<Client> {
        ReminderRuleServiceClient::new(way(tenant, self.app.grpc_addr().port()))
    }

    /// The settings of the tenant's digest.
    pub(crate) async fn settings(&self, tenant: &Tenant) -> wire::DigestSettings {
        let settings = self.digests(tenant).get_digest_settings(wire::GetDigestSettingsRequest {}).await;
        settings.unwrap().into_inner().digest_settings.unwrap()
    }

    /// The settings, once `is` holds of them.
    pub(crate) async fn settings_once(
        &self,
        tenant: &Tenant,
        is: impl Fn(&wire::DigestSettings) -> bool,
    ) -> wire::DigestSettings {
        eventually(SOON, || async {
            let settings = self.settings(tenant).await;
            if is(&settings) { Ok(settings) } else { Err(settings) }
        })
        .await
        .unwrap()
    }

    /// Changes the settings that are set.
    pub(crate) async fn set(&self, tenant: &Tenant, digest_settings: wire::DigestSettings) -> wire::DigestSettings {
        let request = wire::UpdateDigestSettingsRequest { digest_settings: Some(digest_settings), update_mask: None };
        let answer = self.digests(tenant).update_digest_settings(request).await;
        answer.unwrap().into_inner().digest_settings.unwrap()
    }

    /// The slots that have passed, the latest first, as their wall clocks and states.
    pub(crate) async fn slots(&self, tenant: &Tenant) -> Vec<(String, wire::DigestSlotState)> {
        let request = wire::ListDigestSlotsRequest { page_size: 200, ..Default::default() };
        let slots = self.digests(tenant).list_digest_slots(request).await.unwrap().into_inner().digest_slots;
        slots.into_iter().map(|slot| (slot.local_time.clone(), slot.state())).collect()
    }

    /// Those slots, once there are so many.
    pub(crate) async fn slots_once(&self, tenant: &Tenant, count: usize) -> Vec<(String, wire::DigestSlotState)> {
        eventually(SOON, || async {
            let slots = self.slots(tenant).await;
            if slots.len() == count { Ok(slots) } else { Err(slots) }
        })
        .await
        .unwrap()
    }
}
