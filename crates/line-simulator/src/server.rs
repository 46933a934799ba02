//! The listener: every path of LINE's hosts and the control API on one loopback port, with connections that can be
//! cut on purpose.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;

use crate::platform::Platform;

/// Marks an answer that must not reach the client: its connection is closed instead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut;

#[derive(Debug, thiserror::Error)]
#[error("connection cut by an injected fault")]
struct CutOnPurpose;

/// Accepts connections until the platform stops.
pub(crate) async fn serve(platform: Arc<Platform>, listener: TcpListener, router: Router) {
    loop {
        let accepted = tokio::select! {
            () = platform.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        // A failed accept concerns one connection, or passes when file descriptors are free again.
        let Ok((stream, _)) = accepted else {
            tokio::task::yield_now().await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let stop = platform.stop.clone();
        let (talking, router) = (platform.clone(), router.clone());
        platform.tasks.spawn(async move { stop.run_until_cancelled(converse(talking, stream, router)).await });
    }
}

async fn converse(platform: Arc<Platform>, stream: TcpStream, router: Router) {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        // On a task of its own: a request that arrived is carried out, whether or not its client waits for the answer.
        let work = router.clone().oneshot(request.map(Body::new));
        let stop = platform.stop.clone();
        let answering = platform.tasks.spawn(async move { stop.run_until_cancelled(work).await });
        async move {
            match answering.await {
                Ok(Some(Ok(answer))) if answer.extensions().get::<Cut>().is_none() => Ok::<Response<Body>, _>(answer),
                _ => Err(CutOnPurpose),
            }
        }
    });
    // An error here is a client gone away or a cut ordered above; neither is news.
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}
