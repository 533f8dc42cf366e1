//! What a seed makes happen: a list of steps, so that a failure can be shrunk by leaving some out.

use std::time::Duration;

use warren_state::{FaultClass, LivenessMode, reconcile::Role};

use crate::{
    chance::Chance,
    ledger::{CLIENT_IP, LedgerFault, device_key},
};

/// Everything that decides a run.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) seed: u64,
    pub(crate) role: Role,
    pub(crate) steps: Vec<(Duration, Action)>,
    /// Whether hosts behind learned routes are probed.
    pub(crate) liveness: Option<LivenessMode>,
    /// Whether the peers are dead in the end.
    pub(crate) ends_without_peers: bool,
    /// Whether the switch is on in the end.
    pub(crate) ends_enabled: bool,
}

/// Something that others do, or that goes wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    /// Nothing but time.
    Wait,
    Switch(bool),

    Activate(u8),
    Ban(u8),
    Delete(u8),
    /// A field that does not matter to tunnels changes.
    TouchTelemetry(u8),
    ChangeKind(u8),
    ChangeDzIp(u8),
    /// Which groups a user publishes to and subscribes to, as bits.
    ChangeGroups(u8, u8),
    /// Another device's prefix comes or goes.
    ChangePrefixes(u8),
    /// A network that makes no sense, or the right one again.
    SpoilNet(u8, bool),
    MoveDevice(u8),
    /// A device or a user that has nothing to do with us.
    Unrelated,
    LedgerFails(LedgerFault, Duration),
    /// The ledger goes on this many slots before.
    LedgerRestarts(u64),

    /// The kernel fails the n-th operation from now; the change may have been made all the same.
    KernelFails {
        after: u8,
        class: FaultClass,
        done_anyway: bool,
    },
    ObserveFails(u8),
    KernelSlow(Duration),
    LoseNotices(Duration),
    Overrun,
    Meddle(Meddling),
    ForeignName,
    ForeignEnds,
    RemoveForeign,
    /// The host's address goes and another one comes.
    SourceChanges,
    /// Another address is preferred; the one before stays.
    SourcePrefers,
    /// The uplink takes packets of another size.
    UplinkMtu(u32),
    /// All policy rules go, as when systemd-networkd is started anew.
    PurgeRules,
    /// A host behind a learned route falls silent, or answers again.
    Host(u8, bool),
    /// The liveness actor is started anew.
    LivenessFails,

    Crash,
    /// It is killed, and its next start cannot read the switch.
    LoseSwitch,
    CrashAfter(u8),
    Restart,
    ProvisionerFails(u8),
    ReconcilerFails,
    SessionFails(u8),

    Peer(u8, Conduct),
    PeerRoutes(u8, u8),
    PeerJunk(u8, u8),
    /// News of earlier connections, sessions and operations arrive late.
    LateSignals,
}

/// What others do to a link of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Meddling {
    DeleteLink,
    DeleteAddress,
    DeleteRoute,
    StrayRoute,
    LinkDown,
    ChangeMtu,
    ChangeEnds,
    RenameLink,
}

/// What becomes of a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Conduct {
    /// Its process is gone.
    Dies,
    /// It accepts connections and says nothing.
    IsSilent,
    /// It is as it should be.
    Lives,
    /// It closes its connections.
    Closes,
}

pub(crate) const USERS: u8 = 4;

impl Script {
    /// The script of a seed.
    pub(crate) fn of(seed: u64, steps: usize) -> Self {
        let mut chance = Chance::new(seed, 1);
        let role = if chance.one_in(4) {
            Role::Gateway {
                device: device_key(3),
            }
        } else {
            Role::Client { client_ip: CLIENT_IP }
        };
        let calm = chance.below(3);
        let tempo = if chance.one_in(8) { 12 } else { 1 };
        let steps = (0..steps)
            .map(|step| draw(&mut chance, step, calm, tempo))
            .collect();
        let liveness = *chance
            .pick(&[None, Some(LivenessMode::Passive), Some(LivenessMode::Active)])
            .unwrap_or(&None);
        Self {
            seed,
            role,
            steps,
            liveness,
            ends_without_peers: chance.one_in(4),
            ends_enabled: !chance.one_in(4),
        }
    }
}

/// A script that is calm waits more, and a slow one longer.
fn draw(chance: &mut Chance, step: usize, calm: u64, tempo: u32) -> (Duration, Action) {
    let pause = match chance.below(10) {
        0..=5 => chance.millis(0, 60),
        6..=8 => chance.millis(50, 700),
        _ => chance.millis(500, 6_000),
    };
    let action = match step {
        0 => Action::Activate(0),
        1 => Action::Switch(true),
        _ if chance.below(4) < calm => Action::Wait,
        _ => action(chance),
    };
    (pause * tempo, action)
}

fn action(chance: &mut Chance) -> Action {
    let user = u8::try_from(chance.below(u64::from(USERS))).unwrap_or(0);
    let small = u8::try_from(chance.below(12)).unwrap_or(0);
    let class = *chance
        .pick(&[
            FaultClass::Transient,
            FaultClass::Transient,
            FaultClass::Gone,
            FaultClass::Conflict,
            FaultClass::Permanent,
        ])
        .unwrap_or(&FaultClass::Transient);
    match chance.below(83) {
        0..=3 => Action::Switch(!chance.one_in(3)),
        4..=8 => Action::Activate(user),
        9 | 10 => Action::Ban(user),
        11 | 12 => Action::Delete(user),
        13 => Action::TouchTelemetry(user),
        14 => Action::ChangeKind(user),
        15 => Action::ChangeDzIp(user),
        16 => Action::SpoilNet(user, chance.one_in(3)),
        17 | 18 => Action::MoveDevice(1 + user),
        19 => Action::Unrelated,
        20..=25 => Action::LedgerFails(
            *chance.pick(&LedgerFault::ALL).unwrap_or(&LedgerFault::Error),
            chance.millis(100, 30_000),
        ),
        26..=29 => Action::KernelFails {
            after: small,
            class,
            done_anyway: chance.one_in(3),
        },
        30 => Action::ObserveFails(small),
        31 => Action::KernelSlow(chance.millis(500, 20_000)),
        32 => Action::LoseNotices(chance.millis(100, 20_000)),
        33 => Action::Overrun,
        34..=36 => Action::Meddle(Meddling::DeleteLink),
        37 => Action::Meddle(Meddling::DeleteAddress),
        38 => Action::Meddle(Meddling::DeleteRoute),
        39 => Action::Meddle(Meddling::StrayRoute),
        40 => Action::Meddle(Meddling::LinkDown),
        41 => Action::Meddle(Meddling::ChangeMtu),
        42 => Action::Meddle(Meddling::ChangeEnds),
        43 => Action::Meddle(Meddling::RenameLink),
        44 => Action::ForeignName,
        45 => Action::ForeignEnds,
        46 | 47 => Action::RemoveForeign,
        48 => Action::SourceChanges,
        77 => Action::SourcePrefers,
        49 => Action::Crash,
        50 | 51 => Action::CrashAfter(small),
        52 => Action::Restart,
        53 => Action::ProvisionerFails(user),
        54 => Action::ReconcilerFails,
        55 => Action::SessionFails(user),
        56 => Action::Peer(user, Conduct::Dies),
        57 => Action::Peer(user, Conduct::IsSilent),
        58..=60 => Action::Peer(user, Conduct::Lives),
        61 | 62 => Action::Peer(user, Conduct::Closes),
        63 | 64 => Action::PeerRoutes(user, small),
        65 | 66 => Action::PeerJunk(user, small),
        67..=70 => Action::ChangeGroups(3, u8::try_from(chance.below(64)).unwrap_or(0)),
        71 | 72 => Action::ChangePrefixes(small),
        73 => Action::PurgeRules,
        74 | 75 => Action::Host(small, chance.one_in(2)),
        76 => Action::LivenessFails,
        78 | 79 => Action::LoseSwitch,
        80 | 81 => Action::UplinkMtu(*chance.pick(&[1500, 1400, 1280, 9000]).unwrap_or(&1500)),
        82 => Action::LedgerRestarts(1 + chance.below(100_000)),
        _ => Action::LateSignals,
    }
}
