//! A refusal as a person reads it, and a program too: code, message, stable reason, wrong fields.

use std::fmt::Write as _;

use chassis::grpc::refuse::code_name;
use tonic::Status;
use tonic_types::StatusExt as _;

/// The refusal in lines: first code and message, then what the `google.rpc` details tell, each in a line of its own.
pub(super) fn explained(status: &Status) -> anyhow::Error {
    let mut text = format!("{}: {}", code_name(status.code()), status.message());
    // Writing to a String cannot fail.
    if let Some(info) = status.get_details_error_info() {
        let _ = write!(text, "\n  reason: {}", info.reason);
        let mut more: Vec<_> = info.metadata.into_iter().collect();
        more.sort();
        for (name, value) in more {
            let _ = write!(text, "\n  {name}: {value}");
        }
    }
    for violation in status.get_details_bad_request().map(|wrong| wrong.field_violations).unwrap_or_default() {
        let _ = write!(text, "\n  field {}: {}", violation.field, violation.description);
    }
    if let Some(pause) = status.get_details_retry_info().and_then(|info| info.retry_delay) {
        let _ = write!(text, "\n  try again after {} s", pause.as_secs_f64());
    }
    anyhow::anyhow!(text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chassis::grpc::refuse::{self, Violations};

    use super::*;

    #[test]
    fn every_wrong_field_and_the_reason_are_told() {
        let mut wrong = Violations::new();
        wrong.add("provider.display_name", "is empty");
        wrong.add("provider.line_provider_id", "is not digits");
        let told = explained(&wrong.finish().unwrap_err()).to_string();
        assert_eq!(
            told.lines().collect::<Vec<_>>(),
            [
                "INVALID_ARGUMENT: invalid: provider.display_name is empty; provider.line_provider_id is not digits",
                "  reason: INVALID_FIELD",
                "  field provider.display_name: is empty",
                "  field provider.line_provider_id: is not digits",
            ]
        );
        let told = explained(&refuse::not_found("PROVIDER")).to_string();
        assert_eq!(told, "NOT_FOUND: no such provider\n  reason: NOT_FOUND\n  kind: PROVIDER");
        let told = explained(&refuse::unavailable("LINE_UNAVAILABLE", Duration::from_secs(3))).to_string();
        assert!(told.ends_with("  reason: LINE_UNAVAILABLE\n  try again after 3 s"), "{told}");
    }
}
