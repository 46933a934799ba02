//! `tsunagi replay start`: what it would publish is shown first, then it is started once somebody says so, and watched to its end.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Arg, ArgAction, ArgMatches, Command};
use contracts::ingest::v1::replay_service_client::ReplayServiceClient;
use contracts::ingest::v1::{GetReplayRequest, Replay, ReplayState, StartReplayRequest};
use prost_reflect::DescriptorPool;
use prost_reflect::prost::{Message as _, Name as _};
use tonic::Request;

use super::connection::{self, Connection};
use super::nouns::Verb;
use super::service::Service;
use super::{call, refusal, request};

/// How long counting may take: the whole archive of a tenant is read.
const COUNTED_WITHIN: Duration = Duration::from_mins(5);
/// How often it is looked how far a replay is.
const LOOKED_EVERY: Duration = Duration::from_secs(1);

/// The noun's command with what `start` takes besides its method's fields.
pub(super) fn extended(noun: Command) -> Command {
    noun.mut_subcommand("start", |start| {
        let yes = Arg::new("yes").long("yes").action(ArgAction::SetTrue);
        start
            .mut_arg("validate-only", |flag| flag.visible_alias("dry-run"))
            .arg(yes.help("Start it without asking, once it is counted"))
            .after_help(format!(
                "Prints what it would publish, asks, starts it and shows how far it is until it has ended. \
                 Ctrl-C leaves it running.\n\n{}",
                connection::HELP
            ))
    })
}

/// Counts, asks, starts, and watches.
pub(super) async fn start(pool: &DescriptorPool, verb: &Verb, matches: &ArgMatches) -> anyhow::Result<()> {
    let method = call::method(pool, &format!("tsunagi.{}", verb.method)).context("this version knows no replays")?;
    let asked = request::build(&method, verb, matches)?.encode_to_vec();
    let asked = StartReplayRequest::decode(asked.as_slice())?;
    let ingest = Service::of_package("tsunagi.ingest.v1").context("no such service")?;
    let Connection { client, assertion } = connection::open(matches, ingest)?;
    let with_assertion = |mut request: Request<()>| {
        if let Some(assertion) = &assertion {
            let value = assertion.expose().parse();
            let value = value.map_err(|_| tonic::Status::invalid_argument("TSUNAGI_STAFF_ASSERTION cannot be sent"))?;
            request.metadata_mut().insert("tsunagi-staff-assertion", value);
        }
        Ok(request)
    };
    let mut replays = ReplayServiceClient::with_interceptor(client, with_assertion);

    let counted = patient(StartReplayRequest { validate_only: true, ..asked.clone() });
    let counted = replays.start_replay(counted).await.map_err(|status| refusal::explained(&status))?.into_inner();
    let plan = counted.plan.clone().unwrap_or_default();
    super::print(&call::as_json(method.output(), &counted.encode_to_vec())?)?;
    if asked.validate_only {
        return Ok(());
    }
    if !matches.get_flag("yes") && !is_wanted(plan.event_count)? {
        anyhow::bail!("not started");
    }
    let started = replays.start_replay(patient(asked)).await.map_err(|status| refusal::explained(&status))?;
    let mut replay = started.into_inner().replay.context("the service tells of no replay")?;
    loop {
        eprintln!("{}", standing(&replay));
        match replay.state() {
            ReplayState::Done => break,
            ReplayState::Stopped => anyhow::bail!("the replay {} was stopped", replay.replay_id),
            _ => {}
        }
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {
                eprintln!("The replay goes on. To stop it: tsunagi replay stop --replay-id {}", replay.replay_id);
                return Ok(());
            }
            () = tokio::time::sleep(LOOKED_EVERY) => {}
        }
        let get = GetReplayRequest { replay_id: replay.replay_id.clone() };
        let got = replays.get_replay(patient(get)).await.map_err(|status| refusal::explained(&status))?;
        replay = got.into_inner().replay.context("the service tells of no replay")?;
    }
    let kind = pool.get_message_by_name(&Replay::full_name()).context("this version knows no replays")?;
    super::print(&call::as_json(kind, &replay.encode_to_vec())?)
}

fn patient<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(COUNTED_WITHIN);
    request
}

/// Asks whoever is at the keyboard.
fn is_wanted(events: i64) -> anyhow::Result<bool> {
    let stdin = std::io::stdin();
    anyhow::ensure!(stdin.is_terminal(), "nobody is there to be asked: --yes starts it");
    eprint!("Publish {events} events again? [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// How far a replay is, in a line.
fn standing(replay: &Replay) -> String {
    let word = replay.state().as_str_name().trim_start_matches("REPLAY_STATE_").to_ascii_lowercase();
    let Replay { replay_id, published_count, planned_count, skipped_count, .. } = replay;
    let Replay { waiting_count, renewed_count, kept_count, .. } = replay;
    let waits = if *waiting_count > 0 { format!(", {waiting_count} waited for") } else { String::new() };
    let made = if (*renewed_count, *kept_count) == (0, 0) {
        String::new()
    } else {
        format!(", {renewed_count} friendships made anew, {kept_count} left as they were")
    };
    let came = format!("{published_count} of {planned_count} published, {skipped_count} passed over");
    format!("{replay_id} {word}: {came}{waits}{made}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_a_replay_is_stands_in_a_line() {
        let replay = Replay {
            replay_id: "r".to_owned(),
            state: ReplayState::Running.into(),
            planned_count: 30,
            published_count: 20,
            skipped_count: 1,
            ..Replay::default()
        };
        assert_eq!(standing(&replay), "r running: 20 of 30 published, 1 passed over");
        let waiting = Replay { waiting_count: 3, ..replay.clone() };
        assert_eq!(standing(&waiting), "r running: 20 of 30 published, 1 passed over, 3 waited for");
        let rebuilt =
            Replay { state: ReplayState::Done.into(), published_count: 29, renewed_count: 4, kept_count: 2, ..replay };
        let line = "r done: 29 of 30 published, 1 passed over, 4 friendships made anew, 2 left as they were";
        assert_eq!(standing(&rebuilt), line);
    }
}
