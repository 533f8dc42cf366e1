//! Why the ledger did not carry out a transaction, as its answers say it.

use serde_json::Value;

use warren_state::Pubkey;

use crate::{
    instructions::{COMPUTE_BUDGET_PROGRAM, ED25519_PROGRAM, SYSTEM_PROGRAM},
    program_error::ProgramError,
};

/// Why the ledger did not carry out a transaction.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TransactionFailure {
    /// The program refused, with a number of its own.
    #[error("{error}")]
    Program {
        /// Which instruction of the transaction, from 0; the first two are the compute budget's.
        instruction: u8,
        /// The refusal.
        error: ProgramError,
    },
    /// The ledger itself stopped an instruction.
    #[error("the ledger stopped instruction {instruction}: {reason}")]
    Instruction {
        /// The index of the instruction in its transaction, from 0.
        instruction: u8,
        /// The ledger's word for it.
        reason: String,
    },
    /// A program broke off in the middle, without saying why.
    #[error("the program broke off in instruction {instruction} without saying why ({PANICKED})")]
    Panicked {
        /// The index of the instruction in its transaction, from 0.
        instruction: u8,
    },
    /// The payer cannot pay the fee, or does not exist.
    #[error("the payer has no balance for the fee")]
    NoBalance,
    /// The payer cannot pay for an account.
    #[error("the payer's balance does not cover an account's rent")]
    NoRent,
    /// The ledger does not know the transaction's blockhash: too old, or too new for the node that was asked.
    #[error("the ledger does not know the transaction's blockhash")]
    BlockhashNotFound,
    /// The ledger has carried the same transaction out before.
    #[error("the ledger has carried this transaction out before")]
    AlreadyProcessed,
    /// Any other failure, in the ledger's own words.
    #[error("the ledger refused the transaction: {0}")]
    Other(String),
}

/// The ledger's word for a program that broke off.
const PANICKED: &str = "ProgramFailedToComplete";

impl TransactionFailure {
    /// What to do about it, where there is something: one sentence.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Program { error, .. } => Some(error.advice()),
            Self::Panicked { .. } => Some(
                "The ledger's records changed or contradict each other: run the command again, and tell the network's operators if it says the same.",
            ),
            Self::NoBalance | Self::NoRent => Some("Send the payer enough for fees and an account's rent."),
            Self::Instruction { .. } | Self::BlockhashNotFound | Self::AlreadyProcessed | Self::Other(_) => {
                None
            }
        }
    }

    /// The same, told apart by the programs that the transaction's instructions call, in their order: a number of one of the
    /// ledger's own programs is never one of ours.
    #[must_use]
    pub fn of_programs(self, programs: &[Pubkey]) -> Self {
        let Self::Program { instruction, error } = self else {
            return self;
        };
        let number = error.code();
        let reason = match programs.get(usize::from(instruction)) {
            Some(program) if *program == ED25519_PROGRAM => {
                format!("a signature in the transaction is not valid (error {number})")
            }
            Some(program) if *program == SYSTEM_PROGRAM => {
                format!("the system program refused (error {number})")
            }
            Some(program) if *program == COMPUTE_BUDGET_PROGRAM => {
                format!("the compute budget was refused (error {number})")
            }
            Some(_) | None => return Self::Program { instruction, error },
        };
        Self::Instruction { instruction, reason }
    }

    /// Reads the `err` of a transaction's status or of a simulation.
    #[must_use]
    pub fn from_json(err: &Value) -> Self {
        match err {
            Value::String(name) => Self::from_name(name),
            Value::Object(fields) => match fields.iter().next() {
                Some((name, inner)) if name == "InstructionError" => instruction_error(inner),
                Some((name, _)) => Self::from_name(name),
                None => Self::Other("{}".into()),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                Self::Other(bounded(&err.to_string()))
            }
        }
    }

    /// Reads the message of a JSON-RPC error for a transaction that a node tried and that failed; `None` when the message
    /// is about something else.
    #[must_use]
    pub fn from_message(message: &str) -> Option<Self> {
        const PHRASES: [(&str, &str); 5] = [
            ("no record of a prior credit", "AccountNotFound"),
            ("Insufficient funds for fee", "InsufficientFundsForFee"),
            ("insufficient funds for rent", "InsufficientFundsForRent"),
            ("Blockhash not found", "BlockhashNotFound"),
            ("already been processed", "AlreadyProcessed"),
        ];
        if let Some((_, rest)) = message.split_once("Error processing Instruction ") {
            let (index, reason) = rest.split_once(": ")?;
            let instruction = index.parse().ok()?;
            let code = reason
                .split_once("custom program error: 0x")
                .map(|(_, code)| leading_hex(code));
            return Some(match code {
                Some(code) => Self::Program {
                    instruction,
                    error: ProgramError::from_code(code?),
                },
                None if reason.contains("Program failed to complete") => Self::Panicked { instruction },
                None => Self::Instruction {
                    instruction,
                    reason: bounded(reason),
                },
            });
        }
        PHRASES
            .iter()
            .find(|(phrase, _)| message.contains(phrase))
            .map(|(_, name)| Self::from_name(name))
    }

    fn from_name(name: &str) -> Self {
        match name {
            "AccountNotFound" | "InsufficientFundsForFee" => Self::NoBalance,
            "InsufficientFundsForRent" => Self::NoRent,
            "BlockhashNotFound" => Self::BlockhashNotFound,
            "AlreadyProcessed" => Self::AlreadyProcessed,
            other => Self::Other(bounded(other)),
        }
    }
}

/// `[index, "Name"]` or `[index, {"Custom": code}]`.
fn instruction_error(inner: &Value) -> TransactionFailure {
    let Some(instruction) = inner
        .get(0)
        .and_then(Value::as_u64)
        .and_then(|index| u8::try_from(index).ok())
    else {
        return TransactionFailure::Other(bounded(&inner.to_string()));
    };
    let reason = inner.get(1).unwrap_or(&Value::Null);
    let code = reason
        .get("Custom")
        .and_then(Value::as_u64)
        .and_then(|code| u32::try_from(code).ok());
    match (code, reason.as_str()) {
        (Some(code), _) => TransactionFailure::Program {
            instruction,
            error: ProgramError::from_code(code),
        },
        (None, Some(PANICKED)) => TransactionFailure::Panicked { instruction },
        (None, Some(name)) => TransactionFailure::Instruction {
            instruction,
            reason: bounded(name),
        },
        (None, None) => TransactionFailure::Instruction {
            instruction,
            reason: bounded(&reason.to_string()),
        },
    }
}

fn leading_hex(text: &str) -> Option<u32> {
    let digits = text.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(text.len());
    u32::from_str_radix(&text[..digits], 16).ok()
}

fn bounded(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_custom_code_is_the_programs_error_with_its_instruction_and_an_unknown_one_keeps_its_number() {
        let read =
            |code: u32| TransactionFailure::from_json(&json!({"InstructionError": [2, {"Custom": code}]}));
        assert_eq!(
            read(20),
            TransactionFailure::Program {
                instruction: 2,
                error: ProgramError::MaxUsersExceeded
            }
        );
        assert_eq!(
            read(6001),
            TransactionFailure::Program {
                instruction: 2,
                error: ProgramError::Unknown(6001)
            }
        );
    }

    #[test]
    fn the_ledgers_own_errors_are_told_from_the_programs() {
        let read = |err: Value| TransactionFailure::from_json(&err);
        let stopped = TransactionFailure::Instruction {
            instruction: 2,
            reason: "InvalidSeeds".into(),
        };
        assert_eq!(read(json!({"InstructionError": [2, "InvalidSeeds"]})), stopped);
        assert_eq!(read(json!("AccountNotFound")), TransactionFailure::NoBalance);
        assert_eq!(
            read(json!("InsufficientFundsForFee")),
            TransactionFailure::NoBalance
        );
        assert_eq!(
            read(json!({"InsufficientFundsForRent": {"account_index": 0}})),
            TransactionFailure::NoRent
        );
        assert_eq!(
            read(json!("BlockhashNotFound")),
            TransactionFailure::BlockhashNotFound
        );
        assert_eq!(
            read(json!("CallChainTooDeep")),
            TransactionFailure::Other("CallChainTooDeep".into())
        );
    }

    #[test]
    fn a_program_that_breaks_off_gets_a_sentence_in_both_forms() {
        let panicked = TransactionFailure::Panicked { instruction: 2 };
        assert_eq!(
            TransactionFailure::from_json(&json!({"InstructionError": [2, "ProgramFailedToComplete"]})),
            panicked
        );
        let simulated =
            "Transaction simulation failed: Error processing Instruction 2: Program failed to complete";
        assert_eq!(
            TransactionFailure::from_message(simulated),
            Some(panicked.clone())
        );
        assert!(panicked.to_string().contains("broke off"), "{panicked}");
        assert!(panicked.advice().is_some_and(|advice| advice.ends_with('.')));
    }

    #[test]
    fn a_number_of_one_of_the_ledgers_own_programs_is_never_one_of_ours() {
        let ours = Pubkey([9; 32]);
        let programs = [
            COMPUTE_BUDGET_PROGRAM,
            COMPUTE_BUDGET_PROGRAM,
            ED25519_PROGRAM,
            ours,
            SYSTEM_PROGRAM,
        ];
        let read = |instruction: u8| {
            TransactionFailure::from_json(&json!({"InstructionError": [instruction, {"Custom": 2}]}))
                .of_programs(&programs)
        };
        for (instruction, word) in [(0, "compute budget"), (2, "signature"), (4, "system program")] {
            let failure = read(instruction);
            assert!(
                matches!(&failure, TransactionFailure::Instruction { reason, .. } if reason.contains(word)),
                "{failure:?}"
            );
        }
        for instruction in [3, 9] {
            assert_eq!(
                read(instruction),
                TransactionFailure::Program {
                    instruction,
                    error: ProgramError::InvalidLocationPubkey
                }
            );
        }
    }

    #[test]
    fn whatever_the_ledger_says_is_read_without_a_panic_and_bounded() {
        let long = "x".repeat(10_000);
        let odd = [
            json!(null),
            json!(3),
            json!([]),
            json!({}),
            json!({"InstructionError": []}),
            json!({"InstructionError": [999, "A"]}),
        ];
        for err in odd.into_iter().chain([
            json!(long),
            json!({"InstructionError": [1, {"Custom": -1}]}),
            json!({"InstructionError": [1]}),
        ]) {
            assert!(
                TransactionFailure::from_json(&err).to_string().len() < 300,
                "{err}"
            );
        }
    }

    #[test]
    fn a_simulations_message_tells_the_same_as_the_error_itself() {
        let read = |text: &str| TransactionFailure::from_message(text);
        let simulated =
            "Transaction simulation failed: Error processing Instruction 2: custom program error: 0x14";
        assert_eq!(
            read(simulated),
            Some(TransactionFailure::Program {
                instruction: 2,
                error: ProgramError::MaxUsersExceeded
            })
        );
        let more = "Error processing Instruction 2: custom program error: 0x35, logs: none";
        assert_eq!(
            read(more),
            Some(TransactionFailure::Program {
                instruction: 2,
                error: ProgramError::AccessPassNotFound
            })
        );
        let debit = "Transaction simulation failed: Attempt to debit an account but found no record of a prior credit.";
        assert_eq!(read(debit), Some(TransactionFailure::NoBalance));
        assert_eq!(
            read("Transaction simulation failed: Blockhash not found"),
            Some(TransactionFailure::BlockhashNotFound)
        );
        let stopped = TransactionFailure::Instruction {
            instruction: 1,
            reason: "invalid instruction data".into(),
        };
        assert_eq!(
            read("Error processing Instruction 1: invalid instruction data"),
            Some(stopped)
        );
        assert_eq!(read("Invalid params: unable to parse"), None);
        assert_eq!(
            read("Error processing Instruction x: custom program error: 0xzz"),
            None
        );
    }
}
