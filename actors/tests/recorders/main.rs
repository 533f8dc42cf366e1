//! Recorders on a real journal, real files, sockets and tools: killed and refused at any call, rotated by others, and answered as badly
//! as receivers answer.
//!
//! What needs a tool that is not here is skipped by name.
#![allow(missing_docs, clippy::print_stdout)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by it")]

#[allow(dead_code)]
#[path = "../../../state/store/tests/campaign/mod.rs"]
mod campaign;
mod collectors;
mod files;
mod kill;
mod receiver;
mod source;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    process::{Command, ExitCode, Stdio},
};

use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    if let Some(directory) = std::env::var_os(kill::CHILD) {
        return kill::child(Path::new(&directory));
    }
    let trials = vec![
        trial(
            "a_kill_at_any_call_loses_no_entry_and_no_octet",
            Some("strace"),
            kill::kill_at_each_call,
        ),
        trial(
            "a_disk_that_refuses_for_a_while_loses_no_entry",
            Some("strace"),
            kill::fail_each_call,
        ),
        trial(
            "the_cursor_moves_after_the_fsync_of_what_it_moves_over",
            Some("strace"),
            kill::fsync_first,
        ),
        trial(
            "a_line_that_was_not_finished_is_ended_and_told",
            None,
            files::torn_tail,
        ),
        trial(
            "a_file_has_one_writer_and_the_modes_of_its_kind",
            None,
            files::one_writer,
        ),
        trial(
            "a_file_is_put_aside_before_it_is_too_large_and_the_disk_does_not_fill",
            None,
            files::own_rotation,
        ),
        trial(
            "a_file_that_was_moved_is_left_and_opened_by_its_name_again",
            None,
            files::moved,
        ),
        trial(
            "logrotate_with_create_loses_nothing",
            Some("/usr/sbin/logrotate"),
            files::logrotate_create,
        ),
        trial(
            "logrotate_with_copytruncate_loses_nothing",
            Some("/usr/sbin/logrotate"),
            files::logrotate_copytruncate,
        ),
        trial("what_cannot_be_opened_is_refused_in_words", None, files::refused),
        trial(
            "a_recorder_that_forgot_what_it_read_reads_it_again_and_repeats_nothing",
            None,
            files::forgetful,
        ),
        trial(
            "a_receiver_that_loses_replies_and_dies_between_claim_and_commit_counts_to_the_octet",
            None,
            receiver::strict,
        ),
        trial(
            "a_receiver_that_asks_for_time_gets_it",
            None,
            receiver::retry_after,
        ),
        trial(
            "messages_of_ipfix_arrive_in_sequence_with_the_template_first",
            None,
            collectors::own,
        ),
        trial("nfdump_reads_every_octet", Some("nfcapd"), collectors::nfdump),
        trial("goflow2_reads_every_octet", Some("goflow2"), collectors::goflow2),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(name: &'static str, tool: Option<&str>, test: fn()) -> Trial {
    let is_missing = tool.is_some_and(|tool| {
        let found = Command::new(tool)
            .arg("-h")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        found.is_err()
    });
    let run = move || {
        catch_unwind(AssertUnwindSafe(test)).map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            Failed::from(
                text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                    .unwrap_or_default(),
            )
        })
    };
    Trial::test(name, run).with_ignored_flag(is_missing)
}
