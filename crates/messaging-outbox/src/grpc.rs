//! The gRPC services: wire to rules to tables to wire.

mod content;
mod conversations;
mod digest;
mod field;
mod line_gateway;
mod messages;
mod notices;
mod outgoing;
mod put_off;
mod quota;
mod reminders;
mod scheduling;
mod visibility;
mod watch;
mod wire;

use std::sync::Arc;

use chassis::auth::Directory;
use chassis::egress::Egress;
use chassis::grpc::{GrpcConfig, Server, ServerError};
use chassis::{Host, postgres::Database};
use contracts::messaging::v1::conversation_service_server::ConversationServiceServer;
use contracts::messaging::v1::digest_service_server::DigestServiceServer;
use contracts::messaging::v1::line_gateway_service_server::LineGatewayServiceServer;
use contracts::messaging::v1::message_service_server::MessageServiceServer;
use contracts::messaging::v1::notice_service_server::NoticeServiceServer;
use contracts::messaging::v1::quota_service_server::QuotaServiceServer;
use contracts::messaging::v1::reminder_service_server::ReminderServiceServer;

use crate::sender::Tools;
use crate::watch::Hub;

/// What the services share.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) tools: Arc<Tools>,
    pub(crate) egress: Egress,
    pub(crate) hub: Hub,
}

impl Desk {
    fn database(&self) -> &Database {
        &self.tools.database
    }
}

/// Binds and serves.
pub(crate) fn spawn(
    host: &Host,
    config: GrpcConfig,
    directory: Directory,
    desk: &Desk,
) -> Result<std::net::SocketAddr, ServerError> {
    Server::new(host, config, directory)
        .add(ConversationServiceServer::new(desk.clone()))
        .add(MessageServiceServer::new(desk.clone()))
        .add(LineGatewayServiceServer::new(desk.clone()))
        .add(QuotaServiceServer::new(desk.clone()))
        .add(DigestServiceServer::new(desk.clone()))
        .add(ReminderServiceServer::new(desk.clone()))
        .add(NoticeServiceServer::new(desk.clone()))
        .add(bus::dead_letter::service(&desk.tools.database))
        .spawn(host)
}
