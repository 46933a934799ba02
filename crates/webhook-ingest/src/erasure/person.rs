//! A look for a person who is to be forgotten: through every body of the tenant from before, and every event ID. A repetition or a
//! quarantined copy is found whatever is known of it.

use chassis::work_queue::Job;
use chrono::TimeDelta;
use uuid::Uuid;
use webhook_ingest_core::{Sought, first_id};

use super::hits;
use super::matter::{self, Matter};
use super::shelf::{Run, Shelf};
use super::sweep::{FIRST_LOOKS, Sweeper, Trouble};

/// Event IDs looked at in one transaction.
const DEPTH: i64 = 5_000;
/// How much older than the asking a body may be that was on its way to the archive then: the spill stream keeps it for seven days.
const ON_ITS_WAY: TimeDelta = TimeDelta::days(8);
/// How far clocks may differ.
const SLACK: TimeDelta = TimeDelta::minutes(5);

/// What a look goes through, one after the other; its number is its place among these.
const PARTS: [Option<Shelf>; 4] = [Some(Shelf::Taken), Some(Shelf::Shared), Some(Shelf::Quarantined), None];

impl Sweeper {
    /// Takes the look one step further; tells whether it is over.
    pub(super) async fn step_for_person(&self, job: &Job, matter: &Matter, sought: &Sought) -> Result<bool, Trouble> {
        let part = usize::try_from(matter.part).ok().and_then(|part| PARTS.get(part)).copied().flatten();
        match part {
            Some(shelf) => self.look_through(job, matter, shelf, sought).await,
            None => self.look_through_ids(job, matter, sought).await,
        }
    }

    async fn look_through(&self, job: &Job, matter: &Matter, shelf: Shelf, sought: &Sought) -> Result<bool, Trouble> {
        let shelves = self.shelves(job.tenant);
        let sought = std::slice::from_ref(sought);
        let Some(portion) = shelves.look(run(matter, shelf), sought).await? else {
            self.go_on(job, matter.part + 1, (Uuid::nil(), Uuid::nil())).await?;
            return Ok(false);
        };
        if shelf != Shelf::Quarantined {
            self.replace_in_stream(job.tenant, matter.id, &portion.found).await?;
        }
        self.cut(shelves, shelf, &portion.found, sought, &[matter.id]).await?;
        self.go_on(job, matter.part, (Uuid::nil(), portion.last)).await?;
        Ok(false)
    }

    async fn look_through_ids(&self, job: &Job, matter: &Matter, sought: &Sought) -> Result<bool, Trouble> {
        let Sought::LineUser { user, until } = sought else { return Err(Trouble::Unknown) };
        let shelves = self.shelves(job.tenant);
        let users = self.vault.line_users(job.tenant, user);
        let mut tx = self.database.tenant(job.tenant).await?;
        let part = hits::of_user(&mut tx, &users, *until, matter.place, DEPTH).await?;
        tx.commit().await?;
        let sought = std::slice::from_ref(sought);
        let late = shelves.look_at(&part.late, sought).await?;
        self.replace_in_stream(job.tenant, matter.id, &late).await?;
        self.cut(shelves, Shelf::Taken, &late, sought, &[matter.id]).await?;
        self.cut_out_of_stream(job.tenant, &part.hits).await?;
        // Their events are found in the stream by whose they are, and some may be on their way there.
        let is_last_of_first = matter.looks + 1 >= FIRST_LOOKS || self.next_look(matter).is_none();
        let mut tx = self.database.tenant(job.tenant).await?;
        if is_last_of_first {
            hits::forget_whose(&mut tx, &part.hits).await?;
        }
        tx.commit().await?;
        match part.last {
            Some(place) => {
                self.go_on(job, matter.part, place).await?;
                Ok(false)
            }
            None => Ok(true),
        }
    }

    async fn go_on(&self, job: &Job, part: i16, place: (Uuid, Uuid)) -> Result<(), Trouble> {
        let mut tx = self.database.tenant(job.tenant).await?;
        matter::went_on(&mut tx, (job.subject, job.claim), part, place).await?;
        Ok(tx.commit().await?)
    }
}

/// What is left of a shelf. The first look goes through all that came before the asking, the others through what may have come to the
/// archive since; what came later holds something from before where it is shared, or by its event ID.
fn run(matter: &Matter, shelf: Shelf) -> Run {
    let asked = matter.asked_at;
    let (from, before) = match shelf {
        Shelf::Taken if matter.looks == 0 => (Uuid::nil(), first_id(asked + SLACK)),
        Shelf::Taken => (first_id(asked - ON_ITS_WAY), first_id(asked + SLACK)),
        Shelf::Shared => (first_id(asked), Uuid::max()),
        // Nothing tells of an unreadable body when what it holds was written, but for when it came.
        Shelf::Quarantined => (Uuid::nil(), first_id(asked + TimeDelta::milliseconds(1))),
    };
    Run { shelf, account: Uuid::nil(), after: matter.place.1.max(from), before }
}
