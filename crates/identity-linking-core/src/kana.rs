//! Kana: one form of it, and what is typed for it.

/// The prolonged sound mark.
pub(crate) const PROLONGED: char = 'ー';

/// Katakana for hiragana; everything else as it is.
pub(crate) fn to_katakana(c: char) -> char {
    match c {
        // The blocks lie 0x60 apart (<https://www.unicode.org/charts/PDF/U3040.pdf>, <https://www.unicode.org/charts/PDF/U30A0.pdf>).
        'ぁ'..='ゖ' | 'ゝ' | 'ゞ' => char::from_u32(u32::from(c) + 0x60).unwrap_or(c),
        _ => c,
    }
}

/// Whether it is katakana or one of its marks, the prolonged sound mark among them.
pub(crate) fn is_katakana(c: char) -> bool {
    matches!(c, 'ァ'..='ヺ' | PROLONGED..='ヿ' | '\u{31F0}'..='\u{31FF}' | '\u{3099}' | '\u{309A}')
}

/// Whether it is typed in place of the prolonged sound mark: hyphens, dashes, minus signs, ruled lines and wave dashes.
pub(crate) fn is_like_prolonged(c: char) -> bool {
    matches!(
        c,
        '-' | '~' | '\u{2010}'
            ..='\u{2015}' | '\u{2043}' | '\u{2053}' | '\u{2212}' | '\u{2500}' | '\u{2501}' | '\u{301C}'
    )
}

/// Large kana for small, and one kana of those that sound alike.
pub(crate) fn plain(c: char) -> char {
    match c {
        'ァ' => 'ア',
        'ィ' | 'ヰ' => 'イ',
        'ゥ' => 'ウ',
        'ェ' | 'ヱ' => 'エ',
        'ォ' | 'ヲ' => 'オ',
        'ヵ' => 'カ',
        'ヶ' => 'ケ',
        'ッ' => 'ツ',
        'ャ' => 'ヤ',
        'ュ' => 'ユ',
        'ョ' => 'ヨ',
        'ヮ' => 'ワ',
        'ヂ' => 'ジ',
        'ヅ' => 'ズ',
        'ㇰ' => 'ク',
        'ㇱ' => 'シ',
        'ㇲ' => 'ス',
        'ㇳ' => 'ト',
        'ㇴ' => 'ヌ',
        'ㇵ' => 'ハ',
        'ㇶ' => 'ヒ',
        'ㇷ' => 'フ',
        'ㇸ' => 'ヘ',
        'ㇹ' => 'ホ',
        'ㇺ' => 'ム',
        'ㇻ' => 'ラ',
        'ㇼ' => 'リ',
        'ㇽ' => 'ル',
        'ㇾ' => 'レ',
        'ㇿ' => 'ロ',
        _ => c,
    }
}
