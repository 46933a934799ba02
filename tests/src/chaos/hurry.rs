//! Somebody who asks to be linked while clocks are wrong: what was counted then must lock nobody out when they are right.

use std::time::Duration;

use anyhow::Context as _;
use sqlx::{Connection as _, PgConnection};
use tsunagi::stage::{Person, until};

use super::linking::{BACK_WITHIN, Linker, Scene, Way, confirm};
use super::phase::{Phase, Timing};

/// Which person of a run it is.
const NUMBER: usize = 8;
/// A form that is opened before clocks go wrong, and sent when every process has heard of it.
const WHILE_WRONG: Timing = Timing {
    opens: Phase::Before,
    submits: Phase::During,
    lingers: Duration::from_millis(400),
    confirms: Phase::After,
};

/// Sends a form that nobody confirms, and links with a new one when clocks are right again.
pub(super) async fn link(scene: Scene<'_>, admin: &mut PgConnection) -> anyhow::Result<Linker> {
    let Scene { stage, course, .. } = scene;
    let mut linker = Linker::new(scene, NUMBER, Way::Links).await?;
    linker.timing = WHILE_WRONG;
    linker.form(scene).await?;
    course.at_least(Phase::After).await;
    until(BACK_WITHIN, async || was_often(&mut *admin, &linker.person).await).await?;
    linker.timing = Timing::AT_ONCE;
    let dialog = linker.form(scene).await.context("who hurried while clocks were wrong")?;
    confirm(stage, &linker.person, &dialog).await?;
    Ok(linker)
}

/// What was sent by clocks that were ahead is there as often as fills every limit.
async fn was_often(admin: &mut PgConnection, person: &Person) -> sqlx::Result<()> {
    let copies = "INSERT INTO identity.link_attempt (tenant_id, link_attempt_id, version, method, account_id, friend_id, nonce_hash,
             address_hash, submit_time, confirm_until, decide_time, outcome, reason)
         SELECT a.tenant_id, gen_random_uuid(), a.version, method, account_id, a.friend_id,
             sha256(gen_random_uuid()::text::bytea), address_hash, submit_time, confirm_until, decide_time, outcome, reason
         FROM identity.line_user u JOIN identity.link_attempt a USING (tenant_id, friend_id), generate_series(1, 120)
         WHERE u.line_user_id = $1 AND a.submit_time > now() + interval '90 seconds'";
    let mut tx = admin.begin().await?;
    sqlx::query(copies).bind(person.user_id.as_str()).execute(&mut *tx).await?;
    tx.commit().await
}
