//! The ledger: account layouts, addresses, and reading them over RPC and publish-subscribe.
//!
//! * [`accounts`], [`pda`] and [`environment`] are pure: bytes to accounts and back, addresses, names.
//! * [`rpc::RpcSource`] is the real [`LedgerSource`]; [`fetcher::Fetcher`] caches in front of any, once for all who read.
//! * [`instructions`] are what a host asks the program to do, [`send`] brings them to the ledger once, and
//!   [`program_error`] says what a refusal means. [`rpc::LedgerClient`] carries them, and looks accounts up.
//! * [`proof`] is a host's proof of its address, [`verifier`] asks for one.
//! * [`keypair`] and [`user_config`] read what the operator keeps in files.
//! * [`way`] is how all of these requests leave the host, and whom they trust.
//! * [`project`] reduces accounts to the domain records of `warren-state`, where the view guard judges them.

pub mod accounts;
mod backoff;
pub mod connector;
pub mod environment;
pub mod fetcher;
pub mod fixtures;
mod forms;
pub mod instructions;
pub mod keypair;
pub mod pda;
pub mod program_error;
pub mod project;
pub mod proof;
pub mod rpc;
pub mod send;
pub mod show;
pub mod source;
mod subscription;
#[cfg(test)]
mod testing;
pub mod user_config;
pub mod verifier;

pub use accounts::{Account, DecodeError, decode, encode, inspect, to_json, to_json_text};
pub use connector::{Connector, Trust};
pub use environment::Environment;
pub use fetcher::{AllDevices, Fetched, Fetcher, FetcherSettings};
pub use forms::InstructionForms;
pub use keypair::Keypair;
pub use pda::Pda;
pub use program_error::ProgramError;
pub use proof::IpProof;
pub use rpc::{Commitment, Endpoint, LedgerClient, RpcSettings, RpcSource};
pub use show::{decode_file, show};
pub use source::{Devices, InUse, LedgerHealth, LedgerSource, Query, ReadError};
pub use verifier::Verifier;
