//! Methods as commands: a noun and a verb, the request's fields as flags.

use clap::{ArgMatches, Command};
use prost_reflect::{DescriptorPool, MethodDescriptor};

use super::nouns::{NOUNS, Verb};
use super::service::Service;
use super::{call, comments, connection, flags, replay, request};

/// The noun of which one verb does more than call its method.
const REPLAY: &str = "replay";

impl Verb {
    /// The method's descriptor.
    fn descriptor(&self, pool: &DescriptorPool) -> Option<MethodDescriptor> {
        call::method(pool, &format!("tsunagi.{}", self.method))
    }
}

/// One command for each noun.
pub(super) fn commands(pool: &DescriptorPool) -> impl Iterator<Item = Command> {
    NOUNS.iter().map(move |(noun, about, verbs)| {
        let verbs = verbs.iter().filter_map(|verb| Some((verb, verb.descriptor(pool)?)));
        let command = Command::new(*noun).about(*about).subcommand_required(true).arg_required_else_help(true);
        let command = command.subcommands(verbs.map(|(verb, method)| verb_command(verb, &method)));
        if *noun == REPLAY { replay::extended(command) } else { command }
    })
}

fn verb_command(verb: &Verb, method: &MethodDescriptor) -> Command {
    let about = comments::of_method(method);
    let command = Command::new(verb.name)
        .long_about(format!("{about}\n\nCalls tsunagi.{}.", verb.method))
        .about(about)
        .args(flags::of(&method.input(), verb).iter().map(flags::Flag::argument))
        .arg(request::json_argument())
        .args(connection::flags())
        .after_help(connection::HELP);
    match Service::of_package(method.parent_service().package_name()) {
        Some(_) => command,
        None => command.arg(Service::argument().required(true)),
    }
}

/// Runs the command of a noun; none where there is no such noun.
pub(super) async fn run(pool: &DescriptorPool, noun: &str, matches: &ArgMatches) -> Option<anyhow::Result<()>> {
    let (_, _, verbs) = NOUNS.iter().find(|(known, _, _)| *known == noun)?;
    let (name, matches) = matches.subcommand()?;
    let verb = verbs.iter().find(|verb| verb.name == name)?;
    if (noun, name) == (REPLAY, "start") {
        return Some(replay::start(pool, verb, matches).await);
    }
    Some(run_verb(pool, verb, matches).await)
}

async fn run_verb(pool: &DescriptorPool, verb: &Verb, matches: &ArgMatches) -> anyhow::Result<()> {
    let Some(method) = verb.descriptor(pool) else { anyhow::bail!("this version does not know {}", verb.method) };
    let message = request::build(&method, verb, matches)?;
    call::answer(matches, &method, &message).await
}

/// A command's verb and its method.
#[cfg(test)]
pub(super) fn found(noun: &str, verb: &str) -> (&'static Verb, MethodDescriptor) {
    let (_, _, verbs) = NOUNS.iter().find(|(known, _, _)| *known == noun).unwrap();
    let verb = verbs.iter().find(|known| known.name == verb).unwrap();
    (verb, verb.descriptor(&super::pool()).unwrap())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For the services among themselves: no operator holds the right. `tsunagi call` reaches them.
    const OF_SERVICES: [&str; 3] = [
        "/tsunagi.identity.v1.ReplicaService/",
        "/tsunagi.identity.v1.RebuildService/",
        "/tsunagi.messaging.v1.LineGatewayService/",
    ];

    #[test]
    fn every_method_of_every_service_has_its_command() {
        let verbs = || NOUNS.iter().flat_map(|(_, _, verbs)| verbs.iter());
        let mut commanded: Vec<String> = verbs().map(|verb| format!("/tsunagi.{}", verb.method)).collect();
        commanded.sort_unstable();
        let rules = contracts::AccessRules::load().unwrap();
        let of_services = |path: &str| OF_SERVICES.iter().any(|service| path.starts_with(service));
        let mut methods: Vec<&str> = rules.iter().map(|(path, _)| path).filter(|path| !of_services(path)).collect();
        methods.sort_unstable();
        assert_eq!(commanded, methods);
        let pool = super::super::pool();
        for verb in verbs() {
            let method = verb.descriptor(&pool).unwrap();
            assert!(verb.resource.is_empty() || method.input().get_field_by_name(verb.resource).is_some());
        }
    }

    #[test]
    fn every_method_can_be_called_by_its_name() {
        let (rules, pool) = (contracts::AccessRules::load().unwrap(), super::super::pool());
        for (path, _) in rules.iter() {
            assert!(call::method(&pool, path).is_some() && call::method(&pool, &path[1..]).is_some(), "{path}");
        }
        assert!(call::method(&pool, "tsunagi.identity.v1.TenantService/Nothing").is_none());
    }

    #[test]
    fn every_command_and_every_flag_says_what_it_is() {
        for noun in commands(&super::super::pool()) {
            for verb in noun.get_subcommands() {
                let name = format!("{} {}", noun.get_name(), verb.get_name());
                assert!(verb.get_about().is_some_and(|about| !about.to_string().is_empty()), "{name}");
                for flag in verb.get_arguments() {
                    let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
                    assert!(!help.is_empty(), "{name} --{}", flag.get_id());
                }
            }
        }
    }
}
