//! The file with the destinations that no session may teach us: read at start, and again whenever it changes.

use std::{
    io::{ErrorKind, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use tokio::time::sleep;
use warren_actors::Handle;
use warren_state::Exclusion;

/// A change of the file is noticed within this time.
const PERIOD: Duration = Duration::from_secs(1);
/// No list of an operator is near this.
const LIMIT: u64 = 1 << 20;

/// What the file says. A file that is not there excludes nothing.
///
/// # Errors
/// When it cannot be read or is not such a list. The message names the file.
pub fn read(path: &Path) -> Result<Exclusion, String> {
    let named = |problem: &dyn std::fmt::Display| format!("route-config {}: {problem}", path.display());
    let mut text = String::new();
    let taken = std::fs::File::open(path).and_then(|file| file.take(LIMIT + 1).read_to_string(&mut text));
    match taken {
        Ok(_) if text.len() as u64 > LIMIT => Err(named(&format!("it is larger than {LIMIT} bytes"))),
        Ok(_) => Exclusion::parse(&text).map_err(|error| named(&error)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Exclusion::default()),
        Err(error) => Err(named(&error)),
    }
}

/// Follows the file, under the tree's supervision.
pub fn follow(handle: &Handle, path: &Path) {
    let (path, told): (Arc<Path>, Handle) = (path.into(), handle.clone());
    let service = move || {
        let (path, told) = (Arc::clone(&path), told.clone());
        Box::pin(async move { Err(look_on(&path, &told).await) })
            as Pin<Box<dyn Future<Output = Result<(), String>> + Send>>
    };
    handle.spawn_supervised("route_config", Box::new(service));
}

/// Tells of changes; ends when it cannot go on, with the reason.
async fn look_on(path: &Path, told: &Handle) -> String {
    let mut follower = Follower::new(path.to_path_buf());
    loop {
        let looked = tokio::task::spawn_blocking(move || {
            let news = follower.look();
            (follower, news)
        });
        let news;
        (follower, news) = match looked.await {
            Ok(looked) => looked,
            Err(error) => return error.to_string(),
        };
        if let Some(list) = news {
            told.exclude(list);
        }
        sleep(PERIOD).await;
    }
}

/// Reads the file when it is another one than before.
struct Follower {
    path: PathBuf,
    seen: Option<FileStamp>,
}

/// Another one when the file came, went, was replaced or was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum FileStamp {
    Nothing(ErrorKind),
    File {
        device: u64,
        inode: u64,
        size: u64,
        modified: (i64, i64),
        changed: (i64, i64),
    },
}

impl Follower {
    fn new(path: PathBuf) -> Self {
        Self { path, seen: None }
    }

    /// What the file says, when it is not what was seen last. A change while it is being read shows the next time.
    fn look(&mut self) -> Option<Result<Exclusion, String>> {
        let mark = FileStamp::of(&self.path);
        (self.seen.replace(mark) != Some(mark)).then(|| read(&self.path))
    }
}

impl FileStamp {
    fn of(path: &Path) -> Self {
        match std::fs::metadata(path) {
            Ok(file) => Self::File {
                device: file.dev(),
                inode: file.ino(),
                size: file.size(),
                modified: (file.mtime(), file.mtime_nsec()),
                changed: (file.ctime(), file.ctime_nsec()),
            },
            Err(error) => Self::Nothing(error.kind()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_comes_changes_is_replaced_and_goes_is_read_each_time_and_otherwise_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("route-config.json");
        let mut follower = Follower::new(path.clone());
        let entries = |follower: &mut Follower| follower.look().map(|list| list.map(|list| list.len()));
        assert_eq!(entries(&mut follower), Some(Ok(0)), "it is not there");
        assert_eq!(entries(&mut follower), None);
        std::fs::write(&path, r#"{"exclude": ["8.8.8.8"]}"#).unwrap();
        assert_eq!(entries(&mut follower), Some(Ok(1)));
        assert_eq!(entries(&mut follower), None);
        std::fs::write(&path, r#"{"exclude": ["8.8.8.8", "1.1.1.0/24"]}"#).unwrap();
        assert_eq!(entries(&mut follower), Some(Ok(2)));
        std::fs::write(
            dir.path().join("next"),
            r#"{"exclude": ["8.8.8.9", "1.1.1.0/25"]}"#,
        )
        .unwrap();
        std::fs::rename(dir.path().join("next"), &path).unwrap();
        assert_eq!(entries(&mut follower), Some(Ok(2)), "as long as the one before");
        std::fs::write(&path, "{").unwrap();
        let error = entries(&mut follower).unwrap().unwrap_err();
        assert!(
            error.starts_with("route-config ") && error.contains("route-config.json: expected"),
            "{error}"
        );
        assert_eq!(entries(&mut follower), None, "said once");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(entries(&mut follower), Some(Ok(0)));
    }

    #[test]
    fn what_is_no_list_is_an_error_that_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        assert!(
            read(dir.path()).unwrap_err().contains("route-config /"),
            "a folder"
        );
        let large = dir.path().join("large");
        std::fs::write(&large, " ".repeat(2 << 20)).unwrap();
        assert!(read(&large).unwrap_err().contains("larger than"));
        std::fs::write(&large, [0xff, 0xfe]).unwrap();
        assert!(read(&large).is_err());
    }
}
