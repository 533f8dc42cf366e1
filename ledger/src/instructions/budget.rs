//! The compute-budget program's two instructions that start every transaction.

use warren_state::Pubkey;

use super::Instruction;

/// `ComputeBudget111111111111111111111111111111`
pub const COMPUTE_BUDGET_PROGRAM: Pubkey = Pubkey([
    3, 6, 70, 111, 229, 33, 23, 50, 255, 236, 173, 186, 114, 195, 155, 231, 188, 140, 229, 187, 197, 247, 18,
    107, 44, 67, 155, 58, 64, 0, 0, 0,
]);
/// Compute units that a transaction may use: the ledger's most.
pub const COMPUTE_UNIT_LIMIT: u32 = 1_400_000;
/// Heap that a program may use, in bytes: the ledger's most.
pub const HEAP_BYTES: u32 = 256 * 1024;

/// The two instructions, limit first.
#[must_use]
pub fn compute_budget_prelude() -> [Instruction; 2] {
    [call(2, COMPUTE_UNIT_LIMIT), call(1, HEAP_BYTES)]
}

fn call(number: u8, value: u32) -> Instruction {
    let mut data = vec![number];
    data.extend(value.to_le_bytes());
    Instruction {
        program_id: COMPUTE_BUDGET_PROGRAM,
        accounts: vec![],
        data,
    }
}
