//! The steps of the timeline: each has one moment and one deed.

mod writing;

use chrono::TimeDelta;
use serde_saphyr::Spanned;

use super::names::Names;
use super::{Faults, in_order, line_of};
use crate::clock::{ClockTurn, MAX_SPEED};
use crate::scenario::expectation::{Expectation, Expected, Recipient, Words};
use crate::scenario::file::{ClockFile, Does, ExpectFile, FaultFile, GroupDeed, StepFile, WebhooksFile};
use crate::scenario::moment::{When, length, moments};
use crate::scenario::{Actor, Deed, Step};
use crate::state::act::Act;
use crate::state::fault::Fault;
use crate::state::id::PersonId;
use crate::state::writing::Writing;

const LENGTH: &str = "a length of time is like 5s, 1m30s or 250ms, at most a year";
/// How long an expectation waits where the file does not say.
const PATIENCE: TimeDelta = TimeDelta::seconds(5);
const LONGEST_PATIENCE: TimeDelta = TimeDelta::minutes(10);

/// The steps in the order of their moments.
pub(super) fn timeline(timeline: Vec<Spanned<StepFile>>, names: &Names, faults: &mut Faults) -> Vec<Step> {
    let whens: Vec<When> = timeline
        .iter()
        .map(|step| faults.take(Some(line_of(step)), when(&step.value)).unwrap_or(When::After(TimeDelta::zero())))
        .collect();
    let mut steps = Vec::with_capacity(timeline.len());
    for (step, at) in timeline.into_iter().zip(moments(whens)) {
        let line = line_of(&step);
        let name = step.value.name.clone();
        if let Some(deed) = faults.take(Some(line), deed(step.value, names)) {
            steps.push(Step { line, at, name, deed });
        }
    }
    in_order(steps)
}

fn when(step: &StepFile) -> Result<When, String> {
    match (&step.at, &step.after) {
        (Some(_), Some(_)) => Err("at, after: one of the two".to_owned()),
        (Some(at), None) => length(at).map(When::At).ok_or_else(|| format!("at: {LENGTH}")),
        (None, Some(after)) => length(after).map(When::After).ok_or_else(|| format!("after: {LENGTH}")),
        (None, None) => Ok(When::After(TimeDelta::zero())),
    }
}

/// The deeds a step names.
fn named(step: &StepFile) -> Vec<&'static str> {
    let deeds = [
        ("does", step.does.is_some()),
        ("writes", step.writes.is_some()),
        ("sends", step.sends.is_some()),
        ("edits", step.edits.is_some()),
        ("unsends", step.unsends.is_some()),
        ("postback", step.postback.is_some()),
        ("taps", step.taps.is_some()),
        ("opens", step.opens.is_some()),
        ("taps_menu", step.taps_menu.is_some()),
        ("watches", step.watches.is_some()),
        ("beacon", step.beacon.is_some()),
        ("membership", step.membership.is_some()),
        ("group", step.group.is_some()),
        ("event", step.event.is_some()),
        ("fault", step.fault.is_some()),
        ("end_fault", step.end_fault.is_some()),
        ("clear_faults", step.clear_faults.is_some()),
        ("delivery", step.delivery.is_some()),
        ("settings", step.settings.is_some()),
        ("clock", step.clock.is_some()),
        ("expect", step.expect.is_some()),
    ];
    deeds.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect()
}

/// The deeds of a person.
const PERSONAL: [&str; 12] = [
    "does",
    "writes",
    "sends",
    "edits",
    "unsends",
    "postback",
    "taps",
    "opens",
    "taps_menu",
    "watches",
    "beacon",
    "membership",
];

fn deed(step: StepFile, names: &Names) -> Result<Deed, String> {
    let given = named(&step);
    let &[only] = given.as_slice() else {
        return Err(match given.as_slice() {
            [] => "a step does something: writes, sends, taps, expect and so on; this one does nothing".to_owned(),
            several => format!("a step does one thing; this one names {}", several.join(", ")),
        });
    };
    if step.extra.is_some() && only != "writes" {
        return Err("extra: goes with `writes`".to_owned());
    }
    if PERSONAL.contains(&only) {
        return personal(step, names);
    }
    if step.person.is_some() || step.standby {
        return Err(format!("person, standby: `{only}` is nobody's act"));
    }
    if step.chat.is_some() && only != "group" {
        return Err(format!("chat: does not go with `{only}`"));
    }
    if step.account.is_some() && !["event", "fault", "delivery", "settings", "expect"].contains(&only) {
        return Err(format!("account: does not go with `{only}`"));
    }
    without_a_person(step, names)
}

fn personal(step: StepFile, names: &Names) -> Result<Deed, String> {
    let person = step.person.as_deref().ok_or("person: who does it?")?;
    let actor = Actor {
        person: names.person("person", person)?,
        account: names.account(step.account.as_deref())?,
        chat: step.chat.as_deref().map(|chat| names.chat("chat", chat)).transpose()?,
        standby: step.standby,
    };
    let act = if let Some(does) = step.does {
        match does {
            Does::AddFriend => Act::AddFriend { quiet: false },
            Does::AlreadyAFriend => Act::AddFriend { quiet: true },
            Does::Block => Act::Block,
            Does::Unblock => Act::Unblock,
            Does::LeaveLine => return Ok(Deed::Leave(actor.person)),
        }
    } else if let Some(text) = step.writes {
        Act::Write(Writing::Text { text, extra: step.extra.map(serde_json::Value::Object) })
    } else if let Some(sends) = step.sends {
        Act::Write(writing::of(sends)?)
    } else if let Some(edit) = step.edits {
        return Ok(Deed::Edit(actor, edit.message, edit.text));
    } else if let Some(message) = step.unsends {
        return Ok(Deed::Unsend(actor, message));
    } else if let Some(postback) = step.postback {
        Act::Postback { data: postback.data, params: postback.params }
    } else if let Some(label) = step.taps {
        return Ok(Deed::Tap { actor, label, open: false });
    } else if let Some(label) = step.opens {
        return Ok(Deed::Tap { actor, label, open: true });
    } else if let Some(area) = step.taps_menu {
        Act::TapRichMenu { area }
    } else if let Some(tracking_id) = step.watches {
        Act::FinishVideo { tracking_id }
    } else if let Some(beacon) = step.beacon {
        Act::Beacon { hwid: beacon.hwid, kind: beacon.kind, dm: beacon.dm }
    } else if let Some(membership) = step.membership {
        Act::Membership { kind: membership.kind, membership_id: membership.id }
    } else {
        return Err("a step does something".to_owned());
    };
    Ok(Deed::Act(actor, act))
}

fn without_a_person(step: StepFile, names: &Names) -> Result<Deed, String> {
    let account = || names.account(step.account.as_deref());
    if let Some(group) = step.group {
        let chat = names.chat("chat", step.chat.as_deref().ok_or("chat: which one?")?)?;
        let people = |listed: Vec<String>| {
            let people = listed.iter().map(|name| names.person("group", name));
            people.collect::<Result<Vec<PersonId>, String>>()
        };
        return Ok(match group {
            GroupDeed::Invites(account) => Deed::Invite { chat, account: names.account(Some(&account))? },
            GroupDeed::Removes(account) => {
                names.account(Some(&account))?;
                Deed::Remove { chat }
            }
            GroupDeed::Joined(listed) => Deed::Come { chat, people: people(listed)? },
            GroupDeed::Left(listed) => Deed::Go { chat, people: people(listed)? },
        });
    }
    if let Some(event) = step.event {
        if !event.get("type").is_some_and(serde_json::Value::is_string) {
            return Err("event: needs a type".to_owned());
        }
        return Ok(Deed::Event { account: account()?, event });
    }
    if let Some(file) = step.fault {
        let account = step.account.as_deref().map(|name| names.account(Some(name))).transpose()?;
        return Ok(Deed::Fault { account, fault: fault(file)? });
    }
    if let Some(name) = step.end_fault {
        return Ok(Deed::EndFault(name));
    }
    if let Some(clear) = step.clear_faults {
        return if clear { Ok(Deed::ClearFaults) } else { Err("clear_faults: only `true` says something".to_owned()) };
    }
    if let Some(trouble) = step.delivery {
        trouble.check().map_err(|range| format!("delivery.{range}"))?;
        return Ok(Deed::Delivery { account: account()?, trouble });
    }
    if let Some(settings) = step.settings {
        return Ok(Deed::Settings { account: account()?, settings });
    }
    if let Some(clock) = step.clock {
        return Ok(Deed::Clock(turn(clock)?));
    }
    expectation(step.expect.unwrap_or_default(), step.account.as_deref(), names).map(Deed::Expect)
}

fn fault(file: FaultFile) -> Result<Fault, String> {
    let fault = Fault {
        account: None,
        endpoint: file.endpoint,
        effect: file.effect,
        skip: file.skip,
        times: file.times,
        probability: file.probability.unwrap_or(1.0),
    };
    fault.check().map_err(|wrong| format!("fault.{wrong}"))?;
    Ok(fault)
}

fn turn(clock: ClockFile) -> Result<ClockTurn, String> {
    let advance =
        clock.advance.map(|text| length(&text).ok_or_else(|| format!("clock.advance: {LENGTH}"))).transpose()?;
    let advance_ms = advance.map(|by| by.num_milliseconds());
    if clock.speed.is_some_and(|speed| !(1..=MAX_SPEED).contains(&speed)) {
        return Err(format!("clock.speed: 1 to {MAX_SPEED}"));
    }
    Ok(ClockTurn { speed: clock.speed, advance_ms, ..ClockTurn::default() })
}

fn expectation(expect: ExpectFile, account: Option<&str>, names: &Names) -> Result<Expectation, String> {
    let within =
        expect.within.map(|text| length(&text).ok_or_else(|| format!("expect.within: {LENGTH}"))).transpose()?;
    let within = within.unwrap_or(PATIENCE);
    if within > LONGEST_PATIENCE {
        return Err("expect.within: at most 10m".to_owned());
    }
    let within = within.to_std().unwrap_or_default();
    let words = match (expect.text, expect.contains) {
        (Some(_), Some(_)) => return Err("expect.text, expect.contains: one of the two".to_owned()),
        (Some(text), None) => Words::Exactly(text),
        (None, Some(part)) => Words::Containing(part),
        (None, None) => Words::Any,
    };
    match (expect.to, expect.webhooks) {
        (Some(to), None) => {
            let to = if names.is_person(&to) {
                Recipient::Person(names.person("expect.to", &to)?)
            } else {
                let chat = names.chat("expect.to", &to);
                Recipient::Chat(chat.map_err(|_| format!("expect.to: there is no person or chat `{to}`"))?)
            };
            Ok(Expectation { what: Expected::Message { account: names.account(account)?, to, words }, within })
        }
        (None, Some(WebhooksFile::Answered)) if words == Words::Any => {
            Ok(Expectation { what: Expected::WebhooksAnswered, within })
        }
        (None, Some(WebhooksFile::Answered)) => Err("expect: webhooks have no text".to_owned()),
        _ => Err("expect: either `to`, a message to somebody, or `webhooks: answered`".to_owned()),
    }
}
