use std::{os::unix::fs::PermissionsExt, time::Duration};

use warren_state::{
    polling::{Input, PollSettings, Polling},
    recording::{Outcome, Replayer},
};

use super::*;

const SETTINGS: PollSettings = PollSettings {
    interval: Duration::from_secs(10),
    confirm_after: Duration::from_millis(250),
};

/// One machine that is recorded.
struct Machine {
    polling: Polling,
    random: SplitMix64,
    recording: Recording,
    now: Monotonic,
}

impl Machine {
    fn of(recorder: &Arc<Recorder>) -> Self {
        Self::recorded(recorder.machine(None))
    }

    /// There is one of its kind for each tunnel.
    fn of_a_tunnel(recorder: &Arc<Recorder>) -> Self {
        Self::recorded(recorder.machine(Some("a tunnel".to_owned())))
    }

    fn recorded(recording: Recording) -> Self {
        Self {
            polling: Polling::new(SETTINGS),
            random: SplitMix64::new(1),
            recording,
            now: Monotonic::ZERO,
        }
    }

    fn read(&mut self, times: usize) {
        for _ in 0..times {
            for input in [Input::Start, Input::Failed] {
                self.now = self.now + Duration::from_millis(1);
                self.recording
                    .input(&self.polling, &self.random, self.now, &input);
                let effects = self.polling.handle(self.now, input, &mut self.random);
                self.recording.effects::<Polling>(&effects);
            }
        }
    }
}

fn wait(recorder: &Recorder) {
    assert!((0..30).any(|_| recorder.wait()), "it is never written");
}

fn play(recording: &[u8]) -> Outcome {
    let mut player = Replayer::new();
    for line in recording
        .strip_suffix(b"\n")
        .unwrap()
        .split(|byte| *byte == b'\n')
    {
        player.play(line).unwrap_or_else(|failure| panic!("{failure}"));
    }
    player.outcome().clone()
}

fn settings(directory: &tempfile::TempDir, bytes: u64) -> RecordSettings {
    RecordSettings {
        file: directory.path().join("recording"),
        bytes,
    }
}

#[test]
fn the_memory_holds_the_last_of_it_within_its_bound_and_that_can_be_done_again() {
    let recorder = Recorder::new(None, Epoch(1)).unwrap();
    let mut machine = Machine::of(&recorder);
    machine.read(20_000);
    let last = recorder.last();
    assert!(
        last.len() <= ring::BYTES && last.len() > ring::BYTES / 2,
        "{}",
        last.len()
    );
    let outcome = play(&last);
    assert!(outcome.inputs > 1_000 && outcome.only_read == 0, "{outcome:?}");
    assert!(String::from_utf8_lossy(&last).contains(&format!("\"at\":{}", machine.now.elapsed().as_nanos())));
}

/// What memory holds, and what comes of doing it again.
fn held(recorder: &Recorder) -> (String, Outcome) {
    let last = recorder.last();
    (String::from_utf8_lossy(&last).into_owned(), play(&last))
}

#[test]
fn of_many_machines_memory_keeps_those_that_there_is_one_of_and_says_so() {
    let recorder = Recorder::new(None, Epoch(1)).unwrap();
    let mut machine = Machine::of(&recorder);
    machine.read(1);
    let mut others: Vec<Machine> = (0..MOST_IN_MEMORY)
        .map(|_| Machine::of_a_tunnel(&recorder))
        .collect();
    machine.read(1);
    others.iter_mut().for_each(|other| other.read(1));
    recorder.step(Teller::Other, Sequence(1), 0, vec![], vec![Change::Stopping]);
    recorder.step(
        Teller::Of(machine.recording.number()),
        Sequence(2),
        0,
        vec![],
        vec![Change::Stopping],
    );
    // What is said beside the effects may be long: without it, the machine is done again as ever.
    let long = Change::Journal(Some("x".repeat(LONGEST)));
    recorder.step(
        Teller::Of(machine.recording.number()),
        Sequence(3),
        0,
        vec![],
        vec![long],
    );
    machine.read(1);
    let (text, outcome) = held(&recorder);
    assert_eq!(
        (outcome.inputs, outcome.only_read, outcome.steps),
        (6, 0, 1),
        "{text}"
    );
    assert!(text.contains("thinned") && !text.contains("a tunnel"), "{text}");
    drop(others);
    machine.read(3);
    Machine::of_a_tunnel(&recorder).read(1);
    let (text, outcome) = held(&recorder);
    assert_eq!(outcome.only_read, 0, "{text}");
    assert!(outcome.inputs >= 2 + 6 + 2 && text.contains("a tunnel"), "{text}");
}

/// What it costs to record an input then does not grow with what the machine has: it is not written down to see that it is large.
#[test]
fn of_a_machine_with_much_of_everything_memory_keeps_what_is_short() {
    use warren_state::{
        Incarnation, Notice,
        reconcile::{Effect, Input, Reconciler, ReconcilerSettings},
    };

    let recorder = Recorder::new(None, Epoch(1)).unwrap();
    let _others: Vec<Machine> = (0..MOST_IN_MEMORY)
        .map(|_| Machine::of_a_tunnel(&recorder))
        .collect();
    let (mut recording, random) = (recorder.machine(None), SplitMix64::new(1));
    let core = Reconciler::new(None, ReconcilerSettings::default(), Incarnation(1));
    let mut give = |input: Input, effects: &[Effect]| {
        recording.input(&core, &random, Monotonic::ZERO, &input);
        recording.effects::<Reconciler>(effects);
    };
    let many = (0..10_000_u32).map(|n| (n.into(), None)).collect();
    give(Input::Sources(many), &[Effect::Observe]);
    let tunnel = warren_state::TunnelId(warren_state::Pubkey::default());
    give(Input::Notice(Notice::Tunnel(tunnel)), &[]);
    give(Input::Timeout, &[Effect::Observe]);
    let (text, outcome) = held(&recorder);
    assert!(text.lines().all(|line| line.len() <= LONGEST), "{text}");
    assert_eq!((outcome.inputs, outcome.only_read), (0, 1), "{text}");
    for (record, count) in [
        ("omitted", 1),
        ("\"effects\":{", 2),
        ("unwritten", 1),
        ("\"input\":{", 1),
    ] {
        assert_eq!(text.matches(record).count(), count, "{record}: {text}");
    }
}

/// Else one view of thousands of users would push out all else, and to write it down takes longer than to act on it.
#[test]
fn what_is_long_is_left_out_of_memory_and_what_comes_after_it_can_be_done_again() {
    use warren_state::{
        Fault, FaultClass, Incarnation,
        reconcile::{Input, Reconciler, ReconcilerSettings},
    };

    let recorder = Recorder::new(None, Epoch(1)).unwrap();
    let mut machine = Machine::of(&recorder);
    machine.read(1);
    let (mut recording, mut random) = (recorder.machine(None), SplitMix64::new(1));
    let mut core = Reconciler::new(None, ReconcilerSettings::default(), Incarnation(1));
    let mut give = |input: Input| {
        recording.input(&core, &random, Monotonic::ZERO, &input);
        let effects = core.handle(Monotonic::ZERO, input, &mut random);
        recording.effects::<Reconciler>(&effects);
    };
    give(Input::Timeout);
    give(Input::Observed(Err(Fault {
        class: FaultClass::Transient,
        operation: "look".to_owned(),
        detail: "x".repeat(ring::BYTES / 8),
    })));
    give(Input::Timeout);
    let long = Change::Journal(Some("x".repeat(ring::BYTES / 8)));
    recorder.step(Teller::Other, Sequence(1), 0, vec![], vec![long]);
    recorder.step(Teller::Other, Sequence(2), 0, vec![], vec![Change::Stopping]);
    give(Input::Timeout);
    machine.read(1);
    let (text, outcome) = held(&recorder);
    assert!(text.lines().all(|line| line.len() <= ring::BYTES / 8), "{text}");
    assert_eq!(
        (outcome.inputs, outcome.only_read, outcome.steps),
        (2 + 3 + 2, 0, 1),
        "{text}"
    );
    assert_eq!(text.matches("omitted").count(), 1, "{text}");
}

#[test]
fn the_file_is_its_owners_alone_keeps_no_more_than_it_may_and_each_half_can_be_done_again() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(&directory, 64 << 10);
    let recorder = Recorder::new(Some(&settings), Epoch(1)).unwrap();
    let mut machine = Machine::of(&recorder);
    machine.read(1_000);
    recorder.end(Sequence::default(), &Tables::default());
    wait(&recorder);
    let newer = std::fs::read(&settings.file).unwrap();
    let older = std::fs::read(directory.path().join("recording.1")).unwrap();
    assert!(
        newer.len() <= 32 << 10 && older.len() <= 32 << 10,
        "{} and {}",
        newer.len(),
        older.len()
    );
    assert_eq!(
        std::fs::metadata(&settings.file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    for recording in [&newer, &[&*older, &*newer].concat()] {
        let outcome = play(recording);
        assert!(outcome.inputs > 0 && outcome.only_read == 0, "{outcome:?}");
        assert_eq!(outcome.over.as_deref(), Some("the daemon stopped"));
    }
}

#[test]
fn an_earlier_recording_is_kept_and_one_that_cannot_be_begun_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(&directory, 1 << 20);
    std::fs::write(&settings.file, "earlier").unwrap();
    drop(Recorder::new(Some(&settings), Epoch(1)).unwrap());
    assert_eq!(
        std::fs::read_to_string(directory.path().join("recording.1")).unwrap(),
        "earlier"
    );
    let nowhere = RecordSettings {
        file: directory.path().join("no/such/folder"),
        bytes: 1 << 20,
    };
    let error = Recorder::new(Some(&nowhere), Epoch(1)).err().unwrap();
    assert!(error.to_string().contains("no/such/folder"), "{error}");
}

/// Its own mount namespace is the thread's, and so is that of the thread which writes.
#[test]
fn a_full_disk_ends_the_recording_with_its_reason_and_nothing_else() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let run = || {
        use nix::{
            mount::{MsFlags, mount, umount},
            sched::{CloneFlags, unshare},
        };
        let directory = tempfile::tempdir().unwrap();
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        mount(
            None::<&str>,
            "/",
            None::<&str>,
            MsFlags::MS_REC | MsFlags::MS_PRIVATE,
            None::<&str>,
        )
        .unwrap();
        mount(
            Some("tmpfs"),
            directory.path(),
            Some("tmpfs"),
            MsFlags::empty(),
            Some("size=256k"),
        )
        .unwrap();
        let settings = settings(&directory, 16 << 20);
        let recorder = Recorder::new(Some(&settings), Epoch(1)).unwrap();
        let mut machine = Machine::of(&recorder);
        machine.read(2_000);
        wait(&recorder);
        assert!(recorder.file.as_ref().is_some_and(|file| !file.is_open()));
        machine.read(1);
        let written = std::fs::read(&settings.file).unwrap();
        let outcome = play(&written);
        assert!(outcome.inputs > 10, "{outcome:?}");
        let over = outcome.over.unwrap_or_default();
        assert!(over.contains("No space left on device"), "{over}");
        umount(directory.path()).unwrap();
    };
    std::thread::spawn(run).join().unwrap();
}

#[test]
fn a_disk_that_does_not_keep_up_ends_the_recording_and_holds_up_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("recording");
    let settings = RecordSettings {
        file: file.clone(),
        bytes: 64 << 20,
    };
    let recorder = Recorder::new(Some(&settings), Epoch(1)).unwrap();
    let tape = recorder.file.as_ref().unwrap();
    let disk = tape.hold();
    let mut machine = Machine::of(&recorder);
    while tape.is_open() {
        machine.read(1_000);
    }
    disk.send(()).unwrap();
    wait(&recorder);
    let written = std::fs::read(&file).unwrap();
    assert!(written.len() as u64 <= 17 << 20);
    assert_eq!(play(&written).over.as_deref(), Some("the disk did not keep up"));
}
