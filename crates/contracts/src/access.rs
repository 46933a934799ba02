//! Who may call which method, as the proto files say it.

use std::collections::HashMap;

use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, ReflectMessage, Value};

use crate::FILE_DESCRIPTOR_SET;
use crate::access_proto::v1::{Right, Scope, StaffAssertion};

/// The access rule of one method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodRule {
    /// The right the caller needs, and the staff member too when one acts.
    pub right: Right,
    /// Inside one tenant, or over the platform.
    pub scope: Scope,
    /// Whether a staff member must act.
    pub staff_assertion: StaffAssertion,
    /// Whether the answer is a stream, which may go on for hours.
    pub streams: bool,
}

/// A method that does not say who may call it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{method} does not say who may call it")]
pub struct RuleError {
    /// The method, as `/package.Service/Method`.
    pub method: String,
}

/// The access rules of every method of every service of Tsunagi.
#[derive(Clone, Debug)]
pub struct AccessRules(HashMap<String, MethodRule>);

impl AccessRules {
    /// Reads the rules from the proto files.
    ///
    /// # Errors
    /// When a method carries no complete `access` option.
    pub fn load() -> Result<Self, RuleError> {
        let mut rules = HashMap::new();
        for method in pool().services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
            let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
            let Some(rule) = rule(&method) else { return Err(RuleError { method: path }) };
            rules.insert(path, rule);
        }
        Ok(Self(rules))
    }

    /// The rule of the method at `path` (`/package.Service/Method`); none for methods that are not Tsunagi's own.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<MethodRule> {
        self.0.get(path).copied()
    }

    /// Every method and its rule.
    pub fn iter(&self) -> impl Iterator<Item = (&str, MethodRule)> {
        self.0.iter().map(|(path, rule)| (path.as_str(), *rule))
    }
}

fn pool() -> DescriptorPool {
    #[expect(clippy::expect_used, reason = "the bytes are made by this crate's own build")]
    DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("the built-in descriptors decode")
}

fn rule(method: &MethodDescriptor) -> Option<MethodRule> {
    let extension = method.parent_pool().get_extension_by_name("tsunagi.access.v1.access")?;
    let options = method.options();
    let Value::Message(access) = options.get_extension(&extension).into_owned() else { return None };
    let right = Right::try_from(number(&access, "right")?).ok().filter(|right| *right != Right::Unspecified)?;
    let scope = Scope::try_from(number(&access, "scope")?).ok().filter(|scope| *scope != Scope::Unspecified)?;
    let staff_assertion = StaffAssertion::try_from(number(&access, "staff_assertion")?).ok()?;
    Some(MethodRule { right, scope, staff_assertion, streams: method.is_server_streaming() })
}

fn number(message: &DynamicMessage, field: &str) -> Option<i32> {
    debug_assert!(message.descriptor().get_field_by_name(field).is_some());
    message.get_field_by_name(field)?.as_enum_number()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_says_who_may_call_it() {
        let rules = AccessRules::load().unwrap();
        let send = rules.get("/tsunagi.messaging.v1.MessageService/SendMessage").unwrap();
        assert_eq!((send.right, send.scope, send.streams), (Right::MessagesSend, Scope::Tenant, false));
        assert!(rules.get("/tsunagi.messaging.v1.ConversationService/WatchConversations").unwrap().streams);
        let create = rules.get("/tsunagi.identity.v1.TenantService/CreateTenant").unwrap();
        assert_eq!((create.right, create.scope), (Right::TenantsManage, Scope::Platform));
        assert_eq!(rules.get("/grpc.health.v1.Health/Check"), None);
        assert!(rules.iter().count() > 50);
    }
}
