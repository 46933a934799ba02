//! A call of a method that is known by its descriptor alone.

use std::time::Duration;

use anyhow::Context as _;
use chassis::grpc::Client;
use prost_reflect::prost::Message as _;
use prost_reflect::{DynamicMessage, MethodDescriptor, SerializeOptions};
use serde_json::Value;
use tonic::{Request, Status};
use tonic_types::StatusExt as _;

use super::encoded::Encoded;

/// How long a service may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Calls a method and gives its answer as JSON, names as in the proto file.
pub(super) async fn unary(
    client: Client,
    method: &MethodDescriptor,
    message: &DynamicMessage,
) -> anyhow::Result<Value> {
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let mut grpc = tonic::client::Grpc::new(client);
    grpc.ready().await.context("the service cannot be reached")?;
    let mut request = Request::new(message.encode_to_vec());
    request.set_timeout(PATIENCE);
    let answer = grpc.unary(request, path.parse()?, Encoded).await.map_err(|status| explained(&status))?;
    let answer = DynamicMessage::decode(method.output(), answer.into_inner().as_slice())?;
    let options = SerializeOptions::new().use_proto_field_name(true).skip_default_fields(false);
    Ok(answer.serialize_with_options(serde_json::value::Serializer, &options)?)
}

/// A refusal as a person reads it: the code, the message, and the stable reason.
fn explained(status: &Status) -> anyhow::Error {
    let reason = status.get_details_error_info().map(|info| format!(" ({})", info.reason)).unwrap_or_default();
    anyhow::anyhow!("{:?}: {}{reason}", status.code(), status.message())
}
