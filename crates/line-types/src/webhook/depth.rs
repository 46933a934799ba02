//! How deeply JSON is nested, told without building it.

/// Deepest nesting of one event that is read. LINE sets no bound; its deepest documented event has 5 levels. The parser that builds
/// the whole event goes 127 deep, so that no event needs more than a little of the stack.
pub const MAX_DEPTH: usize = 120;

/// Whether no bracket of this JSON text opens beyond `limit` levels. The text must be valid JSON.
pub(super) fn within(json: &str, limit: usize) -> bool {
    let mut depth = 0usize;
    let mut in_string = false;
    let mut escaped = false;
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                if depth > limit {
                    return false;
                }
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::within;
    use proptest::prelude::*;

    #[test]
    fn brackets_in_strings_do_not_count() {
        assert!(within(r#"{"a":"[[[[\"[[["}"#, 1));
        assert!(!within(r#"{"a":[]}"#, 1));
        assert!(within("[[],[],[{}]]", 3));
    }

    proptest! {
        #[test]
        fn exactly_the_limit_is_taken(depth in 1..200usize) {
            let json = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            prop_assert!(within(&json, depth));
            prop_assert!(!within(&json, depth - 1));
        }
    }
}
