//! messaging-outbox-core
