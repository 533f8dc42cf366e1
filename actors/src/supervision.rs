//! What starts, watches, restarts and stops the actors, and what every actor is built with.

pub(crate) mod beside;
pub(crate) mod clock;
pub(crate) mod driver;
pub(crate) mod exit;
pub(crate) mod keeper;
pub(crate) mod mailboxes;
pub(crate) mod poke;
pub mod policy;
pub(crate) mod pulse;
pub(crate) mod recorder;
pub(crate) mod root;
pub(crate) mod service;
pub(crate) mod spec;
