//! messaging-outbox's `LineGatewayService`, answering what a test has told it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use contracts::messaging::v1::line_gateway_service_server::{LineGatewayService, LineGatewayServiceServer};
use contracts::messaging::v1::*;
use tokio::sync::Barrier;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// What the gateway answers, and what it was asked.
#[derive(Clone, Default)]
pub(crate) struct Messaging(Arc<Mutex<Script>>);

#[derive(Default)]
struct Script {
    bots: HashMap<String, String>,
    names: HashMap<String, String>,
    refusal: Option<Status>,
    endpoints: Vec<String>,
    chat_mode: Option<String>,
    bots_asked: usize,
    followers: Option<GetFollowerCountResponse>,
    followers_refusal: Option<Status>,
    days_asked: Vec<String>,
    profiles_asked: usize,
    link_tokens: usize,
    meeting: Option<Arc<Barrier>>,
}

impl Messaging {
    /// Listens on a free port, for as long as the runtime lives.
    pub(crate) async fn start() -> (Self, SocketAddr) {
        let messaging = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let service = LineGatewayServiceServer::new(messaging.clone());
        tokio::spawn(async move {
            let incoming = TcpListenerStream::new(listener);
            tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming).await.ok();
        });
        (messaging, addr)
    }

    /// The bot behind an account's credential.
    pub(crate) fn bot(&self, account: &str, bot: &str) {
        self.0.lock().unwrap().bots.insert(account.to_owned(), bot.to_owned());
    }

    /// The `chatMode` of every bot.
    pub(crate) fn chat_mode(&self, mode: &str) {
        self.0.lock().unwrap().chat_mode = Some(mode.to_owned());
    }

    /// How many times it was asked who a bot is.
    pub(crate) fn bots_asked(&self) -> usize {
        self.0.lock().unwrap().bots_asked
    }

    /// What LINE counts for every account, whatever the day; not ready before it is told.
    pub(crate) fn followers(&self, told: GetFollowerCountResponse) {
        self.0.lock().unwrap().followers = Some(told);
    }

    /// Nobody is told how many followers there are; none: no more.
    pub(crate) fn refuse_followers(&self, refusal: Option<Status>) {
        self.0.lock().unwrap().followers_refusal = refusal;
    }

    /// The days that were asked of.
    pub(crate) fn days_asked(&self) -> Vec<String> {
        self.0.lock().unwrap().days_asked.clone()
    }

    /// The name a user shows.
    pub(crate) fn name(&self, user: &str, name: &str) {
        self.0.lock().unwrap().names.insert(user.to_owned(), name.to_owned());
    }

    /// Every call is refused so; none: no more.
    pub(crate) fn refuse(&self, refusal: Option<Status>) {
        self.0.lock().unwrap().refusal = refusal;
    }

    /// Whoever asks for a link token is answered once so many ask; none: at once.
    pub(crate) fn meet(&self, number: Option<usize>) {
        self.0.lock().unwrap().meeting = number.map(|number| Arc::new(Barrier::new(number)));
    }

    /// The webhook addresses LINE was told.
    pub(crate) fn endpoints(&self) -> Vec<String> {
        self.0.lock().unwrap().endpoints.clone()
    }

    /// How many profiles were asked for.
    pub(crate) fn profiles_asked(&self) -> usize {
        self.0.lock().unwrap().profiles_asked
    }

    fn refused(&self) -> Result<(), Status> {
        self.0.lock().unwrap().refusal.clone().map_or(Ok(()), Err)
    }
}

#[tonic::async_trait]
impl LineGatewayService for Messaging {
    async fn get_bot_info(&self, request: Request<GetBotInfoRequest>) -> Result<Response<GetBotInfoResponse>, Status> {
        self.0.lock().unwrap().bots_asked += 1;
        self.refused()?;
        let account = request.into_inner().account_id;
        let bot_user_id =
            self.0.lock().unwrap().bots.get(&account).cloned().ok_or_else(|| Status::not_found("not here yet"))?;
        Ok(Response::new(GetBotInfoResponse {
            bot_user_id,
            basic_id: "@shop".to_owned(),
            display_name: "The shop".to_owned(),
            chat_mode: self.0.lock().unwrap().chat_mode.clone().unwrap_or_else(|| "bot".to_owned()),
            mark_as_read_mode: "auto".to_owned(),
        }))
    }

    async fn get_follower_count(
        &self,
        request: Request<GetFollowerCountRequest>,
    ) -> Result<Response<GetFollowerCountResponse>, Status> {
        self.0.lock().unwrap().days_asked.push(request.into_inner().date);
        self.refused()?;
        if let Some(refusal) = self.0.lock().unwrap().followers_refusal.clone() {
            return Err(refusal);
        }
        let unready = GetFollowerCountResponse { status: FollowerCountStatus::Unready.into(), count: None };
        Ok(Response::new(self.0.lock().unwrap().followers.unwrap_or(unready)))
    }

    async fn get_profile(&self, request: Request<GetProfileRequest>) -> Result<Response<GetProfileResponse>, Status> {
        self.0.lock().unwrap().profiles_asked += 1;
        self.refused()?;
        let name = self.0.lock().unwrap().names.get(&request.into_inner().line_user_id).cloned();
        Ok(Response::new(GetProfileResponse {
            found: name.is_some(),
            display_name: name.unwrap_or_default(),
            picture_url: String::new(),
            language: String::new(),
        }))
    }

    async fn set_webhook_endpoint(
        &self,
        request: Request<SetWebhookEndpointRequest>,
    ) -> Result<Response<SetWebhookEndpointResponse>, Status> {
        self.refused()?;
        self.0.lock().unwrap().endpoints.push(request.into_inner().endpoint);
        Ok(Response::new(SetWebhookEndpointResponse {}))
    }

    async fn issue_link_token(
        &self,
        _: Request<IssueLinkTokenRequest>,
    ) -> Result<Response<IssueLinkTokenResponse>, Status> {
        self.refused()?;
        let meeting = self.0.lock().unwrap().meeting.clone();
        if let Some(meeting) = meeting {
            meeting.wait().await;
        }
        let mut script = self.0.lock().unwrap();
        script.link_tokens += 1;
        Ok(Response::new(IssueLinkTokenResponse { link_token: format!("link-token-{}", script.link_tokens) }))
    }

    async fn get_webhook_endpoint(
        &self,
        _: Request<GetWebhookEndpointRequest>,
    ) -> Result<Response<GetWebhookEndpointResponse>, Status> {
        Err(Status::unimplemented("identity-linking does not ask this yet"))
    }

    async fn test_webhook_endpoint(
        &self,
        _: Request<TestWebhookEndpointRequest>,
    ) -> Result<Response<TestWebhookEndpointResponse>, Status> {
        Err(Status::unimplemented("identity-linking does not ask this yet"))
    }

    async fn list_followers(
        &self,
        _: Request<ListFollowersRequest>,
    ) -> Result<Response<ListFollowersResponse>, Status> {
        Err(Status::unimplemented("identity-linking does not ask this yet"))
    }
}
