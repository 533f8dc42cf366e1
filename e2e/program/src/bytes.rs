//! Reading and changing fields where they lie. Nothing is copied out and nothing is allocated.

use crate::{
    refusal::{Refusal, Result},
    sys::{self, Key, copy},
};

/// Goes over the fields of an account, or of an instruction's arguments, in their order.
pub struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Where a list's items are.
#[derive(Clone, Copy)]
pub struct List {
    /// The first item.
    pub at: usize,
    /// How many.
    pub count: usize,
}

impl<'a> Walk<'a> {
    /// From a byte on.
    #[inline(always)]
    pub fn from(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Passes a field of this size, and gives where it is.
    #[inline(always)]
    pub fn skip(&mut self, len: usize) -> Result<usize> {
        let at = self.at;
        let end = at.wrapping_add(len);
        if end < at || end > self.bytes.len() {
            return Err(Refusal::INVALID_ACCOUNT_DATA);
        }
        self.at = end;
        Ok(at)
    }

    /// Passes a byte, and gives it.
    #[inline(always)]
    pub fn byte(&mut self) -> Result<u8> {
        let at = self.skip(1)?;
        byte(self.bytes, at)
    }

    /// Passes an address of four bytes, and gives it.
    #[inline(never)]
    pub fn ip(&mut self) -> Result<u32> {
        let at = self.skip(4)?;
        ip(self.bytes, at)
    }

    /// Passes a key, and gives it.
    #[inline(never)]
    pub fn key(&mut self) -> Result<&'a Key> {
        let at = self.skip(32)?;
        key(self.bytes, at)
    }

    /// Passes a list of items of this size; a text is a list of bytes.
    #[inline(never)]
    pub fn list(&mut self, item: usize) -> Result<List> {
        let at = self.skip(4)?;
        let count = word(self.bytes, at)? as usize;
        let at = self.skip(count.wrapping_mul(item))?;
        Ok(List { at, count })
    }

    /// Passes what may be there or not, of this length. An end before it says that it is not.
    #[inline(always)]
    pub fn optional(&mut self, len: usize) -> Result<Option<&'a [u8]>> {
        if self.at == self.bytes.len() || !self.flag()? {
            return Ok(None);
        }
        let at = self.skip(len)?;
        Ok(self.bytes.get(at..at + len))
    }

    /// Passes a number of one byte, and gives it. An end before it says none.
    #[inline(always)]
    pub fn count(&mut self) -> Result<usize> {
        if self.at == self.bytes.len() { Ok(0) } else { Ok(self.byte()? as usize) }
    }

    /// Passes a yes or no, and gives it.
    #[inline(never)]
    pub fn flag(&mut self) -> Result<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Refusal::INVALID_INSTRUCTION_DATA),
        }
    }
}

#[inline(always)]
fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<&[u8; N]> {
    match bytes.get(at..at.wrapping_add(N)) {
        Some(part) => part.try_into().map_err(|_| Refusal::INVALID_ACCOUNT_DATA),
        None => Err(Refusal::INVALID_ACCOUNT_DATA),
    }
}

/// The byte at a place.
#[inline(never)]
pub fn byte(bytes: &[u8], at: usize) -> Result<u8> {
    bytes.get(at).copied().ok_or(Refusal::INVALID_ACCOUNT_DATA)
}

/// The number of two bytes at a place.
#[inline(never)]
pub fn short(bytes: &[u8], at: usize) -> Result<u16> {
    array(bytes, at).map(|part| u16::from_le_bytes(*part))
}

/// The number of four bytes at a place.
#[inline(never)]
pub fn word(bytes: &[u8], at: usize) -> Result<u32> {
    array(bytes, at).map(|part| u32::from_le_bytes(*part))
}

/// The number of eight bytes at a place.
#[inline(never)]
pub fn long(bytes: &[u8], at: usize) -> Result<u64> {
    array(bytes, at).map(|part| u64::from_le_bytes(*part))
}

/// The IPv4 address at a place.
#[inline(never)]
pub fn ip(bytes: &[u8], at: usize) -> Result<u32> {
    array(bytes, at).map(|part| u32::from_be_bytes(*part))
}

/// The key at a place.
#[inline(never)]
pub fn key(bytes: &[u8], at: usize) -> Result<&Key> {
    array(bytes, at).map(Key::of)
}

/// Writes at a place.
#[inline(never)]
pub fn put(bytes: &mut [u8], at: usize, value: &[u8]) -> Result<()> {
    match bytes.get_mut(at..at.wrapping_add(value.len())) {
        Some(place) => {
            copy(place, value);
            Ok(())
        }
        None => Err(Refusal::INVALID_ACCOUNT_DATA),
    }
}

/// Whether both are the same bytes.
pub fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && sys::compare(left, right) == 0
}

/// Counts a number of two bytes up; it stays at its most.
#[inline(never)]
pub fn count_up(bytes: &mut [u8], at: usize) -> Result<()> {
    let value = short(bytes, at)?.saturating_add(1);
    put(bytes, at, &value.to_le_bytes())
}

/// Counts a number of two bytes down; it stays at zero.
#[inline(never)]
pub fn count_down(bytes: &mut [u8], at: usize) -> Result<()> {
    let value = short(bytes, at)?.saturating_sub(1);
    put(bytes, at, &value.to_le_bytes())
}

/// The same for a number of four bytes, by one up or down.
#[inline(never)]
pub fn count_word(bytes: &mut [u8], at: usize, up: bool) -> Result<()> {
    let value = word(bytes, at)?;
    let value = if up { value.saturating_add(1) } else { value.saturating_sub(1) };
    put(bytes, at, &value.to_le_bytes())
}

/// Where in a list of keys this one is.
pub fn position(bytes: &[u8], list: List, wanted: &Key) -> Option<usize> {
    let mut number = 0;
    while number < list.count {
        match key(bytes, list.at + 32 * number) {
            Ok(found) if found == wanted => return Some(number),
            Ok(_) => number += 1,
            Err(_) => return None,
        }
    }
    None
}

/// Whether a list of keys has this one.
pub fn holds(bytes: &[u8], list: List, wanted: &Key) -> bool {
    position(bytes, list, wanted).is_some()
}

/// Whether an address is one of the whole internet: the same list as everywhere in the network.
pub fn is_global(address: u32) -> bool {
    match address.to_be_bytes() {
        [0 | 10 | 127 | 224..=255, ..] | [169, 254, ..] | [192, 168, ..] | [192, 0, 0 | 2, _] => false,
        [198, 51, 100, _] | [203, 0, 113, _] => false,
        [100, second, ..] => second < 64 || second > 127,
        [172, second, ..] => second < 16 || second > 31,
        _ => true,
    }
}
