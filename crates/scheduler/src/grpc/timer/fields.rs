//! The fields that requests about timers have in common, and timers as they are told.

use chassis::request::fields::Fields;
use contracts::scheduler::v1::{LateMode, LatePolicy as WirePolicy, Timer as WireTimer};
use contracts::timestamp;
use kernel::Timestamp;
use scheduler_core::timer::{LatePolicy, Timer};
use scheduler_core::{CallerName, Key, LateFor, Owner, Unfit};

/// The owner a program names as its own.
pub(super) fn owner(fields: &mut Fields, text: &str) -> Option<Owner> {
    fields.take("owner", CallerName::parse(text)).map(Owner::Caller)
}

/// What keys begin with.
pub(super) fn prefix(fields: &mut Fields, text: &str) -> Option<()> {
    let fits = text.len() <= Key::LONGEST && !text.contains('\0');
    fields.take("key_prefix", if fits { Ok(()) } else { Err("is longer than 200 bytes, or holds U+0000") })
}

/// A moment that must be given.
pub(super) fn due(fields: &mut Fields, field: &str, wire: Option<&prost_types::Timestamp>) -> Option<Timestamp> {
    let due = fields.optional_time(field, wire)?;
    fields.take(field, due.ok_or("is required"))
}

/// A policy; none where it was left out.
#[expect(clippy::option_option, reason = "wrong, left out and given are three things")]
pub(super) fn policy(fields: &mut Fields, field: &str, wire: Option<&WirePolicy>) -> Option<Option<LatePolicy>> {
    let Some(wire) = wire else { return Some(None) };
    let (mode, late_for) = (mode(fields, field, wire.mode), late_for(fields, field, wire));
    let merges = mode == Some(LateMode::Merge);
    let merge_key = if merges {
        fields.take(&format!("{field}.merge_key"), Key::parse(&wire.merge_key)).map(Some)
    } else {
        let left_out = if wire.merge_key.is_empty() { Ok(()) } else { Err("is for LATE_MODE_MERGE alone") };
        fields.take(&format!("{field}.merge_key"), left_out).map(|()| None)
    };
    if mode == Some(LateMode::Always) && wire.late_for.is_some() {
        fields.wrong(&format!("{field}.late_for"), "is not for LATE_MODE_ALWAYS");
    }
    let (mode, late_for, merge_key) = (mode?, late_for?, merge_key?);
    Some(Some(match (mode, merge_key) {
        (LateMode::Always, _) => LatePolicy::Late,
        (LateMode::Skip, _) => LatePolicy::Skip { after: late_for },
        (LateMode::Merge, Some(into)) => LatePolicy::Merge { into, up_to: late_for },
        (LateMode::Unspecified | LateMode::UpTo | LateMode::Merge, _) => LatePolicy::LateUpTo(late_for),
    }))
}

fn mode(fields: &mut Fields, field: &str, wire: i32) -> Option<LateMode> {
    fields.take(&format!("{field}.mode"), LateMode::try_from(wire).map_err(|_| "does not exist"))
}

fn late_for(fields: &mut Fields, field: &str, wire: &WirePolicy) -> Option<LateFor> {
    let field = format!("{field}.late_for");
    let Some(chosen) = fields.optional_duration(&field, wire.late_for.as_ref())? else { return Some(LateFor::HOUR) };
    let chosen = chosen.to_std().map_err(|_| Unfit("is negative")).and_then(LateFor::parse);
    fields.take(&field, chosen)
}

/// A timer as it is told.
pub(super) fn tell(timer: &Timer) -> WireTimer {
    WireTimer {
        owner: timer.owner.as_str().to_owned(),
        key: timer.key.as_str().to_owned(),
        generation: timer.generation,
        due_time: Some(timestamp(timer.due)),
        late_policy: Some(tell_policy(&timer.policy)),
    }
}

fn tell_policy(policy: &LatePolicy) -> WirePolicy {
    let mode = match policy {
        LatePolicy::Late => LateMode::Always,
        LatePolicy::LateUpTo(_) => LateMode::UpTo,
        LatePolicy::Skip { .. } => LateMode::Skip,
        LatePolicy::Merge { .. } => LateMode::Merge,
    };
    let late_for =
        policy.late_for().map(|late_for| prost_types::Duration { seconds: late_for.seconds().into(), nanos: 0 });
    let merge_key = policy.merges_into().map(|key| key.as_str().to_owned()).unwrap_or_default();
    WirePolicy { mode: mode.into(), late_for, merge_key }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tonic_types::StatusExt as _;

    fn wrong(wire: &WirePolicy) -> Vec<String> {
        let mut fields = Fields::new();
        assert_eq!(policy(&mut fields, "late_policy", Some(wire)), None);
        let refusal = fields.all(|| Some(())).unwrap_err();
        let told = refusal.get_details_bad_request().unwrap().field_violations;
        told.into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn what_does_not_belong_to_a_policy_is_refused() {
        let duration = |seconds, nanos| Some(prost_types::Duration { seconds, nanos });
        let of = |mode: LateMode, late_for, merge_key: &str| WirePolicy {
            mode: mode.into(),
            late_for,
            merge_key: merge_key.to_owned(),
        };
        assert_eq!(wrong(&WirePolicy { mode: 9, ..Default::default() }), ["late_policy.mode"]);
        assert_eq!(wrong(&of(LateMode::Merge, None, "")), ["late_policy.merge_key"]);
        assert_eq!(
            wrong(&of(LateMode::Merge, duration(-1, 0), "a b")),
            ["late_policy.late_for", "late_policy.merge_key"]
        );
        assert_eq!(wrong(&of(LateMode::Skip, duration(1, 1), "")), ["late_policy.late_for"]);
        assert_eq!(
            wrong(&of(LateMode::UpTo, duration(367 * 86_400, 0), "k")),
            ["late_policy.late_for", "late_policy.merge_key"]
        );
    }

    #[test]
    fn a_limit_for_what_has_none_is_refused() {
        let wire = WirePolicy {
            mode: LateMode::Always.into(),
            late_for: Some(prost_types::Duration { seconds: 5, nanos: 0 }),
            merge_key: String::new(),
        };
        let mut fields = Fields::new();
        policy(&mut fields, "late_policy", Some(&wire));
        assert!(fields.all(|| Some(())).is_err());
    }

    proptest! {
        #[test]
        fn a_policy_survives_the_wire(code in 1i16..5, seconds in 0i32..31_622_400, into in "[a-z]{1,9}") {
            let kept = LatePolicy::from_code(code, LateFor::from_seconds(seconds), Key::parse(&into).ok());
            let mut fields = Fields::new();
            let read = policy(&mut fields, "late_policy", Some(&tell_policy(&kept)));
            prop_assert_eq!(fields.all(|| read).unwrap(), Some(kept));
        }
    }
}
