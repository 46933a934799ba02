//! What the simulator sends, as webhook-ingest reads it: every event of LINE's OpenAPI file, and the recorded day.

// LINE's OpenAPI files, read and sampled as line-types' own tests do.
#[expect(dead_code, reason = "line-types' tests ask for more of it")]
#[path = "../../crates/line-types/tests/openapi/schema.rs"]
mod schema;

use bytes::Bytes;
use line_simulator::recording::{Recording, SALON_DAY};
use serde_json::json;
use webhook_ingest_core::read;

#[test]
fn every_event_and_the_recorded_day_are_accepted_by_webhook_ingest() {
    let file = schema::Document::read("webhook.yml");
    let mut bodies = Vec::new();
    for (kind, mut event) in file.variants("Event") {
        event["type"] = json!(kind);
        bodies.push(json!({ "destination": schema::USER, "events": [event.clone()] }).to_string());
        for (content, mut sample) in file.variants("MessageContent") {
            sample["type"] = json!(content);
            event["message"] = sample;
            bodies.push(json!({ "destination": schema::USER, "events": [event.clone()] }).to_string());
        }
    }
    assert!(bodies.len() >= 19 * 8);
    let day = Recording::read(SALON_DAY).expect("the shipped day is a recording");
    bodies.extend(day.deliveries.into_iter().map(|delivery| delivery.body));
    for body in bodies {
        let reading = read(&Bytes::from(body.clone())).unwrap_or_else(|_| panic!("{body}"));
        assert_eq!((reading.events.len(), reading.faulty), (1, 0), "{body}");
    }
}
