//! Notices to staff in the runs (F-70): whatever happens, each that is asked for reaches each member whom it concerns once, and LINE's
//! books hold what the members were told, no less and no more.

use std::collections::BTreeMap;

use anyhow::ensure;
use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{IdentityEvent, StaffNoticeKind, StaffNoticeRequested};
use kernel::Timestamp;
use line_simulator::BooksQuery;
use messaging_outbox_core::notice::id_for;
use prost::Message as _;
use sqlx::PgPool;
use tsunagi::stage::Stage;
use uuid::Uuid;

use super::staff::{Heard, Member, Staff};

/// LINE took it.
const DELIVERED: i16 = 2;

/// Where books and tables stood when everything before had settled.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Before {
    /// The last entry in LINE's books.
    pub(super) entry: u64,
    /// The database's clock.
    time: Timestamp,
}

/// A notice that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Raised {
    id: Uuid,
    staff: Uuid,
    text: String,
    /// Where it stands on LINE.
    state: Option<i16>,
}

/// Where books and tables stand now.
pub(super) async fn stand(stage: &Stage, tables: &PgPool) -> anyhow::Result<Before> {
    let time = sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(tables).await?;
    let books = stage.line.sent(&BooksQuery::default()).await?;
    Ok(Before { entry: books.last().map_or(0, |entry| entry.number), time })
}

/// Whether everything that was asked for since `before` was told to whom it concerns, everybody of `came` who stayed among it; how
/// many notices there are. `heard`: what LINE has pushed since then.
pub(super) async fn settled(
    tables: &PgPool,
    staff: &Staff,
    before: Before,
    came: &[(String, bool)],
    heard: &Heard,
) -> anyhow::Result<usize> {
    let asked = asked(tables, before).await?;
    everybody_is_told_of(&asked, came)?;
    let raised = raised(tables, before).await?;
    check(&asked, &raised, &staff.members, heard)?;
    Ok(raised.len())
}

async fn asked(tables: &PgPool, before: Before) -> anyhow::Result<Vec<StaffNoticeRequested>> {
    let told: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT payload FROM identity.outbox WHERE happened = 'staff_notice_requested' AND created_at > $1",
    )
    .bind(before.time)
    .fetch_all(tables)
    .await?;
    let mut asked = Vec::new();
    for payload in told {
        if let Some(Body::StaffNoticeRequested(one)) = IdentityEvent::decode(payload.as_slice())?.body {
            asked.push(one);
        }
    }
    Ok(asked)
}

async fn raised(tables: &PgPool, before: Before) -> anyhow::Result<Vec<Raised>> {
    let rows: Vec<(Uuid, Uuid, String, String, Option<i16>)> = sqlx::query_as(
        "SELECT n.notice_id, n.staff_id, n.title, n.body, d.state
         FROM messaging.notice n LEFT JOIN messaging.notice_delivery d USING (tenant_id, notice_id)
         WHERE n.create_time > $1 AND (d.channel = 1 OR d.channel IS NULL)",
    )
    .bind(before.time)
    .fetch_all(tables)
    .await?;
    let raised = rows.into_iter().map(|(id, staff, title, body, state)| {
        // As one text, the way LINE gets it.
        Raised { id, staff, text: format!("{title}\n\n{body}"), state }
    });
    Ok(raised.collect())
}

/// Whether staff are asked to hear of everybody who came and stayed, once; of who left at once it may be heard too late.
fn everybody_is_told_of(asked: &[StaffNoticeRequested], came: &[(String, bool)]) -> anyhow::Result<()> {
    for (user, stayed) in came {
        let of_user =
            |one: &&StaffNoticeRequested| one.kind() == StaffNoticeKind::FriendAdded && one.line_user_id == *user;
        let times = asked.iter().filter(of_user).count();
        ensure!(times == 1 || (times == 0 && !stayed), "staff are to hear {times} times of somebody who came");
    }
    Ok(())
}

/// Whether what is asked for is there for each member whom it concerns, and LINE pushed what is there, each once.
fn check(asked: &[StaffNoticeRequested], raised: &[Raised], members: &[Member], heard: &Heard) -> anyhow::Result<()> {
    for member in members {
        let theirs: Vec<&Raised> = raised.iter().filter(|one| one.staff == member.id.uuid()).collect();
        for one in asked {
            let (kind, id) = (one.kind().as_str_name(), id_for(one.notice_id.parse()?, member.id.uuid()));
            let is_there = theirs.iter().any(|raised| raised.id == id);
            ensure!(
                is_there == member.of_branch,
                "{kind} is {} for {}",
                if is_there { "there" } else { "missing" },
                member.person.display_name
            );
        }
        let mut texts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for one in theirs {
            ensure!(one.state == Some(DELIVERED), "a notice stands at {:?}: {}", one.state, one.text);
            texts.entry(&one.text).or_default().0 += 1;
        }
        for text in heard.get(&member.id).into_iter().flatten() {
            texts.entry(text).or_default().1 += 1;
        }
        for (text, (there, told)) in texts {
            ensure!(
                there == told,
                "{} is told {told} times what is there {there} times: {text}",
                member.person.display_name
            );
        }
    }
    let strangers = raised.iter().filter(|one| members.iter().all(|member| member.id.uuid() != one.staff)).count();
    ensure!(strangers == 0, "{strangers} notices are for nobody of the staff");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::staff::tests::members;

    const MATTER: Uuid = Uuid::from_u128(7);

    fn asked_of(user: &str) -> StaffNoticeRequested {
        StaffNoticeRequested {
            notice_id: MATTER.to_string(),
            kind: StaffNoticeKind::FriendAdded.into(),
            line_user_id: user.to_owned(),
            ..StaffNoticeRequested::default()
        }
    }

    #[test]
    fn every_way_to_be_wrong_is_seen() {
        let members = members();
        let [one, other] = [0, 1].map(|at: usize| members[at].id);
        let raised = |staff: kernel::StaffId, state| Raised {
            id: id_for(MATTER, staff.uuid()),
            staff: staff.uuid(),
            text: "a\n\nb".to_owned(),
            state,
        };
        let heard = |times| -> Heard { [(one, vec!["a\n\nb".to_owned(); times])].into() };
        let seen = |raised: &[Raised], heard: &Heard| {
            check(&[asked_of("U1")], raised, &members, heard)
                .err()
                .map(|problem| problem.to_string())
                .unwrap_or_default()
        };
        let told = || raised(one, Some(DELIVERED));
        assert_eq!(seen(&[told()], &heard(1)), "");
        for (raised, heard, what) in [
            (vec![], heard(0), "is missing for"),
            (vec![told(), raised(other, Some(DELIVERED))], heard(1), "is there for"),
            (vec![raised(one, Some(1))], heard(0), "a notice stands at Some(1)"),
            (vec![raised(one, None)], heard(0), "a notice stands at None"),
            (vec![told()], heard(0), "told 0 times what is there 1 times"),
            (vec![told()], heard(2), "told 2 times what is there 1 times"),
            (vec![told(), raised(Uuid::nil().into(), None)], heard(1), "for nobody of the staff"),
        ] {
            assert!(seen(&raised, &heard).contains(what), "{what}: {}", seen(&raised, &heard));
        }
    }

    #[test]
    fn somebody_who_stays_is_heard_of_once() {
        let came = |stayed| [("U1".to_owned(), stayed)];
        assert!(everybody_is_told_of(&[asked_of("U1")], &came(true)).is_ok());
        assert!(everybody_is_told_of(&[], &came(false)).is_ok());
        assert!(everybody_is_told_of(&[asked_of("U2")], &came(true)).is_err());
        for stayed in [true, false] {
            assert!(everybody_is_told_of(&[asked_of("U1"), asked_of("U1")], &came(stayed)).is_err());
        }
    }
}
