//! The ledger's runtime: what a program is given, and the calls that it may make.
//!
//! The input is one buffer: the number of accounts, each account (88 bytes of header, its data, room to grow, its rent
//! epoch), the instruction's data, the program's address. An account that was there before is one byte with its number.
#![allow(unsafe_code)]

use core::{panic::PanicInfo, ptr, slice};

use crate::refusal::{Refusal, Result};

/// An address.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Key(pub [u8; 32]);

impl PartialEq for Key {
    /// Without a call: the compiler's own comparison is one of a function that the ledger does not have.
    #[inline(never)]
    fn eq(&self, other: &Self) -> bool {
        let (left, right) = (self.quarters(), other.quarters());
        (left[0] ^ right[0]) | (left[1] ^ right[1]) | (left[2] ^ right[2]) | (left[3] ^ right[3]) == 0
    }
}

impl Key {
    /// These bytes as a key.
    #[inline(always)]
    pub fn of(bytes: &[u8; 32]) -> &Self {
        // SAFETY: a key is nothing but its bytes.
        unsafe { &*ptr::from_ref(bytes).cast() }
    }

    #[inline(always)]
    fn quarters(&self) -> [u64; 4] {
        // SAFETY: four times eight bytes, of any alignment.
        unsafe { ptr::from_ref(self).cast::<[u64; 4]>().read_unaligned() }
    }
}

/// The system program: its address is all zeros.
pub const SYSTEM: Key = Key([0; 32]);
/// More accounts than any instruction here names.
pub const MOST_ACCOUNTS: usize = 48;
/// By how many bytes an account may grow in one instruction.
const ROOM_TO_GROW: usize = 10 * 1024;

mod at {
    pub const SIGNER: usize = 1;
    pub const WRITABLE: usize = 2;
    pub const EXECUTABLE: usize = 3;
    pub const KEY: usize = 8;
    pub const OWNER: usize = 40;
    pub const LAMPORTS: usize = 72;
    pub const LENGTH: usize = 80;
    pub const DATA: usize = 88;
}

/// An account of the input.
#[derive(Clone, Copy)]
pub struct Account(*mut u8);

impl Account {
    const NONE: Self = Self(ptr::null_mut());

    /// Its address.
    pub fn key(&self) -> &'static Key {
        // SAFETY: the runtime's buffer outlives the program, and 32 bytes of it are the address.
        unsafe { &*self.0.add(at::KEY).cast() }
    }

    /// The program that owns it.
    pub fn owner(&self) -> &'static Key {
        // SAFETY: as for the address.
        unsafe { &*self.0.add(at::OWNER).cast() }
    }

    /// Whether it signed the transaction.
    pub fn is_signer(&self) -> bool {
        self.byte(at::SIGNER) != 0
    }

    /// Whether the transaction lets it be changed.
    pub fn is_writable(&self) -> bool {
        self.byte(at::WRITABLE) != 0
    }

    /// Its balance.
    pub fn lamports(&self) -> u64 {
        // SAFETY: the header is aligned to 8 bytes, and so is this field.
        unsafe { *self.0.add(at::LAMPORTS).cast() }
    }

    /// Another balance.
    pub fn set_lamports(&self, lamports: u64) {
        // SAFETY: as for reading it; the runtime checks the sum over all accounts.
        unsafe { *self.0.add(at::LAMPORTS).cast() = lamports }
    }

    /// Its data.
    pub fn data(&self) -> &'static [u8] {
        // SAFETY: the runtime wrote the length, or `resize` did.
        unsafe { slice::from_raw_parts(self.0.add(at::DATA), self.len()) }
    }

    /// Its data, to change. To be held no longer than one change takes.
    pub fn data_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for reading it. Two accounts of an instruction that are the same one are never written at the same time.
        unsafe { slice::from_raw_parts_mut(self.0.add(at::DATA), self.len()) }
    }

    /// Another length, within the room that an account has to grow.
    pub fn resize(&mut self, length: usize) {
        // SAFETY: every caller grows by less than the room that follows the data.
        unsafe { *self.0.add(at::LENGTH).cast() = length as u64 }
    }

    /// Gives it back to the system program, empty and without balance.
    pub fn close(&mut self) {
        self.set_lamports(0);
        self.resize(0);
        // SAFETY: the owner's 32 bytes; the runtime lets an owner give an account away whose data is all zeros or gone.
        unsafe { *self.0.add(at::OWNER).cast() = SYSTEM }
    }

    fn len(&self) -> usize {
        // SAFETY: aligned as the balance is.
        unsafe { *self.0.add(at::LENGTH).cast::<u64>() as usize }
    }

    fn byte(&self, offset: usize) -> u8 {
        // SAFETY: within the header.
        unsafe { *self.0.add(offset) }
    }

    fn info(&self) -> Info {
        // SAFETY: pointers into the header and to the data behind it.
        unsafe {
            Info {
                key: self.0.add(at::KEY),
                lamports: self.0.add(at::LAMPORTS),
                data_len: self.len() as u64,
                data: self.0.add(at::DATA),
                owner: self.0.add(at::OWNER),
                rent_epoch: u64::MAX,
                signer: self.is_signer(),
                writable: self.is_writable(),
                executable: self.byte(at::EXECUTABLE) != 0,
            }
        }
    }
}

#[repr(C)]
struct Info {
    key: *const u8,
    lamports: *const u8,
    data_len: u64,
    data: *const u8,
    owner: *const u8,
    rent_epoch: u64,
    signer: bool,
    writable: bool,
    executable: bool,
}

#[repr(C)]
struct Meta {
    key: *const Key,
    writable: bool,
    signer: bool,
}

#[repr(C)]
struct Call {
    program: *const Key,
    accounts: *const Meta,
    accounts_len: u64,
    data: *const u8,
    data_len: u64,
}

#[repr(C)]
struct Seeds<'a> {
    seeds: *const &'a [u8],
    len: u64,
}

unsafe extern "C" {
    fn sol_log_(text: *const u8, len: u64);
    fn sol_invoke_signed_c(call: *const Call, infos: *const Info, infos_len: u64, seeds: *const u8, seeds_len: u64) -> u64;
    fn sol_try_find_program_address(seeds: *const u8, seeds_len: u64, program: *const u8, address: *mut u8, bump: *mut u8) -> u64;
    fn sol_get_clock_sysvar(out: *mut u8) -> u64;
    fn sol_get_rent_sysvar(out: *mut u8) -> u64;
    fn sol_memcpy_(to: *mut u8, from: *const u8, len: u64);
    fn sol_memmove_(to: *mut u8, from: *const u8, len: u64);
    fn sol_memcmp_(left: *const u8, right: *const u8, len: u64, difference: *mut i32);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn entrypoint(input: *mut u8) -> u64 {
    let mut accounts = [Account::NONE; MOST_ACCOUNTS];
    // SAFETY: the runtime's buffer has the form that this module's head tells; every pointer below follows it.
    unsafe {
        let count = *input.cast::<u64>() as usize;
        if count > MOST_ACCOUNTS {
            return Refusal::TOO_MANY_ACCOUNTS.code();
        }
        let mut next = input.add(8);
        for number in 0..count {
            const NEW: u8 = 0xff;
            if *next == NEW {
                let account = Account(next);
                accounts[number] = account;
                let end = next.add(at::DATA + account.len() + ROOM_TO_GROW) as usize;
                next = (end.next_multiple_of(8) + 8) as *mut u8;
            } else {
                accounts[number] = accounts[(*next) as usize % MOST_ACCOUNTS];
                next = next.add(8);
            }
        }
        let len = *next.cast::<u64>() as usize;
        let data = slice::from_raw_parts(next.add(8), len);
        let program = &*next.add(8 + len).cast::<Key>();
        match crate::process(program, slice::from_raw_parts(accounts.as_ptr(), count), data) {
            Ok(()) => 0,
            Err(refusal) if refusal == Refusal::WRONG_ADDRESS => break_off(),
            Err(refusal) => refusal.code(),
        }
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    break_off()
}

/// Ends the program with `ProgramFailedToComplete`.
fn break_off() -> ! {
    // A write to address 0 ends it.
    // SAFETY: it is meant to fail.
    unsafe { ptr::null_mut::<u8>().write_volatile(0) };
    loop {}
}

/// A line in the transaction's log.
#[inline(always)]
pub fn log(text: &str) {
    // SAFETY: the text's own bytes.
    unsafe { sol_log_(text.as_ptr(), text.len() as u64) }
}

/// The bump of the address that the program derives from these seeds, when it is this one.
pub fn bump_of(key: &Key, program: &Key, seeds: &[&[u8]]) -> Option<u8> {
    let (mut address, mut bump) = (SYSTEM, [0]);
    // SAFETY: a slice of slices is a list of (pointer, length), which is what the runtime reads; it writes 32 bytes and one.
    let code = unsafe {
        sol_try_find_program_address(
            seeds.as_ptr().cast(),
            seeds.len() as u64,
            program.0.as_ptr(),
            address.0.as_mut_ptr(),
            bump.as_mut_ptr(),
        )
    };
    if code == 0 && address == *key { Some(bump[0]) } else { None }
}

/// The ledger's epoch.
pub fn epoch() -> u64 {
    // Slot, start of the epoch, epoch, next epoch with leaders, time.
    let mut clock = [0_u64; 5];
    // SAFETY: the sysvar has 40 bytes.
    unsafe { sol_get_clock_sysvar(clock.as_mut_ptr().cast()) };
    clock[2]
}

/// What an account of this size must hold to stay.
pub fn rent(len: usize) -> u64 {
    const OVERHEAD: u64 = 128;
    const TWO: u64 = 2.0_f64.to_bits();
    // Lamports per byte, years as a float (2, or 1 on newer ledgers), burnt share.
    let mut rent = [0_u64; 3];
    // SAFETY: the sysvar has 17 bytes, padded to 24.
    unsafe { sol_get_rent_sysvar(rent.as_mut_ptr().cast()) };
    let years = if rent[1] == TWO { 2 } else { 1 };
    (OVERHEAD + len as u64) * rent[0] * years
}

/// Makes an account of this program at a derived address, paid by the payer.
pub fn create(payer: &Account, new: &Account, program: &Key, len: usize, seeds: &[&[u8]]) -> Result<()> {
    let mut data = [0; 52];
    data[4..12].copy_from_slice(&rent(len).to_le_bytes());
    data[12..20].copy_from_slice(&(len as u64).to_le_bytes());
    data[20..52].copy_from_slice(&program.0);
    let metas = [Meta { key: payer.key(), writable: true, signer: true }, Meta { key: new.key(), writable: true, signer: true }];
    let signers = Seeds { seeds: seeds.as_ptr(), len: seeds.len() as u64 };
    invoke(&data, &metas, &[payer.info(), new.info()], Some(&signers))
}

/// Sends lamports.
pub fn transfer(from: &Account, to: &Account, lamports: u64) -> Result<()> {
    let mut data = [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    data[4..12].copy_from_slice(&lamports.to_le_bytes());
    let metas = [Meta { key: from.key(), writable: true, signer: true }, Meta { key: to.key(), writable: true, signer: false }];
    invoke(&data, &metas, &[from.info(), to.info()], None)
}

/// Calls the system program. When that fails the runtime ends this program with the system program's error.
#[inline(always)]
fn invoke(data: &[u8], metas: &[Meta], infos: &[Info], signers: Option<&Seeds<'_>>) -> Result<()> {
    let call = Call {
        program: &SYSTEM,
        accounts: metas.as_ptr(),
        accounts_len: metas.len() as u64,
        data: data.as_ptr(),
        data_len: data.len() as u64,
    };
    let (signers, count) = signers.map_or((ptr::null(), 0), |signers| (ptr::from_ref(signers).cast(), 1));
    // SAFETY: all pointers are to what lives until the call returns.
    let code = unsafe { sol_invoke_signed_c(&call, infos.as_ptr(), infos.len() as u64, signers, count) };
    Refusal::of_call(code)
}

/// Copies as many bytes as both have.
pub fn copy(to: &mut [u8], from: &[u8]) {
    let len = if from.len() < to.len() { from.len() } else { to.len() };
    // SAFETY: neither the source nor the target reaches past its end, and a place to write to overlaps nothing.
    unsafe { sol_memcpy_(to.as_mut_ptr(), from.as_ptr(), len as u64) }
}

/// Of as many bytes as both have, which comes first; 0 when they are the same.
pub fn compare(left: &[u8], right: &[u8]) -> i32 {
    let len = if left.len() < right.len() { left.len() } else { right.len() };
    let mut difference = 0;
    // SAFETY: neither is read past its end, and the answer has its own place.
    unsafe { sol_memcmp_(left.as_ptr(), right.as_ptr(), len as u64, &raw mut difference) };
    difference
}

/// Moves the bytes from `from` on to `to`, as many as fit.
pub fn shift(data: &mut [u8], from: usize, to: usize) {
    let len = data.len().saturating_sub(if from > to { from } else { to });
    // SAFETY: neither the source nor the target reaches past the end.
    unsafe { sol_memmove_(data.as_mut_ptr().add(to), data.as_ptr().add(from), len as u64) }
}
