//! The groups that an instruction names: one, and after later accounts the rest.

use crate::{
    refusal::{Refusal, Result, require},
    sys::Account,
};

/// Groups, none of them twice.
#[derive(Clone, Copy)]
pub struct Groups<'a> {
    first: Option<&'a Account>,
    more: &'a [Account],
}

impl<'a> Groups<'a> {
    /// No group.
    pub const NONE: Self = Self { first: None, more: &[] };

    /// This one and these, so many at most. That one that is named twice is refused is known for roles and a guess for
    /// users that are made; the number is a guess for both, and for too many.
    #[inline(never)]
    pub fn of(first: &'a Account, more: &'a [Account], most: usize) -> Result<Self> {
        require(more.len() < most, Refusal::INVALID_ARGUMENT)?;
        let groups = Self { first: Some(first), more };
        for (number, group) in groups.iter().enumerate() {
            let is_new = groups.iter().take(number).all(|other| other.key() != group.key());
            require(is_new, Refusal::INVALID_ARGUMENT)?;
        }
        Ok(groups)
    }

    /// All of them.
    pub fn iter(self) -> impl Iterator<Item = &'a Account> {
        self.first.into_iter().chain(self.more)
    }
}
