//! Events in words, for people.

mod phrases;

use std::fmt::{self, Display, Formatter};

use super::Event;
use crate::{Switch, lifecycle::steps_in_words};
use phrases::{changes, list, switch_in_words, then, within};

impl Display for Event {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started {
                device,
                owners,
                switch,
                backend,
            } => {
                match device {
                    Some(device) => write!(f, "started for the users of device {device}")?,
                    None => write!(f, "started for the users of this host's address, owners {owners}")?,
                }
                write!(f, ", {}, dataplane {backend}", switch_in_words(*switch))
            }
            Self::Stopping { remove: true } => f.write_str("stopping, and taking the tunnels down"),
            Self::Stopping { remove: false } => f.write_str("stopping; tunnels stay as they are"),
            Self::StoreImpaired { detail } => write!(f, "the store cannot be fully written: {detail}"),
            Self::StoreMended => f.write_str("the store can be written again"),
            Self::Interrupted {
                in_epoch,
                since_unix_ms,
                until_unix_ms,
                reason: _,
            } => write!(
                f,
                "start {in_epoch} of the daemon ended abruptly after at least {} s",
                until_unix_ms.saturating_sub(*since_unix_ms) / 1_000
            ),
            Self::TunnelInterrupted {
                tunnel,
                incarnation,
                since_unix_ms,
                until_unix_ms,
                ..
            } => write!(
                f,
                "tunnel {tunnel}, incarnation {incarnation}, was in use when the daemon ended abruptly, for at least {} s",
                until_unix_ms.saturating_sub(*since_unix_ms) / 1_000
            ),
            Self::JournalImpaired { detail } => {
                write!(
                    f,
                    "the journal on disk cannot be written, entries wait in memory: {detail}"
                )
            }
            Self::JournalMended { lost: 0 } => {
                f.write_str("the journal on disk is written again; nothing is missing")
            }
            Self::JournalMended { lost } => {
                write!(
                    f,
                    "the journal on disk is written again; {lost} entries are missing"
                )
            }
            Self::JournalCut { bytes } => {
                write!(
                    f,
                    "the journal on disk ended in an unfinished write; {bytes} bytes were cut off"
                )
            }
            Self::JournalDropped {
                reader,
                after_epoch,
                after_sequence,
                to_epoch,
                to_sequence,
            } => write!(
                f,
                "the journal on disk is too large or too old: {reader} had read up to {after_epoch}.{after_sequence}, \
                 and it now begins after {to_epoch}.{to_sequence}"
            ),
            Self::HookFailed {
                hook,
                failure,
                detail,
            } => {
                write!(f, "hook {hook}: {failure}")?;
                then(f, detail.as_ref())
            }
            Self::HookMended { hook, failures } => {
                write!(f, "hook {hook} works again after {failures} failures in a row")
            }
            Self::HookDropped { hook, dropped } => {
                write!(f, "hook {hook} is too slow: it was not given {dropped} events")
            }
            Self::HooksRefused { detail } => write!(f, "no hook is run: {detail}"),
            Self::HealthChanged {
                purpose,
                healthy: true,
                ..
            } => write!(f, "healthy ({purpose})"),
            Self::HealthChanged { purpose, reasons, .. } => {
                let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
                write!(f, "not healthy ({purpose}): {}", reasons.join("; "))
            }
            Self::RecorderImpaired { recorder, detail } => write!(
                f,
                "recorder {recorder} cannot write, entries wait in the journal: {detail}"
            ),
            Self::RecorderMended { recorder } => {
                write!(f, "recorder {recorder} writes again, including what waited")
            }
            Self::RecorderRepaired { recorder, bytes } => write!(
                f,
                "the output of recorder {recorder} ended in an unfinished write; its line of {bytes} bytes was terminated"
            ),
            Self::ThrottleSet {
                rate,
                used,
                limit: Some(limit),
                ..
            } => {
                write!(f, "tunnel is held to {rate}: {used} of {limit} bytes are used")
            }
            Self::ThrottleSet {
                rate, limit: None, ..
            } => {
                write!(f, "tunnel is held to {rate}: how much may be used is not known")
            }
            Self::ThrottleClear { .. } => f.write_str("tunnel is no longer held to a rate"),
            Self::CapSet { device, cap } => write!(f, "{device} may use {cap}"),
            Self::CapCleared { device } => write!(f, "{device} no longer has a cap"),
            Self::UsageSampled { samples } => write!(f, "usage of {} tunnels", samples.len()),
            Self::UsageImpaired { detail } => write!(
                f,
                "what tunnels carry is counted and cannot be written to the disk: {detail}"
            ),
            Self::UsageMended => f.write_str("what tunnels carry is on disk again"),
            Self::UsageLost { detail } => write!(
                f,
                "what tunnels carried so far cannot be read, was set aside, and is counted anew: {detail}"
            ),
            Self::CapsImpaired { detail } => write!(f, "caps: {detail}"),
            Self::CapsMended => f.write_str("caps can be asked for, kept and held to again"),
            Self::CapsLost { detail } => write!(
                f,
                "what was known of caps cannot all be read, and was set aside: {detail}"
            ),
            Self::ViewAccepted {
                slot,
                users,
                quarantined,
            } => {
                write!(
                    f,
                    "view of slot {slot} is in force: {users} users, {quarantined} accounts do not decode"
                )
            }
            Self::ViewHeld { reason } => write!(f, "keeping the view in force: {reason}"),
            Self::ViewRenewed { slot } => {
                write!(f, "the ledger is read again: the view of slot {slot} is in force")
            }
            Self::ViewStale { age_seconds } => write!(
                f,
                "the view in force is {age_seconds} s old; tunnels stay as they are"
            ),
            Self::LedgerRestarted { from, to, users } => {
                write!(
                    f,
                    "the ledger was restarted from an earlier slot: {to} after {from}; its view is in force, with {users} users"
                )
            }
            Self::EndpointRotated { from, to, detail } => {
                write!(f, "the ledger is read from {to}, no longer from {from}")?;
                then(f, detail.as_ref())
            }
            Self::SubscriptionChanged { subscribed: true, .. } => {
                f.write_str("subscribed to the ledger's changes")
            }
            Self::SubscriptionChanged {
                subscribed: false,
                detail,
            } => {
                f.write_str("no longer subscribed to the ledger's changes")?;
                then(f, detail.as_ref())
            }
            Self::LedgerWayChanged {
                over_tunnel: Some(why),
            } => write!(f, "the ledger is read over a tunnel of this host: {why}"),
            Self::LedgerWayChanged { over_tunnel: None } => {
                f.write_str("the ledger is read outside the tunnels again")
            }
            Self::Switched { enabled: true } => f.write_str("enabled"),
            Self::Switched { enabled: false } => f.write_str("disabled"),
            Self::SwitchUnknown { detail } => {
                write!(
                    f,
                    "{}: tunnels stay as they are until `warren enable` or `warren disable`: {detail}",
                    Switch::Unknown
                )
            }
            Self::OwnersChanged { owners } => {
                write!(f, "accounts of other owners count from now on: {owners}")
            }
            Self::OwnerNamed { owner } => write!(f, "{owner} connected this host"),
            Self::ClientIpFound {
                address,
                before: None,
                ..
            } => write!(f, "this host's public address is {address}"),
            Self::ClientIpFound {
                address,
                before: Some(before),
                reason,
            } => {
                write!(
                    f,
                    "this host's public address is {address}, no longer {before}: {reason}"
                )
            }
            Self::ClientIpUnknown { detail } => {
                write!(f, "this host's public address is not known yet: {detail}")
            }
            Self::ClientIpHeld {
                address,
                other,
                reason,
            } => {
                write!(
                    f,
                    "this host's public address stays {address}: {reason}; today {other} would be chosen"
                )
            }
            Self::ClientIpHoldOver { address } => write!(
                f,
                "no other public address than {address} would be chosen any more"
            ),
            Self::Pinned { address } => write!(f, "{address} is pinned as this host's address"),
            Self::PinAway { address } => write!(
                f,
                "{address} is pinned but no longer on an interface that is up: the next start drops it"
            ),
            Self::PinBack { address } => write!(f, "{address}, which is pinned, is on this host again"),
            Self::PinDropped { address, reason } => {
                write!(
                    f,
                    "{address} was pinned as this host's address and is no longer: {reason}"
                )
            }
            Self::SourceHeld {
                tunnel,
                source,
                other,
            } => {
                write!(
                    f,
                    "tunnel {tunnel} stays at {source}, which is on this host; today {other} would be chosen"
                )
            }
            Self::SourceHoldOver { tunnel, source } => {
                write!(
                    f,
                    "tunnel {tunnel} is at {source}, and no other source would be chosen any more"
                )
            }
            Self::PlanCommitted {
                generation,
                assigned,
                retired,
            } => {
                write!(
                    f,
                    "plan {generation}: {assigned} tunnels to build or change, {retired} to take down"
                )
            }
            Self::Converged {
                converged: true,
                generation,
            } => write!(f, "everything is as it should be (plan {generation})"),
            Self::Converged {
                converged: false,
                generation,
            } => write!(f, "there is something to do (plan {generation})"),
            Self::Refused { user, refusal } => write!(f, "no tunnel for user {user}: {refusal}"),
            Self::RefusalOver { user, refusal } => {
                write!(
                    f,
                    "user {user} is no longer refused; the reason was that {refusal}"
                )
            }
            Self::ManualAsked { link, .. } => write!(f, "{link}: manual tunnel, requested through the API"),
            Self::ManualRemoved { tunnel, link: None } => {
                write!(
                    f,
                    "tunnel {tunnel} is to be removed, as requested through the API"
                )
            }
            Self::ManualRemoved { link: Some(link), .. } => {
                write!(f, "{link} is to be removed, as requested through the API")
            }
            Self::RulesRemoved { removed, fault: None } => {
                write!(f, "{removed} rules that led into no tunnel are removed")
            }
            Self::RulesRemoved {
                fault: Some(fault), ..
            } => write!(f, "rules that lead into no tunnel stay for now: {fault}"),
            Self::ManualOver { reason } => {
                write!(f, "what was requested through the API has ended: {reason}")
            }
            Self::ExclusionChanged { entries } => write!(f, "routes: {entries} destinations are excluded"),
            Self::ExclusionHeld { detail } => write!(
                f,
                "routes: the list of excluded destinations stays as it was: {detail}"
            ),
            Self::ExclusionHoldOver { entries } => {
                write!(
                    f,
                    "routes: the list of excluded destinations can be used again, and has {entries}"
                )
            }
            Self::SpecChanged {
                link,
                service,
                local,
                remote,
                parts,
                ..
            } => {
                let parts: Vec<&str> = parts.iter().map(|part| part.name()).collect();
                write!(
                    f,
                    "{link}: to be {service} between {local} and {remote} ({})",
                    parts.join(", ")
                )
            }
            Self::GroupsChanged {
                link,
                publish,
                subscribe,
                ..
            } => {
                write!(
                    f,
                    "{link}: publishes to {}, receives {}",
                    list(publish),
                    list(subscribe)
                )
            }
            Self::PhaseChanged {
                link,
                from,
                to,
                reason,
                ..
            } => {
                write!(f, "{link}: {from} -> {to}")?;
                within(f, reason.as_ref())
            }
            Self::TunnelDrained {
                link,
                incarnation,
                open_sessions,
                ..
            } => write!(
                f,
                "{link}: incarnation {incarnation} is to be removed, and with it {open_sessions} open sessions"
            ),
            Self::StepFailed {
                tunnel,
                phase,
                fault,
                retry_in_ms,
            } => {
                write!(
                    f,
                    "tunnel {tunnel} failed in {phase}, {}: {fault}; next try in {retry_in_ms} ms",
                    fault.class
                )
            }
            Self::Adopted {
                link, incarnation, ..
            } => write!(f, "{link}: taken over as it is (incarnation {incarnation})"),
            Self::Repaired { tunnel, steps, more } => {
                write!(
                    f,
                    "tunnel {tunnel} was changed by something else and repaired: {}",
                    steps_in_words(steps, *more).join("; ")
                )
            }
            Self::Contested {
                tunnel,
                repairs,
                steps,
                more,
            } => write!(
                f,
                "something else on this host keeps changing tunnel {tunnel}, which was repaired {repairs} times in a row: from now on it is put back less and less often ({})",
                steps_in_words(steps, *more).join("; ")
            ),
            Self::ContestOver { tunnel } => write!(f, "nothing else keeps changing tunnel {tunnel} any more"),
            Self::MovePostponed {
                tunnel,
                remote,
                reason,
                retry_in_ms,
                ..
            } => {
                write!(
                    f,
                    "tunnel {tunnel} does not move to {remote} yet: {reason}, in {retry_in_ms} ms"
                )
            }
            Self::MoveOver { tunnel, remote } => {
                write!(
                    f,
                    "tunnel {tunnel} is to be at {remote}: no move is pending any more"
                )
            }
            Self::SessionChanged {
                tunnel,
                peer_asn,
                from,
                to,
                detail,
                ..
            } => {
                write!(f, "tunnel {tunnel}, AS {peer_asn}: {from} -> {to}")?;
                within(f, detail.as_ref())
            }
            Self::SessionCauseChanged {
                tunnel,
                peer_asn,
                status,
                detail,
                ..
            } => {
                write!(f, "tunnel {tunnel}, AS {peer_asn}: still {status}")?;
                within(f, detail.as_ref())
            }
            Self::RoutesChanged { tunnel, counts } => write!(f, "tunnel {tunnel}: {counts}"),
            Self::RoutesBlocked {
                tunnel, count, fault, ..
            } => {
                write!(
                    f,
                    "tunnel {tunnel} goes without {count} learned routes, whose places are taken: {fault}"
                )
            }
            Self::RoutesCapturing {
                tunnel,
                count,
                first,
                far_end,
            } => {
                write!(
                    f,
                    "tunnel {tunnel} goes without {count} learned routes that lead to the far end of a tunnel: {first} to {far_end}"
                )
            }
            Self::MulticastImpaired { tunnel, detail } => {
                write!(
                    f,
                    "multicast messages cannot leave over tunnel {tunnel}: {detail}"
                )
            }
            Self::MulticastMended { tunnel } => {
                write!(f, "multicast messages leave over tunnel {tunnel} again")
            }
            Self::LatencyChanged { targets, more } => {
                f.write_str("latency: ")?;
                changes(f, targets, *more)
            }
            Self::ProbeImpaired { probe, detail } => write!(f, "{}: {detail}", probe.impaired_in_words()),
            Self::ProbeMended { probe } => f.write_str(probe.mended_in_words()),
            Self::LivenessChanged { tunnel, peers, more } => {
                write!(f, "hosts behind tunnel {tunnel}: ")?;
                changes(f, peers, *more)
            }
            Self::ActorRestarted {
                actor,
                tunnel: Some(tunnel),
                detail,
                count,
            } => {
                write!(
                    f,
                    "{actor} of {tunnel} ended and was started again (no. {count}): {detail}"
                )
            }
            Self::ActorRestarted {
                actor,
                tunnel: None,
                detail,
                count,
            } => {
                write!(f, "{actor} ended and was started again (no. {count}): {detail}")
            }
            Self::InvariantBroken { name, detail } => write!(f, "{name} does not hold: {detail}"),
        }
    }
}
