//! messaging-outbox
