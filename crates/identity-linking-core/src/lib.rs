//! identity-linking-core
