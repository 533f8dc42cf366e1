//! Which programs are hooks, and which may be run: those that nobody but root and the daemon's own user could have put there.

use std::{
    collections::BTreeSet,
    fs::{self, Metadata},
    io::ErrorKind,
    os::unix::fs::MetadataExt,
    path::Path,
};

use nix::unistd::geteuid;

/// Members of the group and others may write.
const WRITABLE: u32 = 0o022;
/// Of a directory: only who owns a file there may replace it.
const STICKY: u32 = 0o1000;
const EXECUTABLE: u32 = 0o111;

/// The names of the hooks; there may be none, and no directory.
///
/// # Errors
/// When somebody else could put something there, for people.
pub(super) fn look(directory: &Path) -> Result<BTreeSet<String>, String> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
        entries => entries.map_err(|error| format!("{}: {error}", directory.display()))?,
    };
    is_safe(directory)?;
    let names = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| is_name(name) && !directory.join(name).is_dir());
    Ok(names.collect())
}

/// As run-parts(8) has it: what an editor or a package manager leaves behind is none, nor is what ends in `.sample`.
fn is_name(name: &str) -> bool {
    let is_usual = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'_' || octet == b'-';
    !name.is_empty() && name.len() <= 64 && name.bytes().all(is_usual)
}

/// The directory and those above it.
fn is_safe(directory: &Path) -> Result<(), String> {
    let real = fs::canonicalize(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    for (level, path) in real.ancestors().enumerate() {
        let metadata = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let is_sticky = level > 0 && metadata.mode() & STICKY != 0;
        is_ours(path, &metadata, is_sticky)?;
    }
    Ok(())
}

/// Whether this may be run.
///
/// # Errors
/// Why not, for people.
pub(super) fn may_run(path: &Path) -> Result<(), String> {
    let metadata = fs::symlink_metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err(format!("{} is not a regular file", path.display()));
    }
    if metadata.mode() & EXECUTABLE == 0 {
        return Err(format!("{} is not executable", path.display()));
    }
    is_ours(path, &metadata, false)
}

fn is_ours(path: &Path, metadata: &Metadata, is_sticky: bool) -> Result<(), String> {
    let owner = metadata.uid();
    if owner != 0 && owner != geteuid().as_raw() {
        return Err(format!(
            "{} belongs to uid {owner}, not to root or the daemon's user",
            path.display()
        ));
    }
    if metadata.mode() & WRITABLE != 0 && !is_sticky {
        return Err(format!(
            "{} is writable by others (mode {:o})",
            path.display(),
            metadata.mode() & 0o7777
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn hooks_are_files_with_plain_names() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(look(&directory.path().join("none")), Ok(BTreeSet::new()));
        for name in ["failover", "10-page", "x.sample", "x~", ".hidden", "a.dpkg-new"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        fs::create_dir(directory.path().join("folder")).unwrap();
        let found = look(directory.path()).unwrap();
        assert_eq!(found, ["10-page".to_owned(), "failover".to_owned()].into());
    }

    #[test]
    fn what_others_could_have_put_there_is_not_run() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hook");
        fs::write(&path, "").unwrap();
        for (bits, says) in [
            (0o644, "not executable"),
            (0o775, "writable by others (mode 775)"),
            (0o757, "writable by others (mode 757)"),
        ] {
            mode(&path, bits);
            let refusal = may_run(&path).unwrap_err();
            assert!(refusal.contains(says), "{refusal}");
        }
        mode(&path, 0o700);
        assert_eq!(may_run(&path), Ok(()));
        symlink(&path, directory.path().join("link")).unwrap();
        assert!(
            may_run(&directory.path().join("link"))
                .unwrap_err()
                .contains("not a regular file")
        );
        for bits in [0o770, 0o1777] {
            mode(directory.path(), bits);
            assert!(look(directory.path()).unwrap_err().contains("writable by others"));
        }
        let inner = directory.path().join("inner");
        fs::create_dir(&inner).unwrap();
        mode(&inner, 0o755);
        mode(directory.path(), 0o777);
        assert!(
            look(&inner).unwrap_err().contains("writable by others"),
            "nor one above it"
        );
        mode(directory.path(), 0o700);
        assert_eq!(look(&inner), Ok(BTreeSet::new()));
    }

    #[test]
    fn what_belongs_to_somebody_else_is_not_run() {
        if !geteuid().is_root() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hook");
        fs::write(&path, "").unwrap();
        mode(&path, 0o755);
        std::os::unix::fs::chown(&path, Some(65_534), None).unwrap();
        assert!(may_run(&path).unwrap_err().contains("belongs to uid 65534"));
        std::os::unix::fs::chown(directory.path(), Some(65_534), None).unwrap();
        assert!(
            look(directory.path())
                .unwrap_err()
                .contains("belongs to uid 65534")
        );
    }
}
