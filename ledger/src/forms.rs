//! Which forms of transactions the program on the ledger takes, by the version that it tells of itself.

use crate::accounts::Version;

/// What later programs take beside the forms of 0.34, which every one takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct InstructionForms {
    /// Several groups at once, when a user is made and when its roles change.
    pub folds_groups: bool,
    /// A role that the user already has needs no permission: only those that it gains do.
    pub asks_for_gained_roles_only: bool,
    /// Users are deleted by the type of their pass.
    pub deletes_by_pass_type: bool,
}

impl InstructionForms {
    /// The first version that is known to delete by the pass's type. The two others came shortly before it, in which versions
    /// could not be read: they are taken to be there from the same one on.
    const SINCE: Version = Version {
        major: 0,
        minor: 39,
        patch: 0,
    };

    /// Those of this version.
    #[must_use]
    pub fn of(version: Version) -> Self {
        let later = version >= Self::SINCE;
        Self {
            folds_groups: later,
            asks_for_gained_roles_only: later,
            deletes_by_pass_type: later,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_an_older_program_are_those_of_0_34() {
        let of = |minor| {
            InstructionForms::of(Version {
                major: 0,
                minor,
                patch: 7,
            })
        };
        assert_eq!([of(30), of(34), of(38)], [InstructionForms::default(); 3]);
        assert!(of(39).folds_groups && of(39).asks_for_gained_roles_only && of(39).deletes_by_pass_type);
        assert_eq!(of(41), of(39));
    }
}
