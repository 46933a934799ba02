//! Which service answers a method, and where.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches};

/// One of the four services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Service {
    /// Its name, which is its binary's.
    name: &'static str,
    /// What its settings and its own proto package call it.
    word: &'static str,
}

/// All four.
const ALL: [Service; 4] = [
    Service { name: "identity-linking", word: "identity" },
    Service { name: "messaging-outbox", word: "messaging" },
    Service { name: "scheduler", word: "scheduler" },
    Service { name: "webhook-ingest", word: "ingest" },
];

impl Service {
    /// The service whose own package a method is of (`tsunagi.identity.v1`); none for packages that every service answers.
    pub(super) fn of_package(package: &str) -> Option<Self> {
        let word = package.split('.').nth(1)?;
        ALL.into_iter().find(|service| service.word == word)
    }

    /// The one `--service` names.
    pub(super) fn given(matches: &ArgMatches) -> Option<Self> {
        let name = matches.try_get_one::<String>("service").ok().flatten()?;
        ALL.into_iter().find(|service| service.name == name)
    }

    /// `--service`, for methods that every service answers.
    pub(super) fn argument() -> Arg {
        Arg::new("service")
            .long("service")
            .value_parser(PossibleValuesParser::new(ALL.map(|service| service.name)))
            .help("Which service to ask: each answers for its own")
    }

    /// The setting that says where it answers gRPC.
    pub(super) fn setting(self) -> String {
        format!("TSUNAGI_{}_URL", self.word.to_ascii_uppercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_belongs_to_one_service_or_to_all() {
        let setting = |package: &str| Service::of_package(package).map(Service::setting);
        assert_eq!(setting("tsunagi.ingest.v1").as_deref(), Some("TSUNAGI_INGEST_URL"));
        assert_eq!(setting("tsunagi.operations.v1"), None);
    }
}
