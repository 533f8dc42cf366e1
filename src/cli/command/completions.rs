//! Completion scripts. Where a value is the name of something that the daemon knows, the scripts ask it (`warren complete`).

use std::collections::BTreeSet;

use clap::{Arg, Command, CommandFactory as _, ValueEnum as _};
use clap_complete::Shell;

use super::{Cli, Names};

/// The completion script for a shell.
#[must_use]
pub fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "warren", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    if shell == Shell::Bash {
        in_bash(&script).replace(" -o default warren\n", " -o default warren doublezero\n")
    } else if shell == Shell::Zsh {
        in_zsh(&script)
            .replace("compdef warren\n", "compdef warren doublezero\n")
            .replace("_warren warren\n", "_warren warren doublezero\n")
    } else if shell == Shell::Fish {
        format!("{script}{}complete -c doublezero -w warren\n", in_fish())
    } else {
        script
    }
}

/// An argument whose values are such names.
struct Asked {
    /// The verbs before it.
    path: Vec<String>,
    /// Its name for clap, as zsh has it.
    id: String,
    /// Its flags with their dashes; none for one that has its place.
    flags: Vec<String>,
    names: Names,
}

fn asked() -> Vec<Asked> {
    let mut grammar = Cli::command();
    grammar.build();
    let mut found = Vec::new();
    collect(&grammar, &[], &mut found);
    found
}

fn collect(command: &Command, path: &[String], found: &mut Vec<Asked>) {
    for argument in command.get_arguments() {
        if let Some(names) = names_of(argument) {
            let long = argument.get_long_and_visible_aliases().unwrap_or_default();
            let long = long.into_iter().map(|name| format!("--{name}"));
            let short = argument.get_short().map(|letter| format!("-{letter}"));
            found.push(Asked {
                path: path.to_vec(),
                id: argument.get_id().to_string(),
                flags: long.chain(short).collect(),
                names,
            });
        }
    }
    for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
        let path = [path, &[verb.get_name().to_owned()]].concat();
        collect(verb, &path, found);
    }
}

/// `DEVICE`; `DEVICE,...` where there may be several; `OWNER|TUNNEL` where it may be something else, too.
fn names_of(argument: &Arg) -> Option<Names> {
    let value = argument.get_value_names()?.first()?.to_lowercase();
    let mut words = value.trim_end_matches(",...").split('|');
    words.find_map(|word| Names::from_str(word, false).ok())
}

/// A word that takes names is a case of its own there; what has its place is not told from flags.
fn in_bash(script: &str) -> String {
    let asked = asked();
    let of = |section: &str| {
        asked
            .iter()
            .filter(|one| case_of(&one.path) == section)
            .collect::<Vec<&Asked>>()
    };
    let ask = |names: Names| format!("$(_warren_names {})", names.word());
    let mut text = String::from("_warren_names() {\n    command warren complete \"$1\" 2>/dev/null\n}\n\n");
    let (mut here, mut case): (Vec<&Asked>, Option<&Asked>) = (Vec::new(), None);
    for line in script.lines() {
        let word = line.trim().trim_end_matches(')');
        if line.ends_with(')') && line.starts_with("        warren") {
            here = of(word);
        } else if line.ends_with(')') && word.starts_with('-') {
            case = here
                .iter()
                .find(|one| one.flags.iter().any(|flag| flag == word))
                .copied();
        }
        if line.trim().starts_with("opts=\"") {
            let placed = here.iter().filter(|one| one.flags.is_empty());
            let names: String = placed.map(|one| format!(" {}", ask(one.names))).collect();
            text += &format!("{}{names}\"\n", line.strip_suffix('"').unwrap_or(line));
        } else if line.contains("compgen -f \"${cur}\"")
            && let Some(one) = case.take()
        {
            let names = format!("compgen -W \"{}\" -- \"${{cur}}\"", ask(one.names));
            text += &(line.replace("compgen -f \"${cur}\"", &names) + "\n");
        } else {
            text += &format!("{line}\n");
        }
    }
    text
}

/// What clap calls a verb's part of the script.
fn case_of(path: &[String]) -> String {
    let verbs = path
        .iter()
        .map(|verb| format!("__subcmd__{}", verb.replace('-', "__")));
    format!("warren{}", verbs.collect::<String>())
}

/// The last part of what describes an argument says how it is completed.
fn in_zsh(script: &str) -> String {
    let placed: BTreeSet<(String, &str)> = asked()
        .into_iter()
        .filter(|one| one.flags.is_empty())
        .map(|one| (one.id, one.names.word()))
        .collect();
    let described = |line: &str| {
        let start = line.strip_suffix(":_default' \\")?;
        for names in Names::value_variants().iter().map(|names| names.word()) {
            let value = names.to_uppercase();
            if start.ends_with(&format!(":{value}")) {
                return Some(format!("{start}:_warren_{names}' \\"));
            }
            if start.ends_with(&format!(":{value},...")) {
                return Some(format!("{start}:_sequence _warren_{names}' \\"));
            }
        }
        let (id, _) = start.trim_start_matches(['\'', '*', ':']).split_once(" -- ")?;
        let (_, names) = placed.iter().find(|(placed, _)| placed == id)?;
        Some(format!("{start}:_warren_{names}' \\"))
    };
    let lines = script
        .lines()
        .map(|line| described(line).unwrap_or_else(|| line.to_owned()) + "\n");
    let asking = Names::value_variants().iter().map(|names| {
        let word = names.word();
        format!(
            "(( $+functions[_warren_{word}] )) ||\n_warren_{word}() {{\n    local -a names\n    names=(${{(f)\"$(command warren complete {word} \
             2>/dev/null)\"}})\n    compadd \"$@\" -a names\n}}\n\n"
        )
    });
    let script: String = lines.collect();
    let asking: String = asking.collect();
    // Above what the script runs when it is loaded.
    match script.find("if [ \"$funcstack[1]\" = \"_warren\" ]") {
        Some(at) => format!("{}{asking}{}", &script[..at], &script[at..]),
        None => script + &asking,
    }
}

/// There a completion may be said again, and says more.
fn in_fish() -> String {
    let lines = asked().into_iter().map(|one| {
        let (first, later) = one.path.split_first().map_or(("", &[][..]), |(first, later)| (first.as_str(), later));
        let later = later.iter().map(|verb| format!("; and __fish_seen_subcommand_from {verb}"));
        let when = format!("__fish_warren_using_subcommand {first}{}", later.collect::<String>());
        let flags = one.flags.iter().map(|flag| match flag.strip_prefix("--") {
            Some(long) => format!(" -l {long}"),
            None => format!(" -s {}", flag.trim_start_matches('-')),
        });
        let flags: String = flags.collect();
        let value = if flags.is_empty() { "" } else { " -r" };
        format!(
            "complete -c warren -n \"{when}\"{flags}{value} -f -a \"(command warren complete {} 2>/dev/null)\"\n",
            one.names.word()
        )
    });
    lines.collect()
}
