//! What starts, watches, restarts and stops the actors, and what every actor is built with.

pub(crate) mod background;
pub(crate) mod clock;
pub(crate) mod driver;
pub(crate) mod due;
pub(crate) mod exit;
pub(crate) mod mailboxes;
pub mod policy;
pub(crate) mod recorder;
pub(crate) mod root;
pub(crate) mod service;
pub(crate) mod spec;
pub(crate) mod store_writer;
pub(crate) mod wakeup;
pub(crate) mod watchdog;
