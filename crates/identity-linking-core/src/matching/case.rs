//! All that a decision looks at.

use kernel::CustomerId;
use serde::{Deserialize, Serialize};

use super::{DuplicateSign, LinkMethod, OnNoMatch};
use crate::Likeness;

/// Most candidates of one case.
pub const MAX_CANDIDATES: usize = 20;

/// The version of the rules. A case kept under other rules is not decided again.
pub const RULES: u32 = 1;

/// A case that was kept under rules that are not these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the case was decided by rules {0}, which are not known")]
pub struct UnknownRules(pub u32);

/// The customer the LINE user is linked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Linked {
    /// The customer.
    pub customer: CustomerId,
    /// Made by a first message or a failed match, touched by nobody yet (D-9), and linked to nobody else: what can be absorbed.
    pub provisional: bool,
}

impl Linked {
    /// Linked to a customer who is provisional or not, and has so many active links, this one among them.
    pub fn new(customer: CustomerId, provisional: bool, links: usize) -> Self {
        Self { customer, provisional: provisional && links == 1 }
    }
}

/// The customer that was made at submission for an activity, because nothing or too much matched. It is not provisional.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "four things a rule asks, each by itself")]
pub struct OwnRecord {
    /// The customer.
    pub customer: CustomerId,
    /// Linked to another LINE user than the one who asks.
    pub has_other_line_user: bool,
    /// Something is on it that the LINE user who asks is not known to have told.
    pub told_by_others: bool,
    /// How its name is to the typed one: staff may have changed it since.
    pub name: Likeness,
    /// Whether it has the mobile number still.
    pub has_mobile: bool,
    /// Known not to be the LINE user who asks, as far as anybody said ([`told_apart`](crate::link::told_apart)).
    pub told_apart: bool,
}

/// A customer that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Candidate {
    /// The customer.
    pub customer: CustomerId,
    /// How its name is to the typed one.
    pub name: Likeness,
    /// Whether it has the mobile number.
    pub has_mobile: bool,
    /// Linked to another LINE user than the one who asks.
    pub has_other_line_user: bool,
    /// Known not to be the LINE user who asks, as far as anybody said ([`told_apart`](crate::link::told_apart)).
    #[serde(default)]
    pub told_apart: bool,
}

/// A case: what was compared and found, by ID. It holds nothing that was typed.
///
/// Candidates come nearest first: those on the whole key, then those with the mobile number, then by likeness of the name, then
/// by ID; at most [`MAX_CANDIDATES`], each customer once, none that is alike in nothing, and never the own record. The number
/// comes before the name, as few share one while a common name alone fills the list.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Kept", into = "Kept")]
pub struct Case {
    method: LinkMethod,
    on_no_match: OnNoMatch,
    linked: Option<Linked>,
    own_record: Option<OwnRecord>,
    candidates: Vec<Candidate>,
    tried_too_often: bool,
}

/// A case as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    rules: u32,
    method: LinkMethod,
    on_no_match: OnNoMatch,
    linked: Option<Linked>,
    own_record: Option<OwnRecord>,
    candidates: Vec<Candidate>,
    #[serde(default)]
    tried_too_often: bool,
}

impl Case {
    /// A case. The candidates may come in any order and number, the same one several times.
    ///
    /// `linked` is the customer the LINE user is linked to under this provider. For [`LinkMethod::FirstMessage`], which comes
    /// only where the tenant registers who writes (D-2), nothing is compared: candidates are left out.
    pub fn new(
        method: LinkMethod,
        on_no_match: OnNoMatch,
        linked: Option<Linked>,
        own_record: Option<OwnRecord>,
        candidates: impl IntoIterator<Item = Candidate>,
    ) -> Self {
        let own = own_record.map(|own| own.customer);
        let mut candidates: Vec<Candidate> = candidates
            .into_iter()
            .map(|one| Candidate { has_mobile: one.has_mobile && method.compares_mobile(), ..one })
            .filter(|one| method != LinkMethod::FirstMessage && Some(one.customer) != own)
            .collect();
        candidates.sort_by_key(|one| one.customer);
        candidates.dedup_by(|again, one| {
            let same = again.customer == one.customer;
            if same {
                one.name = one.name.min(again.name);
                one.has_mobile |= again.has_mobile;
                one.has_other_line_user |= again.has_other_line_user;
                one.told_apart |= again.told_apart;
            }
            same
        });
        candidates.retain(Candidate::is_alike);
        // Stable, so that the ID settles what is equally near; whoever is on the whole key comes first by it.
        candidates.sort_by_key(|one| (!one.has_mobile, one.name));
        candidates.truncate(MAX_CANDIDATES);
        Self { method, on_no_match, linked, own_record, candidates, tried_too_often: false }
    }

    /// The case when too many attempts were made at a customer on its whole key: it is linked by none more, right or not.
    #[must_use]
    pub fn tried_too_often(self) -> Self {
        Self { tried_too_often: true, ..self }
    }

    /// Whether too many attempts were made at a customer on the whole key.
    pub fn is_tried_too_often(&self) -> bool {
        self.tried_too_often
    }

    /// How the LINE user asked.
    pub fn method(&self) -> LinkMethod {
        self.method
    }

    /// What the tenant does with what matches no record.
    pub fn on_no_match(&self) -> OnNoMatch {
        self.on_no_match
    }

    /// The customer the LINE user is linked to; none: nobody.
    pub fn linked(&self) -> Option<Linked> {
        self.linked
    }

    /// The customer made at submission; none: no activity came with it, or it went to the one customer that matched.
    pub fn own_record(&self) -> Option<OwnRecord> {
        self.own_record
    }

    /// The customers looked at, nearest first.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// The candidates on the method's whole key.
    pub fn on_whole_key(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates.iter().filter(|one| self.method.is_whole_key(one.name, one.has_mobile))
    }

    /// The namesakes that are looked at, where there are more than that; empty where all are looked at. Whoever guesses at one of so
    /// many was not counted there before: earlier attempts looked at the same first ones.
    pub fn crowd(&self) -> impl Iterator<Item = &Candidate> {
        let is_namesake = |one: &Candidate| matches!(one.name, Likeness::Same | Likeness::Reading);
        // Nearest first: where the list ends with a namesake, it may be that not all of them are on it.
        let is_crowd = self.candidates.get(MAX_CANDIDATES - 1).is_some_and(is_namesake);
        self.candidates.iter().filter(move |one| is_crowd && is_namesake(one))
    }

    /// The own record, where it is on the method's whole key still.
    pub fn own_on_whole_key(&self) -> Option<OwnRecord> {
        self.own_record.filter(|own| self.method.is_whole_key(own.name, own.has_mobile))
    }

    /// Whether it was decided while the LINE user was linked to a customer, so that it may be decided otherwise without that link.
    pub fn had_in_the_way(&self, customer: CustomerId) -> bool {
        self.linked.is_some_and(|linked| linked.customer == customer)
    }
}

impl Candidate {
    /// Whether it is alike in anything.
    fn is_alike(&self) -> bool {
        self.has_mobile || self.name != Likeness::Other
    }

    /// What makes it look like what was typed; at least one for what is alike in anything.
    pub fn signs(&self) -> Vec<DuplicateSign> {
        let name = match self.name {
            Likeness::Same => Some(DuplicateSign::SameName),
            Likeness::Reading => Some(DuplicateSign::SameReading),
            Likeness::Variant => Some(DuplicateSign::VariantName),
            Likeness::Other => None,
        };
        name.into_iter().chain(self.has_mobile.then_some(DuplicateSign::SameMobile)).collect()
    }
}

impl From<Case> for Kept {
    fn from(case: Case) -> Self {
        let Case { method, on_no_match, linked, own_record, candidates, tried_too_often } = case;
        Self { rules: RULES, method, on_no_match, linked, own_record, candidates, tried_too_often }
    }
}

impl TryFrom<Kept> for Case {
    type Error = UnknownRules;

    fn try_from(kept: Kept) -> Result<Self, UnknownRules> {
        let Kept { rules, method, on_no_match, linked, own_record, candidates, tried_too_often } = kept;
        if rules != RULES {
            return Err(UnknownRules(rules));
        }
        Ok(Self { tried_too_often, ..Self::new(method, on_no_match, linked, own_record, candidates) })
    }
}
