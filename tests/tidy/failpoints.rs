//! A kill run can only kill at places that are in the code: a place that was renamed would be passed over unseen.

use tests::chaos::PLACES;

use crate::assert_none;
use crate::source::files;

fn unknown<'a>(places: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let shipped: Vec<String> = files().iter().filter(|file| file.ships()).map(|file| file.text.clone()).collect();
    let missing = |place: &str| !shipped.iter().any(|text| text.contains(&format!("reached(\"{place}\")")));
    places.into_iter().filter(|place| missing(place)).map(str::to_owned).collect()
}

#[test]
fn every_place_of_the_kill_runs_is_in_the_code() {
    assert_none("places that are not in the code", &unknown(PLACES.map(|(_, place)| place)));
}

#[test]
fn a_place_that_is_gone_is_seen() {
    assert_eq!(unknown(["messaging.before_call", "messaging.before_lunch"]), ["messaging.before_lunch"]);
}
