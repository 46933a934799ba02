//! line-client
