//! Allocators: a bit for each address or number of a range. The lowest free one is taken.
//!
//! The account is a resource extension: type, owner, bump, what it belongs to, then the range at byte 66, and the bits from
//! byte 88 on. What is never to be given out has its bit set from the start.

use crate::{
    accounts::{PREFIX, expect_derived, expect_global, expect_kind},
    bytes::{byte, ip, long, put, short},
    refusal::{Refusal, Result, require},
    sys::{Account, Key},
};

const KIND: u8 = 12;
const RANGE: usize = 66;
const BITS: usize = 88;
const ADDRESSES: u8 = 0;
const NUMBERS: u8 = 1;

/// A range with its allocator.
pub struct Block {
    account: Account,
    first: u32,
    size: usize,
    lowest_free: usize,
}

impl Block {
    /// One of the whole network.
    pub fn global(account: &Account, program: &Key, name: &[u8]) -> Result<Self> {
        expect_global(account, program, name)?;
        Self::read(account, program)
    }

    /// Numbers of a device's tunnels.
    pub fn tunnel_ids(account: &Account, program: &Key, device: &Key) -> Result<Self> {
        expect_derived(account, program, &[PREFIX, b"tunnelids", &device.0, &[0; 8]], Refusal::WRONG_ADDRESS)?;
        Self::read(account, program)
    }

    /// Addresses of a device's prefix.
    pub fn prefix(account: &Account, program: &Key, device: &Key, number: usize) -> Result<Self> {
        let index = (number as u64).to_le_bytes();
        expect_derived(account, program, &[PREFIX, b"dzprefixblock", &device.0, &index], Refusal::WRONG_ADDRESS)?;
        Self::read(account, program)
    }

    fn read(account: &Account, program: &Key) -> Result<Self> {
        expect_kind(account, program, KIND, Refusal::INVALID_ACCOUNT_DATA)?;
        let data = account.data();
        let (first, size, lowest_free) = match byte(data, RANGE)? {
            ADDRESSES => {
                let prefix = byte(data, RANGE + 5)?;
                require(prefix >= 8 && prefix <= 32, Refusal::INVALID_ACCOUNT_DATA)?;
                (ip(data, RANGE + 1)?, 1_usize << (32 - prefix), RANGE + 6)
            }
            NUMBERS => {
                let (start, end) = (short(data, RANGE + 1)?, short(data, RANGE + 3)?);
                (u32::from(start), usize::from(end.saturating_sub(start)), RANGE + 5)
            }
            _ => return Err(Refusal::INVALID_ACCOUNT_DATA),
        };
        let bits = 8 * data.len().saturating_sub(BITS);
        Ok(Self { account: *account, first, size: if size < bits { size } else { bits }, lowest_free })
    }

    /// Takes the lowest one; with a width of 2, the lowest free pair whose first is even.
    pub fn take(&mut self, width: usize) -> Result<u32> {
        let data = self.account.data_mut();
        let mut at = long(data, self.lowest_free)? as usize;
        at &= !(width - 1);
        while at < self.size && at + width <= self.size {
            let bits = byte(data, BITS + at / 8)?;
            if bits == 0xff {
                at = (at / 8 + 1) * 8;
                continue;
            }
            let mask = mask(at, width);
            if bits & mask == 0 {
                put(data, BITS + at / 8, &[bits | mask])?;
                put(data, self.lowest_free, &((at + width) as u64).to_le_bytes())?;
                return Ok(self.first + at as u32);
            }
            at += width;
        }
        Err(Refusal::ALLOCATION_FAILED)
    }

    /// Whether this one is of the range.
    pub fn has(&self, value: u32) -> bool {
        value >= self.first && ((value - self.first) as usize) < self.size
    }

    /// Gives back what was taken. What is not of the range, or not taken, is left alone.
    pub fn give_back(&mut self, value: u32, width: usize) -> Result<()> {
        if !self.has(value) {
            return Ok(());
        }
        let at = (value - self.first) as usize;
        let data = self.account.data_mut();
        let bits = byte(data, BITS + at / 8)?;
        put(data, BITS + at / 8, &[bits & !mask(at, width)])?;
        let lowest = long(data, self.lowest_free)?;
        if (at as u64) < lowest {
            put(data, self.lowest_free, &(at as u64).to_le_bytes())?;
        }
        Ok(())
    }
}

fn mask(at: usize, width: usize) -> u8 {
    let ones: u8 = if width == 2 { 3 } else { 1 };
    ones << (at % 8)
}
