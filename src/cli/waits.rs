//! What verbs wait for, in words for who waits.

use crate::command::{Command, MulticastVerb};

/// What a verb waits for. Nothing of those that tell by themselves, or that go on until they are ended.
pub fn of(command: &Command) -> Option<&'static str> {
    match command {
        Command::Status { watch: true }
        | Command::Events(_)
        | Command::Top { .. }
        | Command::Web
        | Command::Connect(_)
        | Command::Disconnect(_)
        | Command::Move(_)
        | Command::Multicast {
            command: MulticastVerb::Change(_),
        }
        | Command::Complete { .. }
        | Command::Completions { .. }
        | Command::Keygen { .. }
        | Command::Address => None,
        Command::Enable { wait: Some(_) } => Some("until the tunnels are as they should be"),
        Command::Disable { wait: Some(_) } => Some("until the tunnels are gone"),
        Command::Latency { .. } => Some("for the devices to be measured"),
        Command::Doctor => Some("for the tests"),
        Command::Bugreport { .. } => Some("for the archive's contents"),
        Command::Meter { .. } => Some("for the record of usage to be read"),
        Command::Status { watch: false }
        | Command::Enable { wait: None }
        | Command::Disable { wait: None }
        | Command::Plan
        | Command::Health { .. }
        | Command::Explain { .. }
        | Command::Firewall { .. }
        | Command::Routes { .. }
        | Command::Usage(_)
        | Command::Cap { .. }
        | Command::Version => Some("for warrend"),
        Command::User { .. }
        | Command::AccessPass { .. }
        | Command::Device { .. }
        | Command::Link { .. }
        | Command::Location { .. }
        | Command::Exchange { .. }
        | Command::Feed { .. }
        | Command::Multicast {
            command: MulticastVerb::Group { .. },
        }
        | Command::Tenant { .. }
        | Command::Contributor { .. }
        | Command::Balance
        | Command::Config { .. }
        | Command::Ledger { .. } => Some("for the ledger"),
    }
}
