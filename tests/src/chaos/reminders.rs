//! Whether each customer of a run was reminded of the reservation that stands, once and not before its time, and of no other (F-107).

use anyhow::{Context as _, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::messaging::v1::reminder_service_client::ReminderServiceClient;
use contracts::messaging::v1::{ListRemindersRequest, MessageState, Reminder, ReminderState};
use kernel::Timestamp;
use line_simulator::Sent;
use tsunagi::stage::{Shop, Stage, texts};

use super::reservations::{BEFORE, Booked, REMINDS};
use super::timers::Ends;

/// Most of a page.
const PAGE: i32 = 200;
/// Japan's clock, that of a tenant nobody asked for another.
const ZONE: TimeDelta = TimeDelta::hours(9);

/// A reminder that became a message: of which start, and where that stands.
type Made = (Timestamp, MessageState);
/// A text in LINE's books, and when it was accepted.
type Told = (String, DateTime<Utc>);

/// Whether everybody was reminded as it must be; how many LINE has. `books`: what LINE accepted since the run began. `turned`: clocks were
/// wrong, so that what was early by the right one says nothing.
pub(super) async fn settled(
    stage: &Stage,
    shop: &Shop,
    (booked, turned): (&[Booked], bool),
    books: &[Sent],
) -> anyhow::Result<usize> {
    let mut client = ReminderServiceClient::new(shop.staff.connect(&stage.messaging)?);
    let mut reminded = 0;
    for one in booked {
        let request = ListRemindersRequest {
            activity_id: one.activity.clone(),
            page_size: PAGE,
            ..ListRemindersRequest::default()
        };
        let listed = client.list_reminders(request).await?.into_inner().reminders;
        let made: Vec<Made> = listed.iter().filter_map(made).collect();
        let chat = one.person.user_id.as_str();
        let told: Vec<Told> = books
            .iter()
            .filter(|sent| sent.chats.iter().any(|to| to.as_str() == chat))
            .flat_map(|sent| texts(sent).into_iter().map(|text| (text.to_owned(), sent.at)))
            .filter(|(text, _)| text.starts_with(REMINDS))
            .collect();
        let seen = check(&one.starts, &made, &told, turned);
        seen.map_err(|problem| {
            problem.context(format!("the reservation of {}, {}", one.person.display_name, kept(&listed)))
        })?;
        reminded += told.len();
    }
    Ok(reminded)
}

/// What messaging keeps of the reminders of a reservation, for whoever reads why a run was red.
fn kept(listed: &[Reminder]) -> String {
    if listed.is_empty() {
        return "of which messaging keeps no reminder".to_owned();
    }
    let one = |reminder: &Reminder| format!("{} {}", reminder.state().as_str_name(), reminder.reason().as_str_name());
    format!("of which messaging keeps {}", listed.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn made(reminder: &Reminder) -> Option<Made> {
    let start = contracts::to_timestamp(reminder.start_time.as_ref()?)?;
    (reminder.state() == ReminderState::Made).then(|| (start, reminder.message_state()))
}

/// What a customer reads of a reservation that begins then.
fn text(start: Timestamp) -> String {
    format!("{REMINDS}{}", (start + ZONE).format("%-H:%M"))
}

/// Whether what was made and told is what the starts of a reservation must come to.
fn check(starts: &[(Timestamp, Ends)], made: &[Made], told: &[Told], turned: bool) -> anyhow::Result<()> {
    for (start, ends) in starts {
        let times = made.iter().filter(|(of, _)| of == start).count();
        let fits = match ends {
            Ends::Once => times == 1,
            Ends::Never => times == 0,
            Ends::AtMostOnce => times <= 1,
        };
        ensure!(fits, "{times} reminders of {start}, which must come {ends:?}");
    }
    let mut wanted: Vec<String> = Vec::new();
    for (start, state) in made {
        let booked = starts.iter().find(|(known, _)| known == start);
        let (_, ends) = booked.with_context(|| format!("a reminder of {start}, which nobody booked"))?;
        match state {
            MessageState::Accepted => wanted.push(text(*start)),
            // It had not left yet when the reservation was told otherwise.
            MessageState::Cancelled if *ends == Ends::AtMostOnce => {}
            other => anyhow::bail!("the reminder of {start} is {}", other.as_str_name()),
        }
        let early = |(said, at): &&Told| *said == text(*start) && *at < *start - BEFORE;
        let alone = made.iter().filter(|(other, _)| text(*other) == text(*start)).count() == 1;
        ensure!(turned || !alone || !told.iter().any(|one| early(&one)), "reminded of {start} before its time");
    }
    let mut got: Vec<&str> = told.iter().map(|(said, _)| said.as_str()).collect();
    wanted.sort();
    got.sort_unstable();
    ensure!(wanted == got, "LINE has {got:?}, and {wanted:?} were made");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use MessageState::{Accepted, Cancelled, Queued, Uncertain};

    #[test]
    fn every_way_to_be_wrong_is_seen() {
        let start = DateTime::from_timestamp(1_795_000_000, 0).unwrap();
        let other = start + TimeDelta::minutes(1);
        let seen = |starts: &[(Timestamp, Ends)], made: &[Made], told: &[(Timestamp, i64)]| {
            let due = |of: Timestamp, late: i64| of - BEFORE + TimeDelta::seconds(late);
            let told: Vec<Told> = told.iter().map(|(of, late)| (text(*of), due(*of, *late))).collect();
            check(starts, made, &told, false).err().map(|problem| problem.to_string()).unwrap_or_default()
        };
        let (once, never, once_at_most) = ([(start, Ends::Once)], [(start, Ends::Never)], [(start, Ends::AtMostOnce)]);
        let (a, moved) = ((start, Accepted), [(start, Ends::Never), (other, Ends::Once)]);
        assert_eq!(seen(&once, &[a], &[(start, 0)]), "");
        assert_eq!(seen(&never, &[], &[]), "");
        assert_eq!(seen(&once_at_most, &[], &[]), "");
        assert_eq!(seen(&once_at_most, &[a], &[(start, 9)]), "");
        assert_eq!(seen(&once_at_most, &[(start, Cancelled)], &[]), "");
        assert_eq!(seen(&moved, &[(other, Accepted)], &[(other, 1)]), "");
        for (seen, what) in [
            (seen(&once, &[], &[]), "0 reminders"),
            (seen(&once, &[a, a], &[(start, 0), (start, 0)]), "2 reminders"),
            (seen(&never, &[a], &[(start, 0)]), "1 reminders"),
            (seen(&once_at_most, &[a, a], &[(start, 0), (start, 0)]), "2 reminders"),
            (seen(&moved, &[a, (other, Accepted)], &[(start, 0), (other, 0)]), "1 reminders"),
            (seen(&once, &[a, (other, Accepted)], &[(start, 0), (other, 0)]), "nobody booked"),
            (seen(&once, &[(start, Queued)], &[]), "QUEUED"),
            (seen(&once, &[(start, Uncertain)], &[]), "UNCERTAIN"),
            (seen(&once, &[(start, Cancelled)], &[]), "CANCELLED"),
            (seen(&once_at_most, &[(start, Cancelled)], &[(start, 0)]), "LINE has"),
            (seen(&once, &[a], &[]), "LINE has []"),
            (seen(&once, &[a], &[(start, 0), (start, 0)]), "LINE has"),
            (seen(&once, &[a], &[(other, 0)]), "LINE has"),
            (seen(&never, &[], &[(start, 0)]), "LINE has"),
            (seen(&once, &[a], &[(start, -1)]), "before its time"),
        ] {
            assert!(seen.contains(what), "{what}: {seen}");
        }
    }
}
