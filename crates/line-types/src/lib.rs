//! line-types
