//! The ledger: account layouts, addresses, and reading them over RPC and publish-subscribe.

pub mod accounts;
pub mod environment;
pub mod pda;
pub mod source;

pub use accounts::{Account, DecodeError, decode, encode, inspect, to_json, to_json_text};
pub use environment::Environment;
pub use pda::Pda;
pub use source::{LedgerHealth, LedgerSource, Query, ReadError};
