//! Rights on the wire and in the rules: the same words.

use contracts::access_proto::v1::Right as WireRight;
use identity_linking_core::{Right, Rights};

const PREFIX: &str = "RIGHT_";

/// The right a number of `tsunagi.access.v1.Right` stands for; none for 0 and for numbers this version does not know.
pub(crate) fn read(wire: i32) -> Option<Right> {
    Right::named(WireRight::try_from(wire).ok()?.as_str_name().strip_prefix(PREFIX)?)
}

/// The right as a value of `tsunagi.access.v1.Right`.
pub(crate) fn wire(right: Right) -> WireRight {
    WireRight::from_str_name(&format!("{PREFIX}{}", right.as_str())).unwrap_or(WireRight::Unspecified)
}

/// Several rights as numbers, in their order.
pub(crate) fn wires(rights: &Rights) -> Vec<i32> {
    rights.iter().map(|right| wire(*right).into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_and_the_wire_know_the_same_rights() {
        for right in Right::ALL {
            assert_eq!(read(wire(*right).into()), Some(*right), "{right:?}");
        }
        let on_the_wire = (1..1_000).filter(|number| WireRight::try_from(*number).is_ok()).count();
        assert_eq!(on_the_wire, Right::ALL.len());
        assert_eq!((read(0), read(-1), read(1_000)), (None, None, None));
    }

    #[test]
    fn every_method_a_service_may_call_exists_and_its_right_is_held() {
        let rules = contracts::AccessRules::load().unwrap();
        for service in identity_linking_core::SERVICE_PRINCIPALS {
            for method in service.methods {
                let rule = rules.get(method).unwrap_or_else(|| panic!("no method {method}"));
                assert!(
                    service.rights.iter().any(|right| wire(*right) == rule.right),
                    "{} lacks {method}",
                    service.name
                );
            }
        }
    }
}
