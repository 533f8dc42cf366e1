//! Who asks, and what the daemon lets them do; and the socket that they ask through.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use nix::unistd::{Group, Uid, User, geteuid, getgroups};
use warren_api::GROUPS;

use super::check::Check;

const PERMISSION: &str = "permission";
const SOCKET: &str = "socket";

/// The user who runs the command, with their groups.
pub struct Caller {
    /// Root may do everything.
    pub is_root: bool,
    /// Their name, where they have one.
    pub name: Option<String>,
    /// Those of the groups that matter that this process is in.
    pub groups: Vec<&'static str>,
    /// Those of the groups that matter that the user database puts the caller into.
    pub on_paper: Vec<&'static str>,
}

/// Looks. Name services may be slow.
pub fn look() -> Caller {
    let uid = geteuid();
    let name = User::from_uid(uid).ok().flatten().map(|user| user.name);
    let ours = getgroups().unwrap_or_default();
    let known = || {
        GROUPS
            .into_iter()
            .filter_map(|name| Group::from_name(name).ok().flatten().map(|group| (name, group)))
    };
    let own = nix::unistd::getegid();
    Caller {
        is_root: uid == Uid::from_raw(0),
        groups: known()
            .filter(|(_, group)| group.gid == own || ours.contains(&group.gid))
            .map(|(name, _)| name)
            .collect(),
        on_paper: known()
            .filter(|(_, group)| name.as_ref().is_some_and(|name| group.mem.contains(name)))
            .map(|(name, _)| name)
            .collect(),
        name,
    }
}

/// Works out the checks from what was gathered; changes and asks nothing.
pub fn judge(caller: &Caller) -> Check {
    if caller.is_root {
        return Check::pass(PERMISSION, "root may change things");
    }
    let name = caller.name.as_deref().unwrap_or("YOUR-USER");
    match (caller.groups.first(), caller.on_paper.first()) {
        // The daemon looks the caller's groups up by itself, so that being in one on paper is enough.
        (Some(group), _) | (None, Some(group)) => {
            Check::pass(PERMISSION, format!("a member of {group} may change things"))
        }
        (None, None) => Check::warn(
            PERMISSION,
            format!(
                "{name} may read, but not enable, disable, connect or disconnect: a member of {} may",
                GROUPS[0]
            ),
            format!("usermod -aG {} {name}, then log in again", GROUPS[0]),
        ),
    }
}

/// What is at the socket's path.
pub enum SocketFile {
    There {
        /// Whether it is a socket.
        is_socket: bool,
        /// The permission bits of the file, as in `chmod`.
        mode: u32,
        /// The first folder on the way that not everyone may enter, and its permission bits.
        closed: Option<(PathBuf, u32)>,
    },
    /// It is not.
    Absent {
        /// The first folder on the way that is not there either.
        folder: Option<PathBuf>,
    },
    /// A folder on the way may not be entered, or the like.
    Hidden(String),
}

/// Gathers what can be seen of it, and changes nothing.
pub fn look_at_socket(path: &Path) -> SocketFile {
    match fs::metadata(path) {
        Ok(metadata) => SocketFile::There {
            is_socket: metadata.file_type().is_socket(),
            mode: metadata.mode() & 0o777,
            closed: closed(path),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folders: Vec<&Path> = path
                .ancestors()
                .skip(1)
                .filter(|folder| !folder.as_os_str().is_empty())
                .collect();
            SocketFile::Absent {
                folder: folders
                    .into_iter()
                    .rev()
                    .find(|folder| !folder.exists())
                    .map(Path::to_owned),
            }
        }
        Err(error) => SocketFile::Hidden(error.to_string()),
    }
}

fn closed(path: &Path) -> Option<(PathBuf, u32)> {
    let folders: Vec<&Path> = path
        .ancestors()
        .skip(1)
        .filter(|folder| !folder.as_os_str().is_empty())
        .collect();
    folders.into_iter().rev().find_map(|folder| {
        let mode = fs::metadata(folder).ok()?.mode() & 0o777;
        (mode & 0o001 == 0).then(|| (folder.to_owned(), mode))
    })
}

/// Whether this caller gets to the socket, and may change things.
pub fn judge_socket(path: &Path, file: &SocketFile) -> Check {
    let path = path.display();
    match file {
        SocketFile::There { is_socket: false, .. } => Check::fail(
            SOCKET,
            format!("{path} is not a socket"),
            "move it away and restart warrend, or name the socket with --sock-file",
        ),
        // Connecting needs the right to write (unix(7)).
        SocketFile::There {
            is_socket: true,
            mode,
            ..
        } if mode & 0o002 == 0 => Check::warn(
            SOCKET,
            format!("{path} has mode {mode:04o}: other users cannot even read"),
            "systemctl restart warrend, which creates it with mode 0666; changes still need root or the group warren",
        ),
        SocketFile::There {
            is_socket: true,
            closed: Some((folder, mode)),
            ..
        } => {
            let folder = folder.display();
            Check::warn(
                SOCKET,
                format!(
                    "{folder} has mode {mode:04o}: other users, including members of the group {}, cannot reach {path}",
                    GROUPS[0]
                ),
                format!(
                    "chmod o+x {folder}; changes still need root or the group {}",
                    GROUPS[0]
                ),
            )
        }
        SocketFile::There {
            is_socket: true,
            mode,
            closed: None,
        } => Check::pass(SOCKET, format!("{path}, mode {mode:04o}")),
        SocketFile::Absent { folder: Some(folder) } => Check::fail(
            SOCKET,
            format!("{path} does not exist, and neither does {}", folder.display()),
            "systemctl start warrend",
        ),
        SocketFile::Absent { folder: None } => Check::fail(
            SOCKET,
            format!("{path} does not exist"),
            "systemctl start warrend, or name the socket with --sock-file",
        ),
        SocketFile::Hidden(why) => Check::fail(
            SOCKET,
            format!("{path} cannot be examined: {why}"),
            "run this as root, or make the folders above it accessible (`namei -l` shows them)",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Outcome;

    #[test]
    fn root_and_members_may_change_things_and_others_are_told_how_to() {
        let caller = |is_root, groups: &[&'static str], on_paper: &[&'static str]| {
            judge(&Caller {
                is_root,
                name: Some("bob".into()),
                groups: groups.to_vec(),
                on_paper: on_paper.to_vec(),
            })
        };
        assert_eq!(caller(true, &[], &[]).outcome, Outcome::Pass);
        assert_eq!(caller(false, &["warren"], &[]).outcome, Outcome::Pass);
        assert_eq!(caller(false, &[], &["doublezero"]).outcome, Outcome::Pass);
        let other = caller(false, &[], &[]);
        assert_eq!(other.outcome, Outcome::Warn);
        assert_eq!(
            other.fix.as_deref(),
            Some("usermod -aG warren bob, then log in again")
        );
    }

    #[test]
    fn every_state_of_the_socket_has_its_verdict() {
        let judged = |file| judge_socket(Path::new("/run/w.sock"), &file);
        assert_eq!(
            judged(SocketFile::There {
                is_socket: true,
                mode: 0o666,
                closed: None
            })
            .outcome,
            Outcome::Pass
        );
        assert_eq!(
            judged(SocketFile::There {
                is_socket: true,
                mode: 0o660,
                closed: None
            })
            .outcome,
            Outcome::Warn
        );
        assert_eq!(
            judged(SocketFile::There {
                is_socket: false,
                mode: 0o644,
                closed: None
            })
            .outcome,
            Outcome::Fail
        );
        let behind = SocketFile::There {
            is_socket: true,
            mode: 0o666,
            closed: Some(("/run/doublezerod".into(), 0o700)),
        };
        let behind = judged(behind);
        assert_eq!(behind.outcome, Outcome::Warn);
        assert!(behind.fix.unwrap().starts_with("chmod o+x /run/doublezerod;"));
        assert_eq!(judged(SocketFile::Absent { folder: None }).outcome, Outcome::Fail);
        let folder = judged(SocketFile::Absent {
            folder: Some("/run/doublezerod".into()),
        });
        assert!(
            folder.outcome == Outcome::Fail && folder.detail.ends_with("neither does /run/doublezerod"),
            "{}",
            folder.detail
        );
        assert_eq!(
            judged(SocketFile::Hidden("Permission denied".into())).outcome,
            Outcome::Fail
        );
    }

    #[test]
    fn the_socket_is_told_from_what_is_none_and_from_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let _listener = std::os::unix::net::UnixListener::bind(at("w.sock")).unwrap();
        fs::write(at("plain"), "").unwrap();
        assert!(matches!(
            look_at_socket(&at("w.sock")),
            SocketFile::There { is_socket: true, .. }
        ));
        let folder = |mode| {
            fs::set_permissions(
                directory.path(),
                std::os::unix::fs::PermissionsExt::from_mode(mode),
            )
            .unwrap()
        };
        folder(0o750);
        let SocketFile::There { closed, .. } = look_at_socket(&at("w.sock")) else {
            panic!("it is not there")
        };
        assert_eq!(closed, Some((directory.path().to_owned(), 0o750)));
        folder(0o755);
        assert!(matches!(
            look_at_socket(&at("w.sock")),
            SocketFile::There { closed: None, .. }
        ));
        assert!(matches!(
            look_at_socket(&at("plain")),
            SocketFile::There { is_socket: false, .. }
        ));
        assert!(matches!(
            look_at_socket(&at("absent")),
            SocketFile::Absent { folder: None }
        ));
        let SocketFile::Absent { folder } = look_at_socket(&at("no/such/w.sock")) else {
            panic!("it is there")
        };
        assert_eq!(folder, Some(at("no")), "the first that is missing");
    }
}
