//! identity-linking
