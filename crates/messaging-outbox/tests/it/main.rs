//! messaging-outbox on real Postgres and NATS, with the simulator in LINE's place.

#![expect(clippy::unwrap_used, reason = "what a test cannot have ends it, also outside of its own function")]

mod answers;
mod backlog;
mod bar;
mod branches;
mod consent;
mod contents;
mod conversing;
mod database;
mod dead_letters;
mod digest;
mod erasing;
mod faults;
mod followers;
mod groups;
mod house;
mod inquiries;
mod isolation;
mod killing;
mod links;
mod neighbours;
mod notices;
mod order;
mod packs;
mod paging;
mod placing;
mod put_off;
mod quota;
mod receiver;
mod records;
mod reminders;
mod restarts;
mod retention;
mod scheduled;
mod scheduler;
mod scheduling;
mod sending;
mod texts;
mod tokens;
mod told_again;
mod visibility;
mod watching;
mod world;
