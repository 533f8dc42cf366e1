//! `warren-devnet demo`.

use anyhow::Result;
use clap::Args;

/// Tell the whole story.
#[derive(Args, Debug)]
pub struct Demo {
    /// `auto`, `netlink` or `userspace`.
    #[arg(long, default_value = "auto")]
    dataplane: String,
}

impl Demo {
    /// Runs it.
    pub fn run(self) -> Result<()> {
        Ok(())
    }
}
