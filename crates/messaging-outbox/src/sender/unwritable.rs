//! What the database will never take, however often it is asked: the values are the trouble, and not the moment.

use bus::outbox::OutboxError;

use crate::trouble;

/// SQLSTATE classes (PostgreSQL's appendix A) that speak of the values. Whatever else there is may pass, a schema that is being
/// changed as well as a timeout.
const OF_VALUES: [&str; 4] = [
    "22", // data exceptions
    "23", // integrity constraints
    "54", // program limits, as of an index's longest entry
    "P0", // a trigger's or function's own refusal
];

/// Whether writing the same again would fail again.
pub(super) fn is_unwritable(error: &anyhow::Error) -> bool {
    if let Some(code) = code(error) {
        return OF_VALUES.iter().any(|class| code.starts_with(class));
    }
    error.chain().any(|cause| {
        matches!(cause.downcast_ref::<OutboxError>(), Some(OutboxError::TooLarge(_) | OutboxError::NotOurs { .. }))
    })
}

/// Why, for the log: a SQLSTATE code and no word of what was to be written.
pub(super) fn reason(error: &anyhow::Error) -> String {
    code(error).map_or_else(|| "no event can say it".to_owned(), |code| format!("SQLSTATE {code}"))
}

fn code(error: &anyhow::Error) -> Option<String> {
    trouble::database(error)?.as_database_error()?.code().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_values_are_to_blame_for_is_unwritable() {
        let away = anyhow::Error::from(sqlx::Error::PoolTimedOut);
        let too_large = anyhow::Error::from(OutboxError::TooLarge(9)).context("the events");
        let database = anyhow::Error::from(OutboxError::Database(sqlx::Error::RowNotFound));
        assert_eq!([&away, &too_large, &database].map(is_unwritable), [false, true, false]);
        assert_eq!(reason(&too_large), "no event can say it");
    }
}
