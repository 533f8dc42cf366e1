//! The program that a devnet's users send their transactions to: a small subset of the network's own, written from what is
//! known of it. README.md says what it does and does not.
#![no_std]
#![warn(missing_docs)]
#![deny(unsafe_code)]

mod accounts;
mod admit;
mod ban;
mod bytes;
mod create;
mod delete;
mod device;
mod feeds;
mod groups;
mod make;
mod pass;
mod proof;
mod refusal;
mod resource;
mod roles;
mod sys;
mod user;

use refusal::{Refusal, Result};
use sys::{Account, Key, log};

/// Carries out one instruction: a byte with its number, then its arguments.
fn process(program: &Key, accounts: &[Account], data: &[u8]) -> Result<()> {
    let Some((number, arguments)) = data.split_first() else { return Err(Refusal::INVALID_INSTRUCTION_DATA) };
    match number {
        36 => {
            log("Instruction: CreateUser");
            create::create_user(program, accounts, arguments)
        }
        42 | delete::FIRST_TYPED..=delete::LAST_TYPED => {
            log("Instruction: DeleteUser");
            delete::delete(program, accounts, data)
        }
        44 => {
            log("Instruction: RequestBanUser");
            ban::ban(program, accounts, arguments)
        }
        58 => {
            log("Instruction: UpdateMulticastGroupRoles");
            roles::update(program, accounts, arguments)
        }
        59 => {
            log("Instruction: CreateSubscribeUser");
            create::create_subscribe_user(program, accounts, arguments)
        }
        117 => {
            log("Instruction: SubscribeFeed");
            feeds::subscribe(program, accounts, arguments)
        }
        118 => {
            log("Instruction: UnsubscribeFeed");
            feeds::unsubscribe(program, accounts, arguments)
        }
        // Activation, rejection, suspension, resumption, closing and banning in two steps: gone since the program allocates.
        37 | 38 | 40 | 41 | 43 | 45 => Err(Refusal::DEPRECATED),
        _ => Err(Refusal::INVALID_INSTRUCTION_DATA),
    }
}
