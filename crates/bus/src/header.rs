//! CloudEvents in NATS headers (<https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/nats-protocol-binding.md>),
//! with `Nats-Msg-Id` for the broker's own de-duplication and W3C `traceparent`.

use async_nats::HeaderMap;
use chrono::{SecondsFormat, SubsecRound as _};
use kernel::{EventHeader, TenantId, Timestamp, TraceParent};
use uuid::Uuid;

use crate::publish::Again;

const ID: &str = "ce-id";
const KIND: &str = "ce-type";
const SOURCE: &str = "ce-source";
const TIME: &str = "ce-time";
const TENANT: &str = "ce-tenant";
const SPEC_VERSION: &str = "ce-specversion";
const TRACE: &str = "traceparent";
/// The rebuild an event is published again for; consumers take it once for each.
const REBUILD: &str = "tsunagi-rebuild";
/// The digits of a second that an event's time has, as written here and as Postgres keeps it.
const MICROSECONDS: u16 = 6;
/// No value we write is longer; a longer one is not ours.
const LONGEST: usize = 256;

/// Headers that do not describe an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// A header that every event has is not there.
    #[error("header {0} is missing")]
    Missing(&'static str),
    /// A header cannot be understood.
    #[error("header {0} is malformed")]
    Malformed(&'static str),
}

/// The NATS headers of an event.
///
/// # Errors
/// When a value is empty, longer than 256 bytes or not printable ASCII: an ID may come from outside.
pub fn write(header: &EventHeader) -> Result<HeaderMap, HeaderError> {
    let mut map = HeaderMap::new();
    let time = header.time.to_rfc3339_opts(SecondsFormat::Micros, true);
    let tenant = header.tenant.map(|tenant| tenant.to_string());
    for (name, value) in [
        (ID, Some(header.id.as_str())),
        (KIND, Some(header.kind.as_str())),
        (SOURCE, Some(header.source.as_str())),
        (TIME, Some(time.as_str())),
        (SPEC_VERSION, Some("1.0")),
        (TENANT, tenant.as_deref()),
        (TRACE, header.trace.as_ref().map(TraceParent::as_str)),
    ] {
        let Some(value) = value else { continue };
        if !is_sound(value) {
            return Err(HeaderError::Malformed(name));
        }
        map.insert(name, value);
    }
    map.insert(async_nats::header::NATS_MESSAGE_ID, header.id.as_str());
    Ok(map)
}

/// The NATS headers of an event that is published once more: the event stays the same, the message is another.
///
/// # Errors
/// As [`write`].
pub(crate) fn write_again(header: &EventHeader, again: Again) -> Result<HeaderMap, HeaderError> {
    let mut map = write(header)?;
    let round = match again {
        Again::Redrive(round) => round,
        Again::Rebuild(rebuild) => {
            map.insert(REBUILD, rebuild.to_string());
            rebuild
        }
    };
    map.insert(async_nats::header::NATS_MESSAGE_ID, format!("{round}/{}", header.id));
    Ok(map)
}

/// The rebuild a message was published for; none for every other, also for one whose header is malformed.
pub(crate) fn rebuild(map: &HeaderMap) -> Option<Uuid> {
    text(map, REBUILD).ok().and_then(|text| Uuid::try_parse(&text).ok())
}

/// The event that NATS headers describe, its time to the microsecond. A `traceparent` that cannot be understood is passed over, as its specification says.
///
/// # Errors
/// When a header is missing, or its value is empty, longer than 256 bytes or not printable ASCII.
pub fn read(map: &HeaderMap) -> Result<EventHeader, HeaderError> {
    Ok(EventHeader {
        id: text(map, ID)?,
        kind: text(map, KIND)?,
        source: text(map, SOURCE)?,
        time: chrono::DateTime::parse_from_rfc3339(&text(map, TIME)?)
            .map(|time| Timestamp::from(time).trunc_subsecs(MICROSECONDS))
            .map_err(|_| HeaderError::Malformed(TIME))?,
        tenant: match text(map, TENANT) {
            Ok(text) => Some(text.parse::<TenantId>().map_err(|_| HeaderError::Malformed(TENANT))?),
            Err(HeaderError::Missing(_)) => None,
            Err(error) => return Err(error),
        },
        trace: text(map, TRACE).ok().and_then(|text| text.parse::<TraceParent>().ok()),
    })
}

fn text(map: &HeaderMap, name: &'static str) -> Result<String, HeaderError> {
    let value = map.get(name).ok_or(HeaderError::Missing(name))?.as_str();
    if is_sound(value) { Ok(value.to_owned()) } else { Err(HeaderError::Malformed(name)) }
}

fn is_sound(value: &str) -> bool {
    !value.is_empty() && value.len() <= LONGEST && value.bytes().all(|b| b.is_ascii_graphic())
}

/// Headers as lines of `name: value`, to keep a message aside as it came. A control character, which Postgres could not keep,
/// becomes `?`.
#[must_use]
pub fn to_lines(map: &HeaderMap) -> String {
    let mut lines: Vec<String> = map
        .iter()
        .flat_map(|(name, values)| values.iter().map(move |value| format!("{name}: {}\n", kept(value.as_str()))))
        .collect();
    lines.sort();
    lines.concat()
}

/// A text from outside as Postgres can keep it: each control character becomes `?`.
#[must_use]
pub fn kept(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// The headers that [`to_lines`] wrote. Lines it would not write are passed over.
#[must_use]
pub fn from_lines(lines: &str) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines.lines().filter_map(|line| line.split_once(": ")) {
        if let (Ok(name), Ok(value)) =
            (name.parse::<async_nats::HeaderName>(), value.parse::<async_nats::HeaderValue>())
        {
            map.append(name, value);
        }
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn header() -> impl Strategy<Value = EventHeader> {
        let time = (0i64..4_102_444_800_000_000).prop_map(|micros| Timestamp::from_timestamp_micros(micros).unwrap());
        let trace = (1u128.., 1u64..).prop_map(|(trace, span)| format!("00-{trace:032x}-{span:016x}-01").parse().ok());
        ("[!-~]{1,64}", "[a-zA-Z.]{1,60}", "[a-z-]{1,30}", time, any::<Option<u128>>(), trace).prop_map(
            |(id, kind, source, time, tenant, trace)| EventHeader {
                id,
                kind,
                source,
                time,
                tenant: tenant.map(|tenant| Uuid::from_u128(tenant).into()),
                trace,
            },
        )
    }

    proptest! {
        #[test]
        fn every_event_header_survives_the_wire_and_the_lines(header in header()) {
            let map = write(&header).unwrap();
            prop_assert_eq!(read(&map), Ok(header.clone()));
            prop_assert_eq!(map.get("Nats-Msg-Id").map(|id| id.as_str().to_owned()), Some(header.id.clone()));
            prop_assert_eq!(read(&from_lines(&to_lines(&map))), Ok(header));
        }

        #[test]
        fn an_event_published_again_is_the_same_event_in_another_message(header in header(), round: u128) {
            let round = Uuid::from_u128(round);
            for again in [Again::Redrive(round), Again::Rebuild(round)] {
                let map = write_again(&header, again).unwrap();
                prop_assert_eq!(read(&map), Ok(header.clone()));
                let message = map.get("Nats-Msg-Id").map(|id| id.as_str().to_owned());
                prop_assert_eq!(message, Some(format!("{round}/{}", header.id)));
                let kept = from_lines(&to_lines(&map));
                prop_assert_eq!(rebuild(&kept), (again == Again::Rebuild(round)).then_some(round));
            }
            prop_assert_eq!(rebuild(&write(&header).unwrap()), None);
        }

        #[test]
        fn no_lines_break_the_reader(lines in ".{0,200}") {
            let _ = read(&from_lines(&lines));
        }
    }

    #[test]
    fn an_id_from_outside_cannot_smuggle_a_header() {
        let mut header = EventHeader {
            id: "1\r\nNats-Rollup: all".to_owned(),
            kind: "t".to_owned(),
            source: "s".to_owned(),
            time: Timestamp::UNIX_EPOCH,
            tenant: None,
            trace: None,
        };
        assert_eq!(write(&header), Err(HeaderError::Malformed("ce-id")));
        header.id = "x".repeat(257);
        assert_eq!(write(&header), Err(HeaderError::Malformed("ce-id")));
    }

    #[test]
    fn a_value_postgres_could_not_keep_is_malformed_and_set_aside_without_it() {
        let mut map = HeaderMap::new();
        map.insert(ID, "a\u{0}b");
        assert_eq!(read(&map), Err(HeaderError::Malformed("ce-id")));
        assert_eq!(to_lines(&map), "ce-id: a?b\n");
    }

    #[test]
    fn what_is_missing_is_named_and_a_bad_trace_is_passed_over() {
        let mut map = HeaderMap::new();
        assert_eq!(read(&map), Err(HeaderError::Missing("ce-id")));
        for (name, value) in [("ce-id", "1"), ("ce-type", "t"), ("ce-source", "s"), ("ce-time", "yesterday")] {
            map.insert(name, value);
        }
        assert_eq!(read(&map), Err(HeaderError::Malformed("ce-time")));
        map.insert("ce-time", "2026-11-21T00:00:00Z");
        map.insert("traceparent", "00-0-0-0");
        assert_eq!(read(&map).map(|header| (header.tenant, header.trace)), Ok((None, None)));
        map.insert("ce-tenant", "nobody");
        assert_eq!(read(&map), Err(HeaderError::Malformed("ce-tenant")));
    }
}
