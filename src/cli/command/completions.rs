//! Completion scripts.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::Line;

/// The completion script for a shell.
#[must_use]
pub fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Line::command(), "warren", &mut script);
    for_both_names(shell, &String::from_utf8_lossy(&script))
}

/// The package installs `warren` as `doublezero` too.
fn for_both_names(shell: Shell, script: &str) -> String {
    if shell == Shell::Bash {
        script.replace(" -o default warren\n", " -o default warren doublezero\n")
    } else if shell == Shell::Zsh {
        script
            .replace("compdef warren\n", "compdef warren doublezero\n")
            .replace("_warren warren\n", "_warren warren doublezero\n")
    } else if shell == Shell::Fish {
        format!("{script}complete -c doublezero -w warren\n")
    } else {
        script.to_owned()
    }
}
