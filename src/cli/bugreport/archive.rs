//! The archive: a compressed tar file that only its owner may read, and that takes no other file's place.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{Context, bail};
use flate2::{Compression, write::GzEncoder};

/// A file of the archive.
pub struct Entry {
    /// Its name, without the archive's folder.
    pub path: String,
    /// Its text, without secrets.
    pub text: String,
}

/// Writes all of them under one folder; `unix_seconds` is the time that they carry.
///
/// # Errors
/// When there is a file already, or it cannot be written; nothing is left behind then.
pub fn write(path: &Path, folder: &str, entries: &[Entry], unix_seconds: u64) -> anyhow::Result<()> {
    let packed = pack(folder, entries, unix_seconds)?;
    let mut file = match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            bail!(
                "{} already exists and is not replaced: name another file with --output",
                path.display()
            )
        }
        Err(error) => return Err(error).with_context(|| format!("cannot write {}", path.display())),
    };
    if let Err(error) = file.write_all(&packed).and_then(|()| file.sync_all()) {
        let _best_effort = fs::remove_file(path);
        return Err(error).with_context(|| format!("cannot write {}", path.display()));
    }
    Ok(())
}

fn pack(folder: &str, entries: &[Entry], unix_seconds: u64) -> anyhow::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(entry.text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(unix_seconds);
        tar.append_data(
            &mut header,
            format!("{folder}/{}", entry.path),
            entry.text.as_bytes(),
        )?;
    }
    Ok(tar.into_inner()?.finish()?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn an_archive_is_its_owners_alone_and_takes_no_other_files_place() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("r.tar.gz");
        write(
            &path,
            "r",
            &[Entry {
                path: "a/b.txt".into(),
                text: "hello".into(),
            }],
            7,
        )
        .unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(fs::File::open(&path).unwrap()));
        let names: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().into_owned())
            .collect();
        assert_eq!(names, [Path::new("r/a/b.txt")]);
        let before = fs::read(&path).unwrap();
        let error = write(&path, "r", &[], 7).unwrap_err().to_string();
        assert!(error.contains("already exists"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}
