//! Playing: each step at its moment. What a step does is in `deed`, when it comes in `moment`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::deed::Stage;
use super::moment::text;
use super::progress::{Cast, Failure, Progress, State};
use super::{Scenario, Speed, Step};
use crate::clock::ClockTurn;
use crate::platform::Platform;
use crate::state::id::ProviderId;
use crate::state::person::ChatSpec;
use crate::state::world::{ActError, World};

/// Played without waiting, a step's webhooks are given so long to be tried.
const SETTLING: Duration = Duration::from_secs(10);
/// Scenarios remembered at most; older ones are forgotten.
const PLAYS_KEPT: usize = 100;

/// How to play.
#[derive(Clone, Debug)]
pub(crate) struct Wishes {
    pub(crate) speed: Speed,
    /// Every account's webhooks go here, whatever the file says.
    pub(crate) webhook: Option<String>,
    /// Hears of every step, in words.
    pub(crate) told: Option<mpsc::UnboundedSender<String>>,
}

#[derive(Debug)]
struct Play {
    id: String,
    progress: watch::Sender<Progress>,
    stop: CancellationToken,
}

/// The scenarios of a simulator; one is played at a time.
#[derive(Debug, Default)]
pub(crate) struct Plays(Mutex<Vec<Arc<Play>>>);

impl Plays {
    /// How far a scenario is.
    pub(crate) fn progress(&self, id: &str) -> Option<Progress> {
        self.find(id).map(|play| play.progress.borrow().clone())
    }

    /// Stops a scenario at its next step; false when there is none of that name.
    pub(crate) fn stop(&self, id: &str) -> bool {
        self.find(id).is_some_and(|play| {
            play.stop.cancel();
            true
        })
    }

    fn find(&self, id: &str) -> Option<Arc<Play>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().find(|play| play.id == id).cloned()
    }
}

/// Makes the cast and begins to play; the receiver follows. Nothing is made when something of the cast is taken, or another
/// scenario is being played.
pub(crate) fn begin(
    platform: &Arc<Platform>,
    scenario: Scenario,
    wishes: Wishes,
) -> Result<watch::Receiver<Progress>, ActError> {
    let mut plays = platform.plays.0.lock().unwrap_or_else(PoisonError::into_inner);
    if plays.iter().any(|play| play.progress.borrow().state == State::Playing) {
        return Err(ActError::Impossible("a scenario is being played"));
    }
    platform.with(|world, now| free(world, now, &scenario))?;
    let (running, speed) = match wishes.speed {
        Speed::Times(times) => (true, Some(times)),
        Speed::Max => (false, None),
    };
    platform.clock.turn(ClockTurn { running: Some(running), speed, set: scenario.start, advance_ms: None });
    let (id, cast) = platform.with(|world, now| {
        let id = format!("scenario-{}", world.mint.number());
        make(world, now, &scenario, wishes.webhook.as_deref()).map(|cast| (id, cast))
    })?;
    let (steps, cast_shown) = (scenario.steps.len(), cast.clone());
    let first = Progress {
        scenario: id.clone(),
        state: State::Playing,
        steps,
        done: 0,
        failures: Vec::new(),
        cast: cast_shown,
    };
    let (progress, following) = watch::channel(first);
    let play = Arc::new(Play { id, progress, stop: platform.stop.child_token() });
    if plays.len() >= PLAYS_KEPT {
        plays.remove(0);
    }
    plays.push(play.clone());
    platform.tasks.spawn(run(platform.clone(), scenario.steps, play, wishes, cast));
    Ok(following)
}

/// Whether everything the file fixes can still be had.
fn free(world: &World, now: DateTime<Utc>, scenario: &Scenario) -> Result<(), ActError> {
    for (_, spec) in scenario.accounts.values() {
        if spec.channel_id.as_ref().is_some_and(|id| world.accounts.contains_key(id)) {
            return Err(ActError::Impossible("the channel ID of one of the accounts is taken"));
        }
        if spec.access_token.as_ref().is_some_and(|token| world.access_tokens.find(now, token).is_ok()) {
            return Err(ActError::Impossible("the access token of one of the accounts is taken"));
        }
    }
    if scenario.people.keys().any(|person| world.people.contains_key(person)) {
        return Err(ActError::Impossible("there is a person of one of these names already"));
    }
    Ok(())
}

fn make(world: &mut World, now: DateTime<Utc>, scenario: &Scenario, webhook: Option<&str>) -> Result<Cast, ActError> {
    let mut providers: std::collections::BTreeMap<&str, ProviderId> = std::collections::BTreeMap::new();
    for (key, name) in &scenario.providers {
        providers.insert(key, world.add_provider(name.clone()));
    }
    let mut cast = Cast::default();
    for (name, (provider, spec)) in &scenario.accounts {
        let provider = providers.get(provider.as_str()).ok_or(ActError::Unknown("provider"))?;
        let mut spec = spec.clone();
        spec.webhook_url = webhook.map(str::to_owned).or(spec.webhook_url);
        cast.accounts.insert(name.clone(), world.add_account(now, provider, spec)?);
    }
    for (id, spec) in &scenario.people {
        world.add_person_called(id.clone(), spec.clone())?;
        cast.people.push(id.clone());
    }
    for (name, chat) in &scenario.chats {
        let spec = ChatSpec { kind: chat.kind, name: chat.name.clone(), members: chat.members.clone() };
        let id = world.add_chat(spec)?;
        let account = chat.account.as_ref().and_then(|account| cast.accounts.get(account));
        if let (Some(made), Some(account)) = (world.chats.get_mut(&id), account) {
            made.account = Some(account.channel_id.clone());
        }
        cast.chats.insert(name.clone(), id);
    }
    Ok(cast)
}

async fn run(platform: Arc<Platform>, steps: Vec<Step>, play: Arc<Play>, wishes: Wishes, cast: Cast) {
    let start = platform.clock.now();
    let mut stage = Stage::new(platform.clone(), cast);
    let tell = |words: String| wishes.told.as_ref().is_none_or(|told| told.send(words).is_ok());
    for step in steps {
        let moment = start + step.at;
        let come = async {
            match wishes.speed {
                Speed::Times(_) => platform.clock.sleep_until(moment).await,
                Speed::Max if platform.clock.now() < moment => {
                    platform.clock.turn(ClockTurn { set: Some(moment), ..ClockTurn::default() });
                }
                Speed::Max => {}
            }
            stage.carry_out(&step).await
        };
        let Some(outcome) = play.stop.run_until_cancelled(come).await else { break };
        let told = format!("+{} {}", text(step.at), step.deed);
        match &outcome {
            Ok(()) => tell(told),
            Err(reason) => tell(format!("{told}: FAILED, line {}: {reason}", step.line)),
        };
        if wishes.speed == Speed::Max && !is_held(&platform) {
            platform.mailroom.settle(SETTLING).await;
        }
        play.progress.send_modify(|progress| {
            progress.done += 1;
            let at_ms = step.at.num_milliseconds();
            progress.failures.extend(outcome.err().map(|reason| Failure { line: step.line, at_ms, reason }));
        });
    }
    platform.clock.turn(ClockTurn { running: Some(true), speed: Some(1), ..ClockTurn::default() });
    play.progress.send_modify(|progress| {
        progress.state = match (progress.done < progress.steps, progress.failures.is_empty()) {
            (true, _) => State::Stopped,
            (false, true) => State::Passed,
            (false, false) => State::Failed,
        };
    });
}

/// Whether webhooks are kept back on purpose, so that waiting for them would be in vain.
fn is_held(platform: &Arc<Platform>) -> bool {
    platform.with(|world, _| world.troubles.values().any(|trouble| trouble.hold || trouble.reorder_window > 0))
}
