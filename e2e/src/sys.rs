//! What a child process does between fork and exec.
#![allow(unsafe_code)]

use std::{
    fs::File,
    os::{fd::AsFd, unix::process::CommandExt as _},
    process::Command,
    sync::Arc,
};

use nix::{
    sched::{CloneFlags, setns},
    sys::{prctl::set_pdeathsig, signal::Signal},
    unistd::{Pid, getppid},
};

/// Placement of a child process.
pub trait Placement {
    /// The child enters this network namespace before it runs the program.
    fn within(&mut self, namespace: &Arc<File>) -> &mut Self;

    /// The kernel kills the child when the thread that started it ends, however it ends.
    fn dies_with_us(&mut self) -> &mut Self;

    /// The same for a child that cannot see its starter, because it is in another process namespace.
    fn dies_with_its_starter(&mut self) -> &mut Self;
}

impl Placement for Command {
    fn within(&mut self, namespace: &Arc<File>) -> &mut Self {
        let namespace = Arc::clone(namespace);
        // SAFETY: the closure makes one system call on a descriptor that it keeps open; it neither allocates nor locks.
        unsafe {
            self.pre_exec(move || setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET).map_err(Into::into))
        }
    }

    fn dies_with_us(&mut self) -> &mut Self {
        let parent = Pid::this();
        let bind_to_parent = move || {
            set_pdeathsig(Signal::SIGKILL)?;
            if getppid() == parent {
                Ok(())
            } else {
                Err(nix::errno::Errno::ESRCH.into())
            }
        };
        // SAFETY: the closure makes two system calls on plain values; it neither allocates nor locks.
        unsafe { self.pre_exec(bind_to_parent) }
    }

    fn dies_with_its_starter(&mut self) -> &mut Self {
        // SAFETY: the closure makes one system call on a plain value; it neither allocates nor locks.
        unsafe { self.pre_exec(|| set_pdeathsig(Signal::SIGKILL).map_err(Into::into)) }
    }
}
