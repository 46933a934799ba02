//! Somebody who sends a form over and over while clocks are wrong: what was counted then must lock nobody out when they are right.

use anyhow::Context as _;
use futures::StreamExt as _;
use sqlx::{Connection as _, PgConnection};
use tsunagi::stage::{Person, until};

use super::linking::{BACK_WITHIN, Linker, Scene, Way, confirm};
use super::phase::{Phase, Timing};

/// Which person of a run it is.
const NUMBER: usize = 8;
/// How often the form is sent while clocks are wrong.
const TIMES: usize = 16;
/// At once.
const AT_ONCE: usize = 8;

/// Uses a form up, sends it over and over, and links with a new one when clocks are right again and the time that is counted has
/// passed.
pub(super) async fn link(scene: Scene<'_>, admin: &mut PgConnection) -> anyhow::Result<Linker> {
    let Scene { stage, course, browser, .. } = scene;
    let mut linker = Linker::new(scene, NUMBER, Way::Links).await?;
    linker.timing = Timing::AT_ONCE;
    linker.form(scene).await?;
    course.at_least(Phase::During).await;
    let again = futures::stream::iter(0..TIMES).map(|_| linker.send_again(browser));
    again.buffer_unordered(AT_ONCE).collect::<()>().await;
    course.at_least(Phase::After).await;
    until(BACK_WITHIN, async || time_passes(&mut *admin, &linker.person).await).await?;
    let dialog = linker.form(scene).await.context("who hurried while clocks were wrong")?;
    confirm(stage, &linker.person, &dialog).await?;
    Ok(linker)
}

/// What was sent of a used form is there as often as fills every limit, and more time than is counted passes: what was sent by right
/// clocks is long ago, and what was sent by clocks hours ahead is still to come.
async fn time_passes(admin: &mut PgConnection, person: &Person) -> sqlx::Result<()> {
    let statements = [
        "INSERT INTO identity.link_attempt (tenant_id, link_attempt_id, version, method, account_id, friend_id, address_hash,
             submit_time, confirm_until, decide_time, outcome, reason)
         SELECT a.tenant_id, gen_random_uuid(), a.version, method, account_id, a.friend_id, address_hash, submit_time,
             confirm_until, decide_time, outcome, reason
         FROM identity.line_user u JOIN identity.link_attempt a USING (tenant_id, friend_id), generate_series(1, 120)
         WHERE u.line_user_id = $1 AND a.nonce_hash IS NULL
         ORDER BY submit_time DESC LIMIT 130",
        "UPDATE identity.link_attempt a SET submit_time = submit_time - interval '70 minutes' FROM identity.line_user u
         WHERE u.tenant_id = a.tenant_id AND u.friend_id = a.friend_id AND u.line_user_id = $1",
    ];
    let mut tx = admin.begin().await?;
    for statement in statements {
        sqlx::query(statement).bind(person.user_id.as_str()).execute(&mut *tx).await?;
    }
    tx.commit().await
}
