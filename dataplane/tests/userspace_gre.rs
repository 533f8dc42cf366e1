//! The userspace backend over real namespaces: needs root (or a user namespace that may open /dev/net/tun), `ip`, `ping`.
//!
//! Started with `forwarder` this program is the forwarder of its own tests, with `daemon` a daemon that is to be killed.

#[path = "userspace/hostile.rs"]
mod hostile;
#[path = "userspace/kernel_peer.rs"]
mod kernel_peer;
#[path = "userspace/lab.rs"]
mod lab;
#[path = "userspace/last_words.rs"]
mod last_words;
#[path = "userspace/lifetime.rs"]
mod lifetime;
#[path = "userspace/traffic.rs"]
mod traffic;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("forwarder") => match warren_dataplane::userspace::run_forwarder(arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error:?}");
                ExitCode::FAILURE
            }
        },
        Some("daemon") => lifetime::daemon(arguments),
        Some(_) | None => {
            let obstacle = obstacle();
            if let Some(reason) = &obstacle {
                eprintln!("skipped by name: {reason}");
            }
            let trials = [
                traffic::trials(),
                hostile::trials(),
                lifetime::trials(),
                last_words::trials(),
                kernel_peer::trials(),
            ];
            let trials = trials
                .into_iter()
                .flatten()
                .map(|trial| trial.with_ignored_flag_if(obstacle.is_some()))
                .collect();
            libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
        }
    }
}

/// Why nothing here can run.
fn obstacle() -> Option<String> {
    let tun = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun");
    if let Err(error) = tun {
        return Some(format!("/dev/net/tun: {error}"));
    }
    let probe = format!("wu{}probe", std::process::id());
    let made = lab::try_ip(&format!("netns add {probe}"));
    let veth = made && lab::try_ip(&format!("-n {probe} link add v0 type veth peer name v1"));
    lab::try_ip(&format!("netns del {probe}"));
    (!veth).then(|| "no network namespaces or no veth".to_owned())
}

trait IgnoredIf {
    fn with_ignored_flag_if(self, ignored: bool) -> Self;
}

impl IgnoredIf for Trial {
    fn with_ignored_flag_if(self, ignored: bool) -> Self {
        if ignored {
            self.with_ignored_flag(true)
        } else {
            self
        }
    }
}

fn trial(name: &str, body: fn()) -> Trial {
    Trial::test(name, move || {
        body();
        Ok(())
    })
}
