//! The ledger: account layouts, addresses, and reading them over RPC and publish-subscribe.
//!
//! * [`accounts`], [`pda`] and [`environment`] are pure: bytes to accounts and back, addresses, names.
//! * [`rpc::RpcSource`] is the real [`LedgerSource`]; [`fetcher::Fetcher`] caches in front of any.
//! * [`project`] reduces accounts to the domain records of `warren-state`, where the view guard judges them.

pub mod accounts;
mod backoff;
pub mod environment;
pub mod fetcher;
pub mod fixtures;
pub mod pda;
pub mod project;
pub mod rpc;
pub mod show;
pub mod source;
mod subscription;
#[cfg(test)]
mod testing;

pub use accounts::{Account, DecodeError, decode, encode, inspect, to_json, to_json_text};
pub use environment::Environment;
pub use fetcher::{Fetched, Fetcher, FetcherSettings};
pub use pda::Pda;
pub use rpc::{Commitment, Endpoint, RpcSettings, RpcSource};
pub use show::{decode_file, show};
pub use source::{LedgerHealth, LedgerSource, Query, ReadError};
