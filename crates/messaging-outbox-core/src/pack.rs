//! Which messages go as one request (L-07): LINE counts requests and recipients, not the up to five objects in a request.

/// The most objects in one request (<https://developers.line.biz/en/reference/messaging-api/#send-push-message>).
pub const LARGEST: usize = 5;

/// What decides whether two messages of one conversation may share a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packable {
    /// The class: a pack holds one only.
    pub class: i16,
    /// The user's phone stays silent.
    pub silent: bool,
    /// The policy's number: a pack is a reply or a push as a whole.
    pub policy: i16,
    /// It was frozen into a request before, alone or with others, and goes again exactly so.
    pub frozen: bool,
    /// It carries quick replies, which LINE shows on the last object only: nothing may follow it in a request.
    pub has_quick_reply: bool,
}

/// How many of `waiting`, messages of one conversation in their order, go as the first request: 1 to [`LARGEST`], or 0 where
/// nothing waits.
#[must_use]
pub fn first_pack(waiting: &[Packable]) -> usize {
    let Some(first) = waiting.first() else { return 0 };
    if first.frozen {
        return 1;
    }
    let mut size = 1;
    while size < LARGEST
        && !waiting[size - 1].has_quick_reply
        && waiting.get(size).is_some_and(|next| {
            !next.frozen && (next.class, next.silent, next.policy) == (first.class, first.silent, first.policy)
        })
    {
        size += 1;
    }
    size
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_packable() -> impl Strategy<Value = Packable> {
        (0i16..2, any::<bool>(), 1i16..3, prop::bool::weighted(0.1), prop::bool::weighted(0.2)).prop_map(
            |(class, silent, policy, frozen, has_quick_reply)| Packable {
                class,
                silent,
                policy,
                frozen,
                has_quick_reply,
            },
        )
    }

    proptest! {
        #[test]
        fn packs_keep_the_order_one_class_and_the_last_quick_reply(waiting in prop::collection::vec(any_packable(), 0..20)) {
            let mut rest = &waiting[..];
            while !rest.is_empty() {
                let size = first_pack(rest);
                prop_assert!((1..=LARGEST).contains(&size));
                let (pack, behind) = rest.split_at(size);
                prop_assert!(pack.iter().all(|m| (m.class, m.silent, m.policy) == (pack[0].class, pack[0].silent, pack[0].policy)));
                prop_assert!(pack.iter().rev().skip(1).all(|m| !m.has_quick_reply));
                prop_assert!(size == 1 || pack.iter().all(|m| !m.frozen));
                rest = behind;
            }
            prop_assert_eq!(first_pack(rest), 0);
        }
    }

    #[test]
    fn five_alike_go_together_and_the_sixth_alone() {
        let alike = Packable { class: 0, silent: false, policy: 1, frozen: false, has_quick_reply: false };
        assert_eq!(first_pack(&[alike; 6]), 5);
        assert_eq!(first_pack(&[alike, Packable { class: 1, ..alike }]), 1);
    }
}
