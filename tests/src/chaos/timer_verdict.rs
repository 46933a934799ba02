//! Whether a run's timers came to what they must: each heard once, or recorded as missed the way its policy has it, and never both;
//! what was cancelled in time is heard of no more; nothing is said before its moment.

use anyhow::{Context as _, ensure};
use contracts::scheduler::v1::timer_service_client::TimerServiceClient;
use contracts::scheduler::v1::{ListMissedTimersRequest, ListTimersRequest, MissReason};
use sqlx::PgConnection;
use tsunagi::stage::{Shop, Stage};

use super::timers::{Ends, Late, OWNER, Wanted, prefix};

/// Most of a page.
const PAGE: i32 = 200;

/// A timer a consumer was told of.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    key: String,
    generation: i64,
    /// That it was missed, not that it is due.
    missed: bool,
}

/// A timer that is recorded as missed, and why.
type Recorded = (String, MissReason);

/// Whether all timers of the run are over and came to what they must; how many. `turned`: clocks were wrong, so that what was said
/// early by the right one says nothing.
pub(super) async fn settled(
    stage: &Stage,
    shop: &Shop,
    admin: &mut PgConnection,
    (wanted, seed, turned): (&[Wanted], u64, bool),
) -> anyhow::Result<usize> {
    let mut client = TimerServiceClient::new(shop.program.connect(&stage.scheduler)?);
    let mine = ListTimersRequest { owner: OWNER.to_owned(), key_prefix: prefix(seed), ..Default::default() };
    let standing = client.list_timers(mine).await?.into_inner().timers;
    ensure!(standing.is_empty(), "timers that still stand, the first: {}", standing[0].key);
    let told: Vec<(String, i64, bool)> = sqlx::query_as(
        "SELECT k, g, missed FROM hearing.heard, unnest(keys, generations) t (k, g)
         WHERE tenant_id = $1 AND owner = $2 AND starts_with(k, $3)",
    )
    .bind(shop.tenant.uuid())
    .bind(OWNER)
    .bind(prefix(seed))
    .fetch_all(&mut *admin)
    .await?;
    let told: Vec<Told> = told.into_iter().map(|(key, generation, missed)| Told { key, generation, missed }).collect();
    let mut recorded: Vec<Recorded> = Vec::new();
    let mut page = ListMissedTimersRequest { owner: OWNER.to_owned(), page_size: PAGE, ..Default::default() };
    loop {
        let answer = client.list_missed_timers(page.clone()).await?.into_inner();
        let of_run = answer.missed_timers.into_iter().filter(|missed| missed.key.starts_with(&prefix(seed)));
        recorded.extend(of_run.map(|missed| (missed.key.clone(), missed.reason())));
        page.page_token = answer.next_page_token;
        if page.page_token.is_empty() {
            break;
        }
    }
    check(wanted, &told, &recorded)?;
    if !turned {
        none_early(admin, shop, seed).await?;
    }
    Ok(wanted.len())
}

/// Nothing was said before its moment by the database's clock.
async fn none_early(admin: &mut PgConnection, shop: &Shop, seed: u64) -> anyhow::Result<()> {
    let early: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM hearing.heard h JOIN scheduler.outbox o USING (tenant_id, event_id), unnest(keys, due) t (k, d)
         WHERE tenant_id = $1 AND starts_with(k, $2) AND o.created_at < d",
    )
    .bind(shop.tenant.uuid())
    .bind(prefix(seed))
    .fetch_one(admin)
    .await?;
    ensure!(early == 0, "{early} timers were said before their moment");
    Ok(())
}

/// Whether what was told and recorded is what each timer must come to.
fn check(wanted: &[Wanted], told: &[Told], recorded: &[Recorded]) -> anyhow::Result<()> {
    for one in wanted {
        let of_key = told.iter().filter(|told| told.key == one.key);
        let (missed, said): (Vec<_>, Vec<_>) = of_key.partition(|told| told.missed);
        let misses: Vec<MissReason> =
            recorded.iter().filter(|(key, _)| *key == one.key).map(|(_, reason)| *reason).collect();
        let (key, ends) = (&one.key, said.len() + misses.len());
        match one.ends {
            Ends::Never => ensure!(ends + missed.len() == 0, "{key} was cancelled and is said"),
            Ends::AtMostOnce if ends == 0 => ensure!(missed.is_empty(), "{key} was cancelled and is said to be missed"),
            Ends::Once | Ends::AtMostOnce => {
                ensure!(ends == 1, "{key} is said {} times and recorded {} times", said.len(), misses.len());
                let generations = said.iter().chain(&missed).map(|told| told.generation);
                if let Some(known) = one.generation {
                    ensure!(
                        generations.into_iter().all(|told| told == known),
                        "{key} is said as it was before it was moved"
                    );
                }
                as_its_policy_has_it(one, misses.first().copied(), missed.len(), (wanted, told))
                    .context(key.clone())?;
            }
        }
    }
    Ok(())
}

/// Whether what was not said was to be missed like this. `told`: how often its owner heard that it was.
fn as_its_policy_has_it(
    one: &Wanted,
    miss: Option<MissReason>,
    told: usize,
    (wanted, all): (&[Wanted], &[Told]),
) -> anyhow::Result<()> {
    let heard = match (one.late, miss) {
        (_, None) | (Late::Silent, Some(MissReason::TooLate)) => 0,
        (Late::Told | Late::Merged(_), Some(MissReason::TooLate)) => 1,
        (Late::Merged(_), Some(MissReason::Merged)) => {
            let said = |other: &Wanted| all.iter().any(|told| !told.missed && told.key == other.key);
            let together = wanted.iter().filter(|other| other.late == one.late);
            ensure!(together.into_iter().any(said), "merged into none that is said");
            0
        }
        (late, Some(reason)) => anyhow::bail!("{late:?} and recorded as {}", reason.as_str_name()),
    };
    ensure!(told == heard, "told {told} times that it was missed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(key: &str, late: Late, ends: Ends) -> Wanted {
        Wanted { key: key.to_owned(), generation: Some(7), late, ends }
    }

    fn told(key: &str, generation: i64, missed: bool) -> Told {
        Told { key: key.to_owned(), generation, missed }
    }

    /// What the check says; empty where all is well.
    fn said(wanted: &[Wanted], told: &[Told], recorded: &[(&str, MissReason)]) -> String {
        let recorded: Vec<Recorded> = recorded.iter().map(|(key, reason)| ((*key).to_owned(), *reason)).collect();
        check(wanted, told, &recorded).err().map(|problem| format!("{problem:#}")).unwrap_or_default()
    }

    #[test]
    fn what_is_as_it_must_be_is_sound() {
        use MissReason::{Merged, TooLate};
        let all = [
            wanted("a", Late::Said, Ends::Once),
            wanted("b", Late::Told, Ends::Once),
            wanted("c", Late::Silent, Ends::Once),
            wanted("d", Late::Merged(1), Ends::Once),
            wanted("e", Late::Merged(1), Ends::Once),
            wanted("f", Late::Told, Ends::Never),
            wanted("g", Late::Told, Ends::AtMostOnce),
            wanted("h", Late::Told, Ends::AtMostOnce),
        ];
        let heard = [told("a", 7, false), told("b", 7, true), told("d", 7, false), told("h", 7, false)];
        assert_eq!(said(&all, &heard, &[("b", TooLate), ("c", TooLate), ("e", Merged)]), "");
    }

    #[test]
    fn every_way_to_be_wrong_is_seen() {
        use MissReason::{Merged, TooLate};
        let (once, twice) = ([told("a", 7, false)], [told("a", 7, false), told("a", 7, false)]);
        let with = |late, ends| [wanted("a", late, ends)];
        let all_once = with(Late::Told, Ends::Once);
        for (seen, what) in [
            (said(&all_once, &[], &[]), "said 0 times"),
            (said(&all_once, &twice, &[]), "said 2 times"),
            (said(&all_once, &once, &[("a", TooLate)]), "said 1 times and recorded 1 times"),
            (said(&all_once, &[told("a", 6, false)], &[]), "before it was moved"),
            (said(&all_once, &[], &[("a", TooLate)]), "told 0 times"),
            (said(&all_once, &[told("a", 7, false), told("a", 7, true)], &[]), "told 1 times"),
            (said(&all_once, &[], &[("a", Merged)]), "recorded as MISS_REASON_MERGED"),
            (said(&with(Late::Said, Ends::Once), &[], &[("a", TooLate)]), "recorded as MISS_REASON_TOO_LATE"),
            (said(&with(Late::Silent, Ends::Once), &[told("a", 7, true)], &[("a", TooLate)]), "told 1 times"),
            (said(&with(Late::Merged(0), Ends::Once), &[], &[("a", Merged)]), "merged into none"),
            (said(&with(Late::Told, Ends::Never), &once, &[]), "cancelled and is said"),
            (said(&with(Late::Told, Ends::Never), &[told("a", 7, true)], &[]), "cancelled and is said"),
            (said(&with(Late::Told, Ends::AtMostOnce), &twice, &[]), "said 2 times"),
            (said(&with(Late::Told, Ends::AtMostOnce), &[told("a", 7, true)], &[]), "said to be missed"),
        ] {
            assert!(seen.contains(what), "{what}: {seen}");
        }
    }
}
