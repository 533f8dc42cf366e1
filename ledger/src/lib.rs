//! The ledger: account layouts, addresses, and reading them over RPC and publish-subscribe.

pub mod source;

pub use source::{LedgerHealth, LedgerSource, Query, ReadError};
