//! What a database error means to the one who gets it.

/// SQLSTATE codes (PostgreSQL's appendix A) that say: not now. Classes stand as their two first characters.
const NOT_NOW: [&str; 11] = [
    "08",    // connection exceptions
    "53",    // insufficient resources, too many connections
    "57P01", // admin_shutdown
    "57P02", // crash_shutdown
    "57P03", // cannot_connect_now
    "40001", // serialization_failure
    "40P01", // deadlock_detected
    "55P03", // lock_not_available
    "25006", // read_only_sql_transaction: a standby that is not promoted yet
    "25P03", // idle_in_transaction_session_timeout
    "58030", // io_error
];

/// Whether trying the same again later can help, because the database and not the request is the trouble: connection
/// trouble, no connection free, shutdown and start, serialization failures, deadlocks.
#[must_use]
pub fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed
        | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| NOT_NOW.iter().any(|not_now| code.starts_with(not_now)))
        }
        _ => false,
    }
}

/// The name of the constraint that refused the row, if one did.
#[must_use]
pub fn constraint(error: &sqlx::Error) -> Option<&str> {
    error.as_database_error()?.constraint()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_connection_is_away_and_a_missing_row_is_not() {
        assert!(is_unavailable(&sqlx::Error::Io(std::io::ErrorKind::ConnectionRefused.into())));
        assert!(is_unavailable(&sqlx::Error::PoolTimedOut));
        assert!(!is_unavailable(&sqlx::Error::RowNotFound));
        assert!(!is_unavailable(&sqlx::Error::ColumnNotFound("x".to_owned())));
        assert_eq!(constraint(&sqlx::Error::RowNotFound), None);
    }
}
