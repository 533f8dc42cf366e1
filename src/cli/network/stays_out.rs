//! The reference's verbs for administering the network. They are left out of this software, which says so.

use clap::{Arg, ArgAction, ArgMatches, Command};

/// The reference's verbs, below the noun that they belong to; below no noun, those that stand alone.
const VERBS: &[(&[&str], &[&str])] = &[
    (
        &[],
        &[
            "init",
            "migrate",
            "global-config",
            "permission",
            "resource",
            "sentinel",
            "geolocation",
            "export",
            "account",
            "accounts",
            "log",
        ],
    ),
    (&["location"], &["create", "update", "delete"]),
    (&["exchange"], &["create", "update", "delete", "set-device"]),
    (&["contributor"], &["create", "update", "delete"]),
    (
        &["tenant"],
        &[
            "create",
            "update",
            "delete",
            "administrator",
            "update-payment-status",
        ],
    ),
    (
        &["device"],
        &["create", "update", "delete", "interface", "set-health"],
    ),
    (
        &["link"],
        &[
            "create",
            "accept",
            "update",
            "delete",
            "set-health",
            "topology",
            "latency",
        ],
    ),
    (
        &["feed"],
        &[
            "create",
            "update",
            "delete",
            "activate",
            "halt",
            "resume",
            "retire",
            "finalize-retirement",
            "migrate",
        ],
    ),
    (
        &["user"],
        &[
            "create",
            "create-subscribe",
            "subscribe",
            "update",
            "delete",
            "request-ban",
        ],
    ),
    (
        &["access-pass"],
        &[
            "set",
            "close",
            "fund",
            "user-balances",
            "add-feed",
            "remove-feed",
            "set-feeds",
        ],
    ),
    (
        &["multicast", "group"],
        &["create", "update", "delete", "allowlist"],
    ),
];

/// The grammar with these verbs, out of sight.
#[must_use]
pub fn known_to(grammar: Command) -> Command {
    VERBS
        .iter()
        .fold(grammar, |grammar, (path, verbs)| below(grammar, path, verbs))
}

fn below(grammar: Command, path: &[&'static str], verbs: &[&'static str]) -> Command {
    match path {
        [] => grammar.subcommands(verbs.iter().map(|verb| hidden(verb))),
        [first, rest @ ..] => grammar.mut_subcommand(*first, |noun| below(noun, rest, verbs)),
    }
}

fn hidden(verb: &'static str) -> Command {
    let anything = Arg::new("anything")
        .action(ArgAction::Append)
        .num_args(0..)
        .trailing_var_arg(true)
        .allow_hyphen_values(true);
    Command::new(verb)
        .hide(true)
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .arg(anything)
}

/// The sentence that answers such a verb, if the line has one.
#[must_use]
pub fn sentence(line: &ArgMatches) -> Option<String> {
    let mut path = Vec::new();
    let mut at = line;
    while let Some((verb, below)) = at.subcommand() {
        path.push(verb);
        at = below;
    }
    let (verb, noun) = path.split_last()?;
    let stays_out = VERBS
        .iter()
        .any(|(path, verbs)| *path == noun && verbs.contains(verb));
    stays_out.then(|| {
        let typed = path.join(" ");
        format!("`{typed}` administers the network and is not part of this software: use the reference's command line, `doublezero` of malbeclabs/doublezero")
    })
}
