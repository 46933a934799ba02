//! Calling a method that is known by its descriptor alone, and `tsunagi call`, which calls any of them.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Arg, ArgAction, ArgMatches, Command};
use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor, SerializeOptions};
use serde_json::Value;
use tonic::Request;

use super::connection::{self, Connection};
use super::encoded::Encoded;
use super::service::Service;
use super::{comments, refusal, request};

/// How long a service may take for one answer; a stream goes on until its end.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn command() -> Command {
    Command::new("call")
        .about("Call any method of any service by its name, with a request in JSON")
        .arg(
            Arg::new("method")
                .required_unless_present("list")
                .value_name("METHOD")
                .help("`tsunagi.identity.v1.TenantService/GetTenant`"),
        )
        .arg(Arg::new("list").long("list").action(ArgAction::SetTrue).help("Print every method and what it does"))
        .arg(Service::argument())
        .arg(request::json_argument())
        .args(connection::flags())
        .after_help(connection::HELP)
}

pub(super) async fn run(pool: &DescriptorPool, matches: &ArgMatches) -> anyhow::Result<()> {
    if matches.get_flag("list") {
        return list(pool);
    }
    let name = matches.get_one::<String>("method").map(String::as_str).unwrap_or_default();
    let method = method(pool, name).with_context(|| format!("no method {name}; `tsunagi call --list` prints them"))?;
    let message = request::from_json(&method, matches)?;
    answer(matches, &method, &message).await
}

/// The method called `name`: `tsunagi.identity.v1.TenantService/GetTenant`, with or without a slash before it.
pub(super) fn method(pool: &DescriptorPool, name: &str) -> Option<MethodDescriptor> {
    let (service, method) = name.trim_start_matches('/').split_once('/')?;
    pool.get_service_by_name(service)?.methods().find(|known| known.name() == method)
}

fn list(pool: &DescriptorPool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        writeln!(
            out,
            "{}/{}\n    {}",
            method.parent_service().full_name(),
            method.name(),
            comments::of_method(&method)
        )?;
    }
    Ok(())
}

/// Calls a method where the flags say, and prints its answer, or each of its answers as it comes.
pub(super) async fn answer(
    matches: &ArgMatches,
    method: &MethodDescriptor,
    message: &DynamicMessage,
) -> anyhow::Result<()> {
    let service = Service::given(matches).or_else(|| Service::of_package(method.parent_service().package_name()));
    let service = service.context("every service answers this method: --service says which to ask")?;
    let Connection { client, assertion } = connection::open(matches, service)?;
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name()).parse()?;
    let mut grpc = tonic::client::Grpc::new(client);
    grpc.ready().await.context("the service cannot be reached")?;
    let mut request = Request::new(message.encode_to_vec());
    if let Some(assertion) = assertion {
        let value =
            assertion.expose().parse().map_err(|_| anyhow::anyhow!("TSUNAGI_STAFF_ASSERTION cannot be sent"))?;
        request.metadata_mut().insert("tsunagi-staff-assertion", value);
    }
    if !method.is_server_streaming() {
        request.set_timeout(PATIENCE);
        let told = grpc.unary(request, path, Encoded).await.map_err(|status| refusal::explained(&status))?;
        return super::print(&read(method, told.get_ref())?);
    }
    let told = grpc.server_streaming(request, path, Encoded).await.map_err(|status| refusal::explained(&status))?;
    let mut told = told.into_inner();
    while let Some(one) = told.message().await.map_err(|status| refusal::explained(&status))? {
        let mut out = std::io::stdout().lock();
        serde_json::to_writer(&mut out, &read(method, &one)?)?;
        writeln!(out)?;
        out.flush()?;
    }
    Ok(())
}

/// An answer as JSON, names as in the proto file.
fn read(method: &MethodDescriptor, answer: &[u8]) -> anyhow::Result<Value> {
    as_json(method.output(), answer)
}

/// A message as JSON, names as in the proto file.
pub(super) fn as_json(kind: MessageDescriptor, message: &[u8]) -> anyhow::Result<Value> {
    let answer = DynamicMessage::decode(kind, message)?;
    let options = SerializeOptions::new().use_proto_field_name(true).skip_default_fields(false);
    Ok(answer.serialize_with_options(serde_json::value::Serializer, &options)?)
}
