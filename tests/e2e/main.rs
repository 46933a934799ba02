//! Journeys through the whole platform: the real binaries, real Postgres, real NATS, the simulator over real HTTP.

mod command_line;
mod dead_letter;
mod demo_and_run;
mod every_rpc;
mod figures;
mod friend_coverage;
mod isolation;
mod leaving;
mod linking;
mod nats_permissions;
mod overload;
mod replay;
mod rolling;
mod runbook;
mod shared_staff;
mod staffing;
mod story;
mod trace;
