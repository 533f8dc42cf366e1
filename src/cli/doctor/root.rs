//! The host's files, under a root that tests put elsewhere.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

/// Nothing that is read here is larger.
const LARGEST: u64 = 1 << 20;

/// Where the host's files are.
#[derive(Clone, Debug)]
pub struct Root(PathBuf);

impl Root {
    /// This host's.
    pub fn system() -> Self {
        Self(PathBuf::from("/"))
    }

    /// Somewhere else.
    #[cfg(test)]
    pub fn of(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// A path of the host.
    pub fn at(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    /// The same of a path that is configured.
    pub fn of_host(&self, path: &Path) -> PathBuf {
        self.0.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// A file as text, when it is there and may be read.
    pub fn text(&self, path: &str) -> Option<String> {
        self.bytes(path)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A file, when it is there and may be read.
    pub fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        bytes(&self.at(path)).ok()
    }

    /// The names in a folder, sorted.
    pub fn names(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.at(path)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    /// The processes that may be seen.
    pub fn processes(&self) -> Vec<u32> {
        self.names("/proc")
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect()
    }
}

/// The beginning of a file.
pub fn bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A folder with these files, for tests.
#[cfg(test)]
pub fn with(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
    let directory = tempfile::tempdir().unwrap();
    let root = Root::of(directory.path());
    for (path, text) in files {
        let path = root.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    (directory, root)
}
