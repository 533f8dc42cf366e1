//! The networks that have a name.

use std::fmt;

use serde::Serialize;
use warren_state::Pubkey;

/// A network that has a name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Environment {
    /// The production network, which the reference calls mainnet-beta.
    MainnetBeta,
    /// The test network, the default of daemon and command line.
    Testnet,
    /// The network of the reference's developers.
    Devnet,
    /// A ledger on this host.
    Localnet,
}

/// The text names no network.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unknown environment {0:?}: expected mainnet-beta, testnet, devnet or localnet")]
pub struct UnknownEnvironment(pub String);

impl Environment {
    /// Every variant, in the order of declaration.
    pub const ALL: [Self; 4] = [Self::MainnetBeta, Self::Testnet, Self::Devnet, Self::Localnet];

    /// The name that the reference daemon reports.
    #[must_use]
    pub fn moniker(self) -> &'static str {
        match self {
            Self::MainnetBeta => "mainnet-beta",
            Self::Testnet => "testnet",
            Self::Devnet => "devnet",
            Self::Localnet => "localnet",
        }
    }

    /// The program whose accounts are read.
    #[must_use]
    pub fn program_id(self) -> Pubkey {
        self.program_id_text().parse().unwrap_or_default()
    }

    /// The ledger's URL where it is not a secret. Those of the other networks carry a token: they come from a flag, the
    /// environment or the configuration file.
    #[must_use]
    pub fn default_rpc_url(self) -> Option<&'static str> {
        match self {
            Self::Localnet => Some("http://localhost:8899"),
            Self::MainnetBeta | Self::Testnet | Self::Devnet => None,
        }
    }

    /// The service that proves a host's address, where it is known. For the local network it is a guess: the address
    /// that the service's own examples use.
    #[must_use]
    pub fn default_ip_verifier_url(self) -> Option<&'static str> {
        match self {
            Self::Localnet => Some("http://127.0.0.1:8080"),
            Self::MainnetBeta | Self::Testnet | Self::Devnet => None,
        }
    }

    /// The network that a program belongs to.
    #[must_use]
    pub fn of_program(program_id: &Pubkey) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|environment| environment.program_id() == *program_id)
    }

    fn program_id_text(self) -> &'static str {
        match self {
            Self::MainnetBeta => "ser2VaTMAcYTaauMrTSfSrxBaUDq7BLNs2xfUugTAGv",
            Self::Testnet => "DZtnuQ839pSaDMFG5q1ad2V95G82S5EC4RrB3Ndw2Heb",
            Self::Devnet => "GYhQDKuESrasNZGyhMJhGYFtbzNijYhcrN9poSqCQVah",
            Self::Localnet => "7CTniUa88iJKUHTrCkB4TjAoG6TD7AMivhQeuqN2LPtX",
        }
    }
}

impl std::str::FromStr for Environment {
    type Err = UnknownEnvironment;

    /// Takes the daemon's names, and the command line's names and letters.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "mainnet-beta" | "mainnet" | "m" => Ok(Self::MainnetBeta),
            "testnet" | "t" => Ok(Self::Testnet),
            "devnet" | "d" => Ok(Self::Devnet),
            "localnet" | "local" | "l" => Ok(Self::Localnet),
            unknown => Err(UnknownEnvironment(unknown.chars().take(64).collect())),
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.moniker())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_id_is_a_key_and_leads_back_to_its_network() {
        for environment in Environment::ALL {
            assert!(!environment.program_id().is_zero(), "{environment}");
            assert_eq!(
                environment.program_id().to_string(),
                environment.program_id_text()
            );
            assert_eq!(
                Environment::of_program(&environment.program_id()),
                Some(environment)
            );
            assert_eq!(environment.moniker().parse(), Ok(environment));
        }
        assert_eq!(Environment::of_program(&Pubkey([9; 32])), None);
    }

    #[test]
    fn aliases_are_taken_and_anything_else_is_an_error_that_names_the_choices() {
        assert_eq!("mainnet".parse(), Ok(Environment::MainnetBeta));
        assert_eq!("local".parse(), Ok(Environment::Localnet));
        assert_eq!("t".parse(), Ok(Environment::Testnet));
        let error = "Mainnet".parse::<Environment>().unwrap_err().to_string();
        assert!(
            error.contains("\"Mainnet\"") && error.contains("mainnet-beta, testnet, devnet or localnet"),
            "{error}"
        );
        assert!("".parse::<Environment>().is_err());
    }

    #[test]
    fn only_the_local_network_has_a_url_built_in() {
        let with_url: Vec<_> = Environment::ALL
            .into_iter()
            .filter(|e| e.default_rpc_url().is_some())
            .collect();
        assert_eq!(with_url, [Environment::Localnet]);
    }
}
