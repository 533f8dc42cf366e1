//! How hooks are configured.

use std::path::PathBuf;

use warren_state::hooks::HookSettings;

/// Where hooks are, and what they get.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HooksSettings {
    /// The programs in it are run.
    pub directory: PathBuf,
    /// What they get, and how long they may take.
    pub machine: HookSettings,
}
