//! Whether a LINE user is linked to a customer (F-05…F-20, F-43, F-44): a [`Case`] holds all that is looked at, [`decide`] says
//! what becomes of it, [`explain`] says it to staff (L-01).
//!
//! Nothing is ever guessed. Two customers on the method's whole key never link (D-5), a customer linked to another LINE user
//! is never taken from it (D-6), and what is merely near is told to staff and links nobody. A case holds IDs and what was
//! compared, never what was typed, so that it can be kept and decided again: the same case always gives the same decision.

mod case;
mod choice;
mod decision;
mod explanation;
mod method;
mod owner;
mod policy;
mod rules;

pub use case::{Candidate, Case, Linked, MAX_CANDIDATES, OwnRecord, RULES, UnknownRules};
pub use choice::{Way, way_to};
pub use decision::{Action, Assurance, Decision, DuplicateSign, Outcome, Reason, Refusal, Suspicion};
pub use explanation::{Alike, Explanation, explain, explain_review};
pub use method::LinkMethod;
pub use owner::{Owner, Submitted, owner, owner_again};
pub use policy::{OnFirstMessage, OnNoMatch};
pub use rules::decide;
