//! What other services are told of links: a snapshot says what the events said last.

use std::collections::BTreeMap;

use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::*;

use super::stage::{HANAKO, MOBILE, OTHER_MOBILE, Stage, person};
use crate::replica::{reader, snapshot};

#[tokio::test]
async fn a_snapshot_holds_every_link_as_it_was_told_last_and_ended_ones_too() {
    let stage = Stage::open("told").await;
    stage.customer(HANAKO, MOBILE).await;
    stage.link(&person(1), HANAKO, OTHER_MOBILE).await;
    // Absorbed: one link ends, another begins.
    stage.link(&person(1), HANAKO, MOBILE).await;
    stage.link(&person(2), ("鈴木", "一郎"), OTHER_MOBILE).await;
    stage.send(&[stage.tapped(&person(2), stage.moment(), "unlink:yes")]).await;
    let last: BTreeMap<String, _> =
        stage.told_links().await.into_iter().map(|link| (link.link_id.clone(), Body::Link(link))).collect();
    let ended = |body: &Body| matches!(body, Body::Link(link) if link.end_time.is_some());
    assert_eq!((last.len(), last.values().filter(|body| ended(body)).count()), (3, 2));
    let tenant = stage.tenant.to_string();
    let reader = reader(&stage.house).await;
    let found = snapshot(&reader, &[ReplicaKind::Link], &tenant).await;
    let expected: Vec<_> = last.into_values().map(|body| (tenant.clone(), body)).collect();
    assert_eq!(found, expected);
}
