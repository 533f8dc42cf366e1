//! A secret of this installation: random octets in a file of its own, which only the daemon's user may read.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

const SECRET: &str = "secret";
const TEMPORARY: &str = "secret.new";
const RANDOM: &str = "/dev/urandom";

/// The secret that is kept in this directory; one that is new is on disk when this returns.
///
/// # Errors
/// When there is none and none can be written.
pub fn secret(directory: &Path) -> io::Result<[u8; 32]> {
    if let Ok(kept) = fs::read(directory.join(SECRET))
        && let Ok(secret) = kept.try_into()
    {
        return Ok(secret);
    }
    let mut secret = [0; 32];
    File::open(RANDOM)?.read_exact(&mut secret)?;
    let (from, to) = (directory.join(TEMPORARY), directory.join(SECRET));
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&from)?;
    let written = file.write_all(&secret).and_then(|()| file.sync_all());
    written.and_then(|()| fs::rename(&from, &to)).inspect_err(|_| {
        let _left = fs::remove_file(&from);
    })?;
    File::open(directory)?.sync_all()?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_stays_is_nobody_elses_to_read_and_differs_for_each_installation() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = secret(one.path()).unwrap();
        assert_eq!(secret(one.path()).unwrap(), first);
        assert_ne!(secret(other.path()).unwrap(), first);
        let mode = fs::metadata(one.path().join(SECRET))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(one.path().join(SECRET), "short").unwrap();
        assert_ne!(
            secret(one.path()).unwrap(),
            first,
            "a damaged one is not believed"
        );
        assert!(secret(Path::new("/proc/self")).is_err());
    }
}
