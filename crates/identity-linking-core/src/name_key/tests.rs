//! Names as they are typed, and how near they are.

use super::*;
use crate::{NamePart, Reading};
use proptest::prelude::*;

fn name(family: &str, given: &str, family_reading: &str, given_reading: &str) -> NameKeys {
    let part = |text: &str| NamePart::optional(text).unwrap();
    let reading = |text: &str| Reading::optional(text).unwrap();
    let name = PersonName::new(part(family), part(given), reading(family_reading), reading(given_reading));
    NameKeys::of(&name.unwrap())
}

fn typed(whole: &str) -> NameKeys {
    name(whole, "", "", "")
}

#[test]
fn a_name_is_found_however_it_is_typed() {
    use Likeness::{Other, Reading, Same, Variant};
    #[rustfmt::skip]
    let table = [
        // The record, with its readings; what is typed; how near that is.
        (("高橋", "花子", "たかはし", "はなこ"), "高橋花子", Same),
        (("高橋", "花子", "たかはし", "はなこ"), " 高橋\u{3000}花子 ", Same),
        (("高橋", "花子", "たかはし", "はなこ"), "高\u{200B}橋\u{00A0}花子", Same),
        (("高橋", "花子", "たかはし", "はなこ"), "タカハシ ハナコ", Reading),
        (("高橋", "花子", "たかはし", "はなこ"), "ﾀｶﾊｼﾊﾅｺ", Reading),
        (("高橋", "花子", "たかはし", "はなこ"), "たかはし・はなこ", Reading),
        (("高橋", "花子", "たかはし", "はなこ"), "髙橋花子", Variant),
        (("高橋", "花子", "たかはし", "はなこ"), "高橋桃子", Other),
        (("高橋", "花子", "たかはし", "はなこ"), "たかはし 花子", Other),
        (("高橋", "花子", "たかはし", "はなこ"), "高橋", Other),
        (("高橋", "花子", "たかはし", ""), "たかはし", Other),
        (("高橋", "はなこ", "たかはし", ""), "タカハシハナコ", Reading),
        (("さとう", "じゅん", "", ""), "サトウ　ジュン", Same),
        (("佐藤", "淳子", "サトウ", "ジユンコ"), "さとうじゅんこ", Variant),
        (("三木", "みづき", "", ""), "三木ミズキ", Variant),
        (("渡邉", "禮", "", ""), "渡辺 礼", Variant),
        (("辻\u{E0101}", "葛\u{E0100}", "", ""), "辻葛", Same),
        (("ジョン", "スミス", "", ""), "じょん・すみす", Same),
        (("サトー", "ユーキ", "", ""), "ｻﾄｰﾕｰｷ", Same),
        (("サトー", "ユーキ", "", ""), "サト−ユ-キ", Same),
        (("ユーキ", "", "", ""), "ユキ", Other),
        (("佐々木", "", "", ""), "佐佐木", Variant),
        (("金子", "みすゞ", "", ""), "金子みすず", Variant),
        (("た゛て", "", "", ""), "ダテ", Same),
        (("Smith", "John", "", ""), "ＳＭＩＴＨ　ＪＯＨＮ", Same),
        (("Smith", "John", "", ""), "John Smith", Other),
        (("O'Brien", "Anne-Marie", "", ""), "O’Brien Anne Marie", Same),
        (("García", "José", "", ""), "Garcia Jose", Variant),
        (("陳", "偉", "", ""), "陈伟", Variant),
        (("ใจดี", "น้ำ", "", ""), "ใจดีนํ้า", Same),
        (("แก้ว", "ดี", "", ""), "เเก้ว ดี", Same),
        (("★★", "", "", ""), "★★", Other),
        (("・・・", "", "", ""), "ーーー", Other),
    ];
    for ((family, given, family_reading, given_reading), text, likeness) in table {
        let record = name(family, given, family_reading, given_reading);
        assert_eq!(typed(text).likeness(&record), likeness, "{family} {given}: {text}");
        assert_eq!(record.likeness(&typed(text)), likeness, "{text}: {family} {given}");
    }
}

#[test]
fn people_whose_names_only_sound_alike_are_not_near() {
    let (one, other) = (name("佐藤", "誠", "さとう", "まこと"), name("佐藤", "真", "さとう", "まこと"));
    assert_eq!(one.likeness(&other), Likeness::Other);
}

#[test]
fn a_reading_is_whole_or_none() {
    let reading = |family: &str, given: &str, family_reading: &str, given_reading: &str| {
        name(family, given, family_reading, given_reading).reading.map(|kana| kana.as_str().to_owned())
    };
    assert_eq!(reading("高橋", "花子", "たかはし", "はなこ").as_deref(), Some("タカハシハナコ"));
    assert_eq!(reading("高橋", "はなこ", "たかはし", "").as_deref(), Some("タカハシハナコ"));
    assert_eq!(reading("高橋 花子", "", "ﾀｶﾊｼ ﾊﾅｺ", "").as_deref(), Some("タカハシハナコ"));
    assert_eq!(reading("高橋", "花子", "たかはし", ""), None);
    assert_eq!(reading("高橋", "花子", "", ""), None);
    assert_eq!(reading("・・", "", "", ""), None);
}

#[test]
fn a_key_is_bounded_and_what_is_longer_matches_nothing() {
    let long = typed(&"\u{FDFA}".repeat(100));
    assert!(long.exact.is_empty() && long.variant.is_empty());
    assert_eq!(long.likeness(&long), Likeness::Other);
    assert_eq!(typed(&"山".repeat(100)).exact.as_str().chars().count(), 100);
}

#[test]
fn a_key_is_found_again_and_hidden() {
    let keys = typed("髙橋");
    assert_eq!(NameKey::kept(keys.exact.as_str().to_owned()), keys.exact);
    assert_eq!(format!("{:?}", keys.exact), "NameKey(..)");
    assert!(!format!("{keys:?}").contains('髙') && !format!("{keys:?}").contains('高'));
}

/// Words of names of many kinds, without what tells no names apart.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        "[高髙橋山崎﨑田辺邊邉佐藤々斎齋花子太郎]{1,4}",
        "[ァ-ヴヽヾ][ァ-ヴー]{0,4}",
        "[A-Za-z]{1,6}",
        "[陳陈偉伟林]{1,3}",
        "[กขคงจดน]{1,4}",
    ]
}

/// One way of typing a letter otherwise without meaning another name.
fn otherwise(c: char, way: u8) -> String {
    match (c, way) {
        ('ァ'..='ヴ' | 'ヽ' | 'ヾ', 1) => char::from_u32(u32::from(c) - 0x60).unwrap().to_string(),
        ('ー', 1) => "ｰ".to_owned(),
        ('ー', 2) => "-".to_owned(),
        ('ー', 3) => "−".to_owned(),
        ('ガ', 2) => "ｶﾞ".to_owned(),
        ('ア', 2) => "ｱ".to_owned(),
        ('ジ', 2) => "シ\u{3099}".to_owned(),
        ('a'..='z' | 'A'..='Z', 1) => char::from_u32(u32::from(c) + 0xFEE0).unwrap().to_string(),
        ('a'..='z', 2) => c.to_uppercase().to_string(),
        ('A'..='Z', 2) => c.to_lowercase().to_string(),
        (_, 4) => format!("{c}\u{200D}"),
        ('\u{4E00}'..='\u{9FFF}', 3) => format!("{c}\u{E0102}"),
        _ => c.to_string(),
    }
}

/// The same name as people type it: one field or two, some gap between words, letters in other forms.
fn retyped(words: &[String], ways: &[u8], gap: &str, split: usize) -> NameKeys {
    let mut ways = ways.iter().cycle();
    let words: Vec<String> =
        words.iter().map(|word| word.chars().map(|c| otherwise(c, *ways.next().unwrap())).collect()).collect();
    let (family, given) = words.split_at(split.min(words.len()));
    name(&family.join(gap), &given.join(gap), "", "")
}

fn gap() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just(""),
        Just(" "),
        Just("\u{3000}"),
        Just("・"),
        Just("･"),
        Just("·"),
        Just(" \u{2009}"),
        Just(" - "),
        Just("'")
    ]
}

proptest! {
    #[test]
    fn width_space_kana_and_split_do_not_change_a_name(
        words in proptest::collection::vec(word(), 1..4),
        ways in proptest::collection::vec(0u8..5, 1..9),
        gap in gap(),
        split in 0usize..4,
    ) {
        let plain = typed(&words.concat());
        let again = retyped(&words, &ways, gap, split);
        prop_assert_eq!(&again, &plain, "{:?} {:?} {} {}", words, ways, gap, split);
        prop_assert_eq!(again.likeness(&plain), Likeness::Same);
        prop_assert_eq!(plain.exact.is_empty(), plain.variant.is_empty());
    }

    #[test]
    fn folding_again_changes_nothing(text in prop_oneof!["\\PC{0,40}", "[ァ-ヿぁ-ゟｦ-ﾟー\\-~ ・々か゛ﾞก-๛A-ZßΣςİéÅ\u{301}]{0,12}"]) {
        let exact = name_fold::exact(&text);
        prop_assert_eq!(&name_fold::exact(&exact), &exact);
        let variant = name_fold::variant(&exact);
        prop_assert_eq!(&name_fold::variant(&variant), &variant);
        prop_assert!(exact.is_empty() || exact.chars().any(char::is_alphanumeric));
        prop_assert!(!exact.chars().any(|c| c.is_whitespace() || c.is_control()));
    }

    #[test]
    fn any_text_has_bounded_keys_and_an_empty_one_matches_nothing(
        family in "\\PC{1,100}", given in "\\PC{0,100}", reading in "[ァ-ヶー ]{0,20}",
    ) {
        let part = |text: &str| NamePart::optional(text).ok().flatten();
        prop_assume!(part(&family).is_some());
        let name = PersonName::new(part(&family), part(&given), Reading::optional(&reading).unwrap(), None).unwrap();
        let keys = NameKeys::of(&name);
        for key in [Some(&keys.exact), keys.reading.as_ref(), Some(&keys.variant)].into_iter().flatten() {
            prop_assert!(key.as_str().chars().count() <= MAX_NAME_KEY);
        }
        let same = keys.likeness(&keys);
        prop_assert_eq!(same == Likeness::Same, !keys.exact.is_empty());
        prop_assert_ne!(keys.reading.as_ref().map(NameKey::is_empty), Some(true));
    }

    #[test]
    fn likeness_is_the_same_both_ways(one in word(), other in word(), reading in "[ァ-オ]{0,3}") {
        let (one, other) = (name(&one, "", &reading, ""), typed(&other));
        prop_assert_eq!(one.likeness(&other), other.likeness(&one));
    }
}
