//! The API's socket: made so that it is never left stale, and removed on the way out.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
};

/// Everyone may connect and read; what a caller may change is decided by its credentials.
const MODE: u32 = 0o666;
/// Of folders that are made on the way: everyone must be able to get to the socket, whatever the umask.
const FOLDER_MODE: u32 = 0o755;

/// Why the socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// A process answers on it.
    #[error("{0} is in use: another daemon answers on it")]
    InUse(PathBuf),
    /// Something that is no socket is there.
    #[error("{0} exists and is not a socket; it is not ours to remove")]
    NotASocket(PathBuf),
    /// The system refused to make, bind or remove the socket.
    #[error("cannot {operation} {path}")]
    Io {
        /// What was being attempted when it failed.
        operation: &'static str,
        /// The path that it was attempted on.
        path: PathBuf,
        /// The error of the system below.
        #[source]
        source: io::Error,
    },
}

/// A socket file of ours. Dropping it removes the file, unless another one has taken its place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
    /// While this is open no other file can get the inode's number.
    _pin: fs::File,
}

/// Listens on the path, without blocking. Its directory is made when it is not there, open to everyone; one that is there stays as
/// it is. A socket that nobody answers on is replaced.
///
/// # Errors
/// When another daemon answers there, something else is there, or the system refuses.
pub fn bind(path: &Path) -> Result<(UnixListener, SocketFile), SocketError> {
    let failed = |operation: &'static str| {
        move |source| SocketError::Io {
            operation,
            path: path.to_owned(),
            source,
        }
    };
    if let Some(directory) = path.parent() {
        make_folders(directory).map_err(failed("make the directory of"))?;
    }
    clear(path)?;
    let listener = UnixListener::bind(path).map_err(failed("listen on"))?;
    listener.set_nonblocking(true).map_err(failed("listen on"))?;
    fs::set_permissions(path, fs::Permissions::from_mode(MODE)).map_err(failed("set the mode of"))?;
    let mut options = fs::OpenOptions::new();
    let pin = options
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_NOFOLLOW)
        .open(path)
        .map_err(failed("look at"))?;
    let metadata = pin.metadata().map_err(failed("look at"))?;
    Ok((
        listener,
        SocketFile {
            path: path.to_owned(),
            inode: (metadata.dev(), metadata.ino()),
            _pin: pin,
        },
    ))
}

fn make_folders(folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = folder
        .ancestors()
        .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
        .collect();
    for path in missing.into_iter().rev() {
        match fs::create_dir(path) {
            Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(FOLDER_MODE))?,
            // Somebody else was quicker.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn clear(path: &Path) -> Result<(), SocketError> {
    let failed = |operation: &'static str| {
        move |source| SocketError::Io {
            operation,
            path: path.to_owned(),
            source,
        }
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("look at")(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(SocketError::NotASocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(SocketError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::info!(path = %path.display(), "replacing a socket that nobody answers on");
            fs::remove_file(path).map_err(failed("remove"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("connect to")(error)),
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.inode);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_made_and_everyone_may_connect_and_the_file_goes_with_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/er/w.sock");
        let (_listener, file) = bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
        drop(file);
        assert!(!path.exists());
    }

    /// The umask belongs to the whole process: another one of this test program makes the socket.
    #[test]
    fn with_a_strict_umask_everyone_may_still_get_to_the_socket_and_folders_that_were_there_stay_as_they_are()
    {
        const CHILD: &str = "WARREN_TEST_SOCKET_UMASK";
        if let Some(path) = std::env::var_os(CHILD) {
            nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
            std::mem::forget(bind(Path::new(&path)).unwrap());
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let before = mode(dir.path());
        let path = dir.path().join("deep/er/w.sock");
        let name = "http::socket::tests::with_a_strict_umask_everyone_may_still_get_to_the_socket_and_folders_that_were_there_stay_as_they_are";
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact"])
            .env(CHILD, &path)
            .output()
            .unwrap();
        assert!(child.status.success(), "{child:?}");
        assert_eq!(
            (
                mode(&dir.path().join("deep")),
                mode(&dir.path().join("deep/er")),
                mode(&path)
            ),
            (0o755, 0o755, 0o666)
        );
        assert_eq!(mode(dir.path()), before);
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_socket_that_nobody_answers_on_is_replaced_and_one_in_use_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "stale");
        let (_listener, _file) = bind(&path).unwrap();
        assert!(matches!(bind(&path), Err(SocketError::InUse(_))));
    }

    #[test]
    fn what_is_no_socket_is_not_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("precious");
        fs::write(&path, "data").unwrap();
        assert!(matches!(bind(&path), Err(SocketError::NotASocket(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "data");
    }

    #[test]
    fn a_socket_that_took_the_place_of_ours_is_not_removed_with_ours() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.sock");
        let (listener, file) = bind(&path).unwrap();
        drop(listener);
        let (_next, _next_file) = bind(&path).unwrap();
        drop(file);
        assert!(path.exists());
    }
}
