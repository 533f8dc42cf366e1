//! Carries out the steps of a script.

use std::{net::Ipv4Addr, time::Duration};

use ipnet::Ipv4Net;
use warren_protocols::bgp::codec::{Frame, MessageKind, Notification, update};
use warren_state::{
    Asn, LinkName, Monotonic, Notice, Pubkey, Route, RouteProtocol, ServiceKind, TableId, TunnelId,
    model::LinkKind,
    reconcile::Role,
    view::{RawIp, RawNet, UserStatus},
};

use crate::{
    ledger::{
        CLIENT_IP, OTHER_SOURCE, device, device_key, device_prefix, group_key, peer_address, user, user_key,
    },
    script::{Action, Conduct, Meddling, USERS},
    world::{Happening, World},
};

impl World {
    pub(crate) fn take_step(&mut self) {
        let Some((_, action)) = self.script.steps.get(self.step).cloned() else {
            return;
        };
        self.step += 1;
        self.note(|| format!("step: {action:?}"));
        self.act(&action);
        self.schedule_step();
    }

    /// Every fault ends, and what the script wants in the end becomes true.
    pub(crate) fn end_faults(&mut self) {
        self.note(|| "the faults end".to_owned());
        self.ledger.fault = None;
        self.kernel_fault = None;
        self.observe_fault = None;
        self.crash_after = None;
        self.slow_until = Monotonic::ZERO;
        self.lose_notices_until = Monotonic::ZERO;
        self.act(&Action::RemoveForeign);
        for n in 0..USERS {
            self.act(&Action::SpoilNet(n, false));
            self.act_on_peer(
                n,
                if self.script.ends_without_peers {
                    Conduct::Dies
                } else {
                    Conduct::Lives
                },
            );
        }
        self.act(&Action::Switch(self.script.ends_enabled));
    }

    pub(crate) fn act(&mut self, action: &Action) {
        match action {
            Action::Wait => {}
            Action::Switch(enabled) => self.switch(*enabled),
            Action::Activate(n) => {
                self.ledger
                    .truth
                    .users
                    .insert(user_key(*n), user(self.script.role, *n));
                self.ledger_changed();
            }
            Action::Ban(n) => self.edit_user(*n, |user| user.status = UserStatus::Banned),
            Action::Delete(n) => {
                self.ledger.truth.users.remove(&user_key(*n));
                self.ledger_changed();
            }
            Action::TouchTelemetry(n) => self.edit_user(*n, |user| {
                user.owner = Pubkey([user.owner.0[0].wrapping_add(1); 32])
            }),
            Action::ChangeKind(n) => self.edit_user(*n, |user| {
                let next = match user.kind {
                    Ok(ServiceKind::Ibrl) => ServiceKind::IbrlWithAllocatedIp,
                    Ok(ServiceKind::IbrlWithAllocatedIp) => ServiceKind::EdgeFiltering,
                    Ok(ServiceKind::EdgeFiltering) => ServiceKind::Ibrl,
                    Ok(ServiceKind::Multicast) | Err(_) => return,
                };
                user.kind = Ok(next);
                user.dz_ip = if next == ServiceKind::Ibrl {
                    user.client_ip
                } else {
                    Ipv4Addr::new(100, 64, 7, 1)
                };
            }),
            Action::ChangeDzIp(n) => self.edit_user(*n, |user| {
                let octets = user.dz_ip.octets();
                user.dz_ip = Ipv4Addr::new(100, 64, octets[2].wrapping_add(1), 9);
            }),
            Action::ChangeGroups(n, bits) => self.edit_user(*n, |user| {
                let named = |shift: u8| {
                    (0..3)
                        .filter(|group| bits >> (shift + group) & 1 == 1)
                        .map(group_key)
                        .collect()
                };
                (user.publishers, user.subscribers) = (named(0), named(3));
            }),
            Action::ChangePrefixes(n) => {
                let prefixes = self.ledger.truth.device_prefixes.get_or_insert_default();
                let prefix = device_prefix(*n);
                if !prefixes.remove(&prefix) {
                    prefixes.insert(prefix);
                }
                self.ledger_changed();
            }
            Action::PurgeRules => {
                let rules = self.kernel.rules().clone();
                for rule in &rules {
                    self.kernel.delete_rule(rule);
                }
                if !rules.is_empty()
                    && let Some(run) = self.daemon.as_ref().map(|daemon| daemon.run)
                    && self.lose_notices_until <= self.now
                {
                    self.soon(Happening::Notice(run, Notice::Something));
                }
            }
            Action::Host(which, silent) => self.change_host(*which, *silent),
            Action::LivenessFails => self.judge_all_again(),
            Action::SpoilNet(n, spoil) => {
                let prefix_len = if *spoil { 0 } else { 31 };
                let net = RawNet {
                    address: RawIp(peer_address(*n)),
                    prefix_len,
                };
                self.edit_user(*n, |user| user.tunnel_net = net);
            }
            Action::MoveDevice(n) => self.move_device(*n),
            Action::Unrelated => self.add_unrelated(),
            Action::LedgerFails(fault, span) => self.ledger.fault = Some((*fault, self.now + *span)),
            Action::LedgerRestarts(slots) => {
                let now = self.now;
                self.ledger.restart(now, *slots, &mut self.chance);
                self.ledger_changed();
            }
            Action::KernelFails {
                after,
                class,
                done_anyway,
            } => self.kernel_fault = Some((*after, *class, *done_anyway)),
            Action::ObserveFails(after) => self.observe_fault = Some(*after),
            Action::KernelSlow(span) => self.slow_until = self.now + *span,
            Action::LoseNotices(span) => self.lose_notices_until = self.now + *span,
            Action::Overrun => {
                if let Some(run) = self.daemon.as_ref().map(|daemon| daemon.run) {
                    self.soon(Happening::Notice(run, Notice::Something));
                }
            }
            Action::Meddle(meddling) => self.meddle(*meddling),
            Action::ForeignName => self.put_foreign_name(),
            Action::ForeignEnds => self.put_foreign_ends(),
            Action::RemoveForeign => self.remove_foreign(),
            Action::SourceChanges => self.change_source(false),
            Action::SourcePrefers => self.change_source(true),
            Action::UplinkMtu(mtu) => {
                self.underlay_mtu = *mtu;
                self.notice(Notice::Elsewhere);
            }
            Action::Crash => self.crash("killed"),
            Action::LoseSwitch => {
                self.switch_is_lost = true;
                self.crash("its state is damaged");
            }
            Action::CrashAfter(count) => self.crash_after = Some(*count),
            Action::Restart => self.stop_for_restart(),
            Action::ProvisionerFails(n) => self.fail_provisioner(TunnelId(user_key(*n))),
            Action::ReconcilerFails => self.fail_reconciler(),
            Action::SessionFails(n) => self.fail_session(TunnelId(user_key(*n))),
            Action::Peer(n, conduct) => self.act_on_peer(*n, *conduct),
            Action::PeerRoutes(n, which) => self.change_routes(*n, *which),
            Action::PeerJunk(n, which) => self.send_junk(*n, *which),
            Action::LateSignals => self.check_late_signals(),
        }
    }

    fn switch(&mut self, enabled: bool) {
        self.disk.switch = enabled.into();
        self.switch_is_lost = false;
        if let Some(run) = self.daemon.as_ref().map(|daemon| daemon.run) {
            self.soon(Happening::Switched(run));
        }
    }

    /// A wake-up may be lost.
    fn ledger_changed(&mut self) {
        if let Some(run) = self.daemon.as_ref().map(|daemon| daemon.run)
            && !self.chance.one_in(4)
        {
            let wait = self.chance.millis(1, 200);
            self.after(wait, Happening::WakeUp(run));
        }
    }

    fn edit_user(&mut self, n: u8, edit: impl FnOnce(&mut warren_state::view::User)) {
        if let Some(user) = self.ledger.truth.users.get_mut(&user_key(n)) {
            edit(user);
            self.ledger_changed();
        }
    }

    fn move_device(&mut self, n: u8) {
        if let Some(have) = self.ledger.truth.devices.get_mut(&device_key(n)) {
            let moves = have.public_ip.octets()[3].wrapping_sub(n * 16).wrapping_add(1);
            *have = device(n, moves);
            self.ledger_changed();
        }
    }

    fn add_unrelated(&mut self) {
        let n = u8::try_from(self.chance.below(20)).unwrap_or(0);
        let mut other = user(
            Role::Gateway {
                device: device_key(9),
            },
            100 + n,
        );
        other.device = device_key(4 + n);
        self.ledger.truth.users.insert(user_key(100 + n), other);
        self.ledger.truth.devices.insert(device_key(4 + n), device(4, n));
        self.ledger_changed();
    }

    /// Others change what is ours.
    fn meddle(&mut self, meddling: Meddling) {
        let names: Vec<LinkName> = self
            .kernel
            .observed()
            .ours()
            .map(|(_, have)| have.link.name.clone())
            .collect();
        let Some(name) = self.chance.pick(&names).cloned() else {
            return;
        };
        let Some(have) = self.kernel.links().get(&name).cloned() else {
            return;
        };
        let addresses: Vec<_> = have.addresses.iter().copied().collect();
        let routes: Vec<_> = have.routes.iter().copied().collect();
        let whose = have.owner.tunnel().map_or(Notice::Elsewhere, Notice::Tunnel);
        let changed = match meddling {
            Meddling::DeleteLink => self.kernel.delete_link(&name),
            Meddling::DeleteAddress => self
                .chance
                .pick(&addresses)
                .is_some_and(|address| self.kernel.delete_address(&name, address)),
            Meddling::DeleteRoute => self
                .chance
                .pick(&routes)
                .is_some_and(|route| self.kernel.delete_route(&name, route)),
            Meddling::StrayRoute => {
                stray_route(&addresses).is_some_and(|route| self.kernel.add_route(&name, route))
            }
            Meddling::LinkDown => self.kernel.set_up(&name, false),
            Meddling::ChangeMtu => self.kernel.set_mtu(&name, 1300),
            Meddling::ChangeEnds => {
                self.kernel
                    .set_ends(&name, Ipv4Addr::new(10, 1, 1, 1), Ipv4Addr::new(10, 1, 1, 2))
            }
            Meddling::RenameLink => LinkName::new("renamed0").is_ok_and(|to| self.kernel.rename(&name, &to)),
        };
        if changed {
            self.note(|| format!("others: {meddling:?} {name}"));
            self.notice(whose);
        }
    }

    fn put_foreign_name(&mut self) {
        let names = match self.script.role {
            Role::Client { .. } => vec!["doublezero0".to_owned(), "doublezero1".to_owned()],
            Role::Gateway { .. } => (0..USERS).map(|n| format!("dzt{}", 500 + u16::from(n))).collect(),
        };
        let name = self
            .chance
            .pick(&names)
            .and_then(|name| LinkName::new(name.as_str()).ok());
        let kind = if self.chance.one_in(2) {
            LinkKind::Gre
        } else {
            LinkKind::Other("bridge".to_owned())
        };
        let ends =
            (kind == LinkKind::Gre).then_some((Ipv4Addr::new(10, 2, 2, 2), Ipv4Addr::new(10, 2, 2, 3)));
        if let Some(name) = name {
            self.put_foreign(name, kind, ends);
        }
    }

    fn put_foreign_ends(&mut self) {
        let (local, remote) = match self.script.role {
            Role::Client { client_ip } => (
                client_ip,
                self.ledger
                    .truth
                    .devices
                    .get(&device_key(1))
                    .map(|device| device.public_ip),
            ),
            Role::Gateway { device } => {
                let local = self
                    .ledger
                    .truth
                    .devices
                    .get(&device)
                    .map_or(CLIENT_IP, |device| device.public_ip);
                (local, Some(user(self.script.role, 0).client_ip))
            }
        };
        if let (Some(remote), Ok(name)) = (remote, LinkName::new("gre9")) {
            self.put_foreign(name, LinkKind::Gre, Some((local, remote)));
        }
    }

    fn put_foreign(&mut self, name: LinkName, kind: LinkKind, ends: Option<(Ipv4Addr, Ipv4Addr)>) {
        if self.kernel.add_foreign(&name, kind, ends)
            && let Some(have) = self.kernel.links().get(&name)
        {
            self.foreign.insert(name.clone(), have.clone());
            self.note(|| format!("others: made {name}"));
            self.notice(Notice::Elsewhere);
        }
    }

    fn remove_foreign(&mut self) {
        for name in std::mem::take(&mut self.foreign).into_keys() {
            self.kernel.delete_link(&name);
            self.notice(Notice::Elsewhere);
        }
    }

    /// The host's routes prefer another address.
    fn change_source(&mut self, before_stays: bool) {
        let before = self.source;
        self.source = if before == CLIENT_IP {
            OTHER_SOURCE
        } else {
            CLIENT_IP
        };
        if self.kernel.add_host_address(self.source) {
            self.source_came.insert(self.source, self.now);
        }
        if !before_stays {
            self.kernel.delete_host_address(before);
        }
    }

    fn act_on_peer(&mut self, n: u8, conduct: Conduct) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&peer_address(n)) else {
            return;
        };
        let (mut closed, mut acts) = (Vec::new(), Vec::new());
        match conduct {
            Conduct::IsSilent => peer.silent = true,
            Conduct::Lives => acts = peer.lives(now),
            Conduct::Dies => {
                peer.alive = false;
                closed = peer.connections();
            }
            Conduct::Closes => closed = peer.connections(),
        }
        self.carry_out_acts(acts);
        for id in closed {
            if let Some(peer) = self.peers.get_mut(&peer_address(n)) {
                peer.gone(id);
            }
            self.peer_closes(id);
        }
    }

    fn change_routes(&mut self, n: u8, which: u8) {
        let Some(peer) = self.peers.get_mut(&peer_address(n)) else {
            return;
        };
        let prefix = Ipv4Net::new(Ipv4Addr::new(100, 100 + which, 0, 0), 16).unwrap_or_default();
        if !peer.routes.remove(&prefix) {
            peer.routes.insert(prefix);
        }
        peer.sends_end_of_rib = which != 0;
        if peer.alive {
            let acts = peer.announce();
            self.carry_out_acts(acts);
        }
    }

    /// What a broken or hostile device may send over an established session.
    fn send_junk(&mut self, n: u8, which: u8) {
        let address = peer_address(n);
        let prefix = |text: &str| text.parse::<Ipv4Net>().unwrap_or_default();
        let one = |text: &str, hop: Ipv4Addr, asn: u32| {
            update::encode_announcements(&[prefix(text)], Asn(asn), hop, true).concat()
        };
        let endpoint = self
            .ledger
            .truth
            .devices
            .get(&device_key(1))
            .map_or(CLIENT_IP, |device| device.public_ip);
        let bytes = match which {
            0 => one("0.0.0.0/0", address, 65_001),
            1 => one("127.0.0.0/16", address, 65_001),
            2 => one("224.0.0.0/4", address, 65_001),
            3 => {
                update::encode_announcements(&[Ipv4Net::from(endpoint)], Asn(65_001), address, true).concat()
            }
            4 => one("203.0.112.0/24", Ipv4Addr::new(1, 2, 3, 4), 65_001),
            5 => one("203.0.112.0/24", address, 65_000),
            6 => {
                let mut bytes = one("203.0.112.0/24", address, 65_001);
                bytes[26] = 7;
                bytes
            }
            7 => vec![0; 19],
            8 => Frame {
                kind: MessageKind::Update,
                body: vec![0xff; 40],
            }
            .encode(),
            9 => Frame {
                kind: MessageKind::Open,
                body: vec![4; 20],
            }
            .encode(),
            10 => Notification::HOLD_TIMER_EXPIRED.encode(),
            _ => update::encode_withdrawals(&[prefix("203.0.112.0/24"), prefix("9.9.9.0/24")]).concat(),
        };
        let connections = self
            .peers
            .get(&address)
            .map(|peer| peer.connections())
            .unwrap_or_default();
        for id in connections {
            self.peer_sends(id, bytes.clone());
        }
        // What the peer said does not fit what it remembers having said: it starts afresh before the end.
        self.after(Duration::from_secs(1), Happening::PeerStartsAfresh(n));
    }

    pub(crate) fn start_peer_afresh(&mut self, n: u8) {
        self.act_on_peer(n, Conduct::Closes);
    }
}

fn stray_route(addresses: &[warren_state::Address]) -> Option<Route> {
    let address = addresses.iter().find(|address| address.prefix_len == 31)?;
    let via = Ipv4Addr::from(u32::from(address.address) ^ 1);
    let dst = Ipv4Net::new(Ipv4Addr::new(192, 88, 99, 0), 24).ok()?;
    Some(Route {
        table: TableId::MAIN,
        dst,
        via,
        source: None,
        protocol: RouteProtocol::Bgp,
    })
}
