//! What of a name is compared.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{compose, is_combining_mark};

use crate::text::is_invisible;
use crate::{kana, kanji_variant};

/// The mark that voices the kana before it.
const VOICED: char = '\u{3099}';

/// How often a text is folded at most until it stays as it is: what is left of it may compose. Two rounds do for anything people
/// type.
const ROUNDS: usize = 6;

/// A name without what tells no two names apart: width and other forms of compatibility (NFKC, UAX #15), case, spaces, middle
/// dots and other signs, hiragana and katakana, what cannot be seen, and, in Thai, the order of marks. After kana, what is typed
/// for the prolonged sound mark is one. Folding again changes nothing; empty when no letter is left.
pub(crate) fn exact(name: &str) -> String {
    settled(name, exact_once)
}

/// An exact key without what tells variants of a name apart: kanji of old, new and simplified forms, iteration marks, small
/// kana and kana that sound alike, and Latin accents. Folding again changes nothing.
pub(crate) fn variant(exact: &str) -> String {
    settled(exact, variant_once)
}

/// Folds until nothing changes; what never settles is nobody's name.
fn settled(text: &str, fold: fn(&str) -> String) -> String {
    let mut folded = fold(text);
    for _ in 0..ROUNDS {
        let again = fold(&folded);
        if again == folded {
            return if folded.chars().any(char::is_alphanumeric) { folded } else { String::new() };
        }
        folded = again;
    }
    String::new()
}

fn exact_once(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut before = None;
    for c in text.chars().filter(|c| !is_invisible(*c)).nfkc().flat_map(char::to_lowercase).map(one_form) {
        let after_kana = before.is_some_and(kana::is_katakana);
        before = Some(c);
        if kana::is_like_prolonged(c) && after_kana {
            kept.push(kana::PROLONGED);
            before = Some(kana::PROLONGED);
        } else if c == kana::PROLONGED {
            // Typed for a hyphen where no kana goes before.
            if kept.chars().next_back().is_some_and(kana::is_katakana) {
                kept.push(c);
            }
        } else if c.is_alphanumeric() || is_combining_mark(c) {
            push_in_order(&mut kept, c);
        }
    }
    kept
}

fn variant_once(text: &str) -> String {
    let mut whole = String::with_capacity(text.len());
    for c in text.nfd().filter(|c| !is_accent(*c)).nfc() {
        match (c, whole.chars().next_back()) {
            ('々' | '〻' | 'ヽ', Some(before)) => whole.push(before),
            ('ヾ', Some(before)) => whole.push(compose(before, VOICED).unwrap_or(before)),
            _ => whole.push(c),
        }
    }
    whole.nfkc().map(|c| kanji_variant::representative(kana::plain(c))).collect()
}

/// One form of a letter that has two in the same place: katakana for hiragana, one small sigma.
fn one_form(c: char) -> char {
    if c == 'ς' { 'σ' } else { kana::to_katakana(c) }
}

/// Thai marks in the order they are written in; a sound typed as two letters becomes the one it looks like.
fn push_in_order(kept: &mut String, c: char) {
    match c {
        // Tone marks go after the nikhahit.
        '\u{0E4D}' => {
            let end = kept.trim_end_matches(|c| matches!(c, '\u{0E48}'..='\u{0E4B}')).len();
            kept.insert(end, c);
        }
        '\u{0E40}' if kept.ends_with('\u{0E40}') => {
            kept.pop();
            kept.push('\u{0E41}');
        }
        _ => kept.push(c),
    }
}

/// Latin accents. The voiced marks of kana and the marks of other scripts are letters of their own.
fn is_accent(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036F}')
}
