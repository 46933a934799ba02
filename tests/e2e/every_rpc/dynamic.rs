//! Calls any method by its path with a JSON body, through the descriptors, so that one loop can call them all.

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor};
use serde_json::Value;
use tonic::client::Grpc;
use tonic::{Request, Status};
use tsunagi::operator::Encoded;
use tsunagi::stage::{Caller, Stage};

/// The services' addresses and every method's shape.
pub(super) struct Calls {
    stage: Stage,
    pool: DescriptorPool,
}

impl Calls {
    pub(super) fn new(stage: &Stage) -> Self {
        let pool = DescriptorPool::decode(contracts::FILE_DESCRIPTOR_SET).expect("the descriptors decode");
        Self { stage: stage.clone(), pool }
    }

    /// Calls the method at `path` wherever it is answered; of a stream, tells the first answer.
    pub(super) async fn everywhere(
        &self,
        caller: &Caller,
        path: &str,
        body: &Value,
    ) -> Vec<(&'static str, Result<Value, Status>)> {
        let mut answers = Vec::new();
        for (service, address) in self.addresses(path) {
            answers.push((service, self.ask(caller, address, path, body).await));
        }
        answers
    }

    async fn ask(&self, caller: &Caller, address: &str, path: &str, body: &Value) -> Result<Value, Status> {
        let method = self.method(path);
        let body = DynamicMessage::deserialize(method.input(), body)
            .unwrap_or_else(|problem| panic!("the body for {path} has another shape: {problem}"));
        let connection = caller.connect(address).map_err(|problem| Status::internal(problem.to_string()))?;
        let mut client = Grpc::new(connection);
        client.ready().await.map_err(|problem| Status::unavailable(problem.to_string()))?;
        let path = path.parse().map_err(|_| Status::internal("not a path"))?;
        let mut request = Request::new(body.encode_to_vec());
        request.set_timeout(std::time::Duration::from_secs(10));
        let mut answers = client.server_streaming(request, path, Encoded).await?.into_inner();
        let Some(bytes) = answers.message().await? else { return Ok(Value::Null) };
        let answer = DynamicMessage::decode(method.output(), bytes.as_slice())
            .map_err(|problem| Status::internal(problem.to_string()))?;
        serde_json::to_value(&answer).map_err(|problem| Status::internal(problem.to_string()))
    }

    fn method(&self, path: &str) -> MethodDescriptor {
        let (service, name) = path.trim_start_matches('/').split_once('/').expect("a method's path has two parts");
        let service = self.pool.get_service_by_name(service).unwrap_or_else(|| panic!("no service for {path}"));
        service.methods().find(|method| method.name() == name).unwrap_or_else(|| panic!("no method for {path}"))
    }

    /// Who answers the method: its own service, or all four for what every service offers its operator.
    fn addresses(&self, path: &str) -> Vec<(&'static str, &str)> {
        let all = [
            ("identity", self.stage.identity.as_str()),
            ("ingest", self.stage.ingest.as_str()),
            ("messaging", self.stage.messaging.as_str()),
            ("scheduler", self.stage.scheduler.as_str()),
        ];
        let package = path.split('.').nth(1).unwrap_or_default();
        let own: Vec<_> = all.into_iter().filter(|(service, _)| *service == package).collect();
        if own.is_empty() { all.to_vec() } else { own }
    }
}
