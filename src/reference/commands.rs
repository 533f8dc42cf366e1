//! Every verb of `warren` with its arguments, and every flag of `warrend`.

use clap::{Arg, ArgAction, Command};
use warren_config::flags::FLAGS;

use super::{code, head, table, words};

pub fn page() -> String {
    let grammar = warren_cli::grammar();
    let mut text = head(
        "Commands and flags",
        "What `warren` and `warrend` take. The same is in their man pages.",
    );
    text += &format!("\n## warren\n\n{}.\n", about(&grammar));
    text += "\nThese go before and after each verb:\n";
    text += &arguments(&grammar);
    verbs(&grammar, "warren", &mut text);
    text += "\n## warrend\n\nOne dash or two; a time span without a unit is in seconds where the reference allows that.\n";
    let flags = FLAGS
        .iter()
        .map(|flag| [code(&flag.synopsis()), words(flag.help)]);
    text + &table(["flag", "what it does"], flags)
}

/// What can be run has a section.
fn verbs(command: &Command, before: &str, text: &mut String) {
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let name = format!("{before} {}", verb.get_name());
        if !verb.has_subcommands() || !verb.is_subcommand_required_set() {
            *text += &format!("\n### {name}\n\n{}.\n", about(verb));
            let other: Vec<String> = verb.get_visible_aliases().map(code).collect();
            if !other.is_empty() {
                *text += &format!("\nAlso: {}.\n", other.join(", "));
            }
            *text += &arguments(verb);
        }
        verbs(verb, &name, text);
    }
}

fn about(command: &Command) -> String {
    let about = command.get_long_about().or(command.get_about());
    let text = about.map(ToString::to_string).unwrap_or_default();
    words(&text).trim_end_matches('.').to_owned()
}

fn arguments(command: &Command) -> String {
    let shown = command.get_arguments().filter(|one| !one.is_hide_set());
    let rows = shown.map(|one| [code(&synopsis(one)), help(one)]);
    table(["argument", "what it does"], rows)
}

fn synopsis(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    let value = names
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ");
    let value = if value.is_empty() {
        argument.get_id().as_str().to_uppercase()
    } else {
        value
    };
    if argument.is_positional() {
        return if argument.is_required_set() {
            value
        } else {
            format!("[{value}]")
        };
    }
    let short = argument.get_short().map(|short| format!("-{short}"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let other = argument.get_visible_aliases().unwrap_or_default();
    let other = other.into_iter().map(|name| format!("--{name}"));
    let flags = short
        .into_iter()
        .chain(long)
        .chain(other)
        .collect::<Vec<_>>()
        .join(", ");
    if takes_value(argument) {
        format!("{flags} {value}")
    } else {
        flags
    }
}

fn help(argument: &Arg) -> String {
    let help = argument.get_long_help().or(argument.get_help());
    let mut text = words(&help.map(ToString::to_string).unwrap_or_default());
    let values = argument
        .get_possible_values()
        .into_iter()
        .filter(|value| !value.is_hide_set());
    let values: Vec<String> = values.map(|value| code(value.get_name())).collect();
    if takes_value(argument) && !values.is_empty() {
        text += &format!(". One of {}.", values.join(", "));
    }
    let usual: Vec<String> = argument
        .get_default_values()
        .iter()
        .map(|value| code(&value.to_string_lossy()))
        .collect();
    if takes_value(argument) && !usual.is_empty() {
        text = text.trim_end_matches('.').to_owned() + &format!(". Without it: {}.", usual.join(", "));
    }
    text
}

fn takes_value(argument: &Arg) -> bool {
    argument.is_positional() || matches!(argument.get_action(), ArgAction::Set | ArgAction::Append)
}
