use super::*;
use crate::{NamePart, Reading};

fn name(family: &str, given: &str, family_reading: &str, given_reading: &str) -> NameKeys {
    let part = |text: &str| NamePart::optional(text).unwrap();
    let reading = |text: &str| Reading::optional(text).unwrap();
    let name = PersonName::new(part(family), part(given), reading(family_reading), reading(given_reading));
    NameKeys::of(&name.unwrap())
}

#[test]
fn a_name_is_found_however_it_is_typed() {
    let record = name("高橋", "花子", "たかはし", "はなこ");
    for (typed, likeness) in [
        ("高橋　花子", Likeness::Same),
        ("タカハシ ハナコ", Likeness::Reading),
        ("髙橋花子", Likeness::Variant),
        ("高橋 桃子", Likeness::Other),
    ] {
        assert_eq!(name(typed, "", "", "").likeness(&record), likeness, "{typed}");
        assert_eq!(record.likeness(&name(typed, "", "", "")), likeness, "{typed}");
    }
}
