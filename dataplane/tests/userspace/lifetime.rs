//! What outlives what.

use std::{
    io::BufRead,
    os::unix::process::CommandExt,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use libtest_mimic::Trial;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use warren_dataplane::{
    kernel::{LINK_GROUP, LinkMaker},
    userspace::{self, DropReason, Request, Response, UserspaceSettings},
};
use warren_state::FaultClass;

use crate::{
    lab::{self, A, B, Host, INNER_A, INNER_B, Lab, all_came_back, eventually, ip, spec, tell, within},
    trial,
};

pub fn trials() -> Vec<Trial> {
    vec![
        trial(
            "a_daemon_killed_with_its_process_group_costs_no_packet_and_the_next_one_adopts",
            daemon_killed,
        ),
        trial(
            "a_peer_whose_forwarder_is_dead_is_survived_and_found_again",
            peer_dead,
        ),
        trial(
            "a_forwarder_that_was_killed_is_replaced_with_the_next_link",
            forwarder_replaced,
        ),
        trial(
            "a_device_deleted_behind_its_back_is_let_go_and_can_be_made_again",
            device_deleted,
        ),
        trial("names_and_endpoints_that_are_taken_are_a_conflict", conflicts),
        trial(
            "a_tunnel_that_is_moved_is_the_same_link_and_knows_its_old_peer_no_more",
            moved,
        ),
        trial(
            "a_second_forwarder_on_the_same_socket_is_refused",
            second_forwarder,
        ),
        trial("a_forwarder_without_tunnels_and_clients_ends", idle_end),
        trial(
            "a_daemon_that_speaks_another_version_is_turned_away",
            other_version,
        ),
        trial(
            "garbage_on_the_control_socket_is_answered_and_harms_nothing",
            garbage,
        ),
        trial("a_thousand_tunnels_come_and_go", thousand),
    ]
}

/// Makes the tunnel, says so, and hangs until it is killed: `daemon SOCKET`.
pub fn daemon(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let settings = UserspaceSettings::own_program(arguments.next().unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let links = userspace::open(settings).unwrap();
    runtime.block_on(links.create(&spec("gt0", A, B))).unwrap();
    println!("ready");
    std::thread::sleep(lab::PATIENCE);
    ExitCode::FAILURE
}

fn daemon_killed() {
    let lab = Lab::routed();
    let (a, b) = (lab.host("a"), lab.host("b"));
    b.tunnel(B, A, INNER_B, INNER_A);
    let mut daemon = within(&a.namespace, || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .arg("daemon")
            .arg(&a.settings.socket)
            .process_group(0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    });
    let mut line = String::new();
    std::io::BufReader::new(daemon.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "ready\n");
    ip(&format!(
        "-n {} addr add {INNER_A} peer {INNER_B} dev gt0",
        a.namespace
    ));
    ip(&format!("-n {} link set gt0 mtu 1476 up", a.namespace));
    let forwarder = a.forwarder();

    std::thread::scope(|scope| {
        let ping = scope.spawn(|| a.ping("-w 60 -c 100 -i 0.02 192.168.9.2"));
        eventually("some pings have crossed", || {
            b.counters().tunnels["gt0"].rx_packets > 20
        });
        kill(
            Pid::from_raw(-i32::try_from(daemon.id()).unwrap()),
            Signal::SIGKILL,
        )
        .unwrap();
        daemon.wait().unwrap();
        assert_eq!(a.run(a.links.list()), Ok(vec![spec("gt0", A, B)]));
        let mut changed = spec("gt0", A, B);
        changed.ttl = 33;
        a.run(a.links.change(&changed)).unwrap();
        assert!(
            b.counters().tunnels["gt0"].rx_packets < 100,
            "killed and adopted while pings were under way"
        );
        let output = ping.join().unwrap();
        assert!(
            all_came_back(&output, 100),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
    });
    assert_eq!(a.forwarder(), forwarder);
    assert_eq!(a.run(a.links.list()).unwrap()[0].ttl, 33);
}

fn peer_dead() {
    let lab = Lab::routed();
    let (a, b) = lab.connected();
    a.must_ping("-c 1 192.168.9.2");
    let survivor = a.forwarder();
    end(b.forwarder().unwrap());
    // B's kernel answers that nobody takes GRE.
    assert!(!a.ping("-c 5 -i 0.05 -W 1 192.168.9.2").status.success());
    assert_eq!(a.forwarder(), survivor);
    b.tunnel(B, A, INNER_B, INNER_A);
    a.must_ping("-c 3 -i 0.05 192.168.9.2");
    assert_eq!(a.forwarder(), survivor);
}

fn forwarder_replaced() {
    let lab = Lab::direct();
    let (a, _b) = lab.connected();
    let first = a.forwarder().unwrap();
    end(first);
    eventually("its link is gone", || !exists(&a.namespace, "gt0"));
    assert!(a.settings.socket.exists(), "the socket is stale");
    assert_eq!(a.run(a.links.list()), Ok(Vec::new()));
    assert_eq!(
        a.run(a.links.change(&spec("gt0", A, B))).unwrap_err().class,
        FaultClass::Gone
    );
    a.tunnel(A, B, INNER_A, INNER_B);
    assert_ne!(a.forwarder(), Some(first));
    a.must_ping("-c 2 -i 0.05 192.168.9.2");
}

fn device_deleted() {
    let lab = Lab::direct();
    let (a, _b) = lab.connected();
    let forwarder = a.forwarder();
    let link = spec("gt0", A, B).name;
    for _ in 0..3 {
        ip(&format!("-n {} link del gt0", a.namespace));
        assert_eq!(a.run(a.links.list()), Ok(Vec::new()));
        a.run(a.links.release(&link));
        a.tunnel(A, B, INNER_A, INNER_B);
        // A late message about the link before does not touch this one.
        a.run(a.links.release(&link));
        a.must_ping("-c 2 -i 0.05 192.168.9.2");
    }
    ip(&format!("-n {} link del gt0", a.namespace));
    eventually("the forwarder has noticed by itself", || {
        a.counters().tunnels.is_empty()
    });
    a.tunnel(A, B, INNER_A, INNER_B);
    a.run(a.links.remove(&link)).unwrap();
    eventually("its link is gone", || !exists(&a.namespace, "gt0"));
    a.run(a.links.remove(&link)).unwrap();
    assert_eq!(a.forwarder(), forwarder);
}

fn conflicts() {
    let lab = Lab::direct();
    let (a, _b) = lab.connected();
    let class = |name: &str, remote| a.run(a.links.create(&spec(name, A, remote))).unwrap_err().class;
    let elsewhere = std::net::Ipv4Addr::new(10, 9, 9, 9);
    assert_eq!(
        class("gt0", elsewhere),
        FaultClass::Conflict,
        "the name of a tunnel"
    );
    assert_eq!(class("gt1", B), FaultClass::Conflict, "the endpoints of a tunnel");
    assert_eq!(
        class("u0", elsewhere),
        FaultClass::Conflict,
        "the name of a foreign link"
    );
    ip(&format!("-n {} tuntap add mode tun name foreign0", a.namespace));
    assert_eq!(
        class("foreign0", elsewhere),
        FaultClass::Conflict,
        "a persistent TUN device"
    );
    a.run(a.links.create(&spec("gt1", A, elsewhere))).unwrap();
    let taken = a.run(a.links.change(&spec("gt0", A, elsewhere))).unwrap_err();
    assert_eq!(
        taken.class,
        FaultClass::Conflict,
        "a move to the endpoints of another tunnel"
    );
    assert_eq!(
        a.run(a.links.list()),
        Ok(vec![spec("gt0", A, B), spec("gt1", A, elsewhere)])
    );
}

fn moved() {
    let lab = Lab::direct();
    let (a, b) = lab.connected();
    let index = |host: &Host| within(&host.namespace, || nix::net::if_::if_nametoindex("gt0").unwrap());
    let (elsewhere, before) = (std::net::Ipv4Addr::new(10, 9, 9, 9), index(&a));
    ip(&format!("-n {} addr add {elsewhere}/32 dev lo", b.namespace));
    ip(&format!("-n {} route add {elsewhere}/32 dev u0", a.namespace));
    let strangers = |host: &Host| {
        host.counters()
            .strangers
            .get(&DropReason::UnknownPeer)
            .copied()
            .unwrap_or(0)
    };
    a.run(a.links.change(&spec("gt0", A, elsewhere))).unwrap();
    assert!(
        !all_came_back(&a.ping("-c 1 -W 1 192.168.9.2"), 1),
        "nobody is there yet"
    );
    assert!(
        strangers(&b) > 0,
        "what is sent to the new end belongs to no tunnel of the old one"
    );
    assert!(!all_came_back(&b.ping("-c 1 -W 1 192.168.9.1"), 1));
    assert!(strangers(&a) > 0, "the old peer is a stranger now");
    b.run(b.links.change(&spec("gt0", elsewhere, A))).unwrap();
    a.must_ping("-c 2 -i 0.05 192.168.9.2");
    assert_eq!(a.run(a.links.list()), Ok(vec![spec("gt0", A, elsewhere)]));
    assert_eq!(index(&a), before, "it is the same link");
}

fn second_forwarder() {
    let lab = Lab::direct();
    let (a, _b) = lab.connected();
    let first = a.forwarder();
    let output = within(&a.namespace, || {
        Command::new(&a.settings.program)
            .args(&a.settings.args)
            .output()
            .unwrap()
    });
    assert!(!output.status.success());
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("AlreadyRunning"),
        "{output:?}"
    );
    assert_eq!(a.forwarder(), first);
    a.must_ping("-c 2 -i 0.05 192.168.9.2");
}

fn idle_end() {
    let lab = Lab::direct();
    let (first, second) = (lab.host("a"), lab.host("a"));
    first.tunnel(A, B, INNER_A, INNER_B);
    second.run(second.links.list()).unwrap();
    let pid = first.forwarder().unwrap();
    ip(&format!("-n {} link del gt0", first.namespace));
    first.leave();
    // More than the time that a forwarder waits for clients.
    let end = Instant::now() + Duration::from_secs(1);
    while Instant::now() < end {
        assert!(is_alive(pid), "it has a client");
        std::thread::sleep(Duration::from_millis(20));
    }
    let socket = second.settings.socket.clone();
    second.leave();
    eventually("the forwarder has ended", || !is_alive(pid));
    assert!(!socket.exists());
}

fn other_version() {
    let lab = Lab::direct();
    let (a, _b) = lab.connected();
    let answer = tell(&a.settings.socket, &Request::Hello { version: 0 });
    assert!(
        matches!(
            answer,
            Some(Response::Refused {
                class: FaultClass::Conflict,
                ..
            })
        ),
        "{answer:?}"
    );
}

fn garbage() {
    use std::io::Write;

    let lab = Lab::direct();
    let (a, _b) = lab.connected();
    let pid = a.forwarder();
    for line in [
        "{}\n",
        "\n",
        "{\"op\":\"add\",\"name\":\"../x\"}\n",
        "\u{0}\u{1}\n",
        "{\"op\":\"list\"",
        "GET / HTTP/1.1\r\n\r\n",
    ] {
        let mut stream = std::os::unix::net::UnixStream::connect(&a.settings.socket).unwrap();
        stream.write_all(line.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let answers: Vec<String> = std::io::BufReader::new(stream)
            .lines()
            .map_while(Result::ok)
            .collect();
        assert!(
            answers.iter().all(|answer| answer.contains("not a request")),
            "{line:?}: {answers:?}"
        );
        assert_eq!(answers.len(), line.matches('\n').count(), "{line:?}");
    }
    assert_eq!(a.forwarder(), pid);
    a.must_ping("-c 2 -i 0.05 192.168.9.2");
}

fn thousand() {
    let lab = Lab::direct();
    let host = lab.host("a");
    let specs: Vec<_> = (0..1000u16)
        .map(|i| {
            spec(
                &format!("gt{i}"),
                A,
                std::net::Ipv4Addr::new(10, 50, (i >> 8) as u8, i as u8),
            )
        })
        .collect();
    let start = Instant::now();
    host.run(async {
        for spec in &specs {
            host.links.create(spec).await.unwrap();
        }
    });
    let up = start.elapsed();
    assert_eq!(host.run(host.links.list()).unwrap().len(), 1000);
    let start = Instant::now();
    ip(&format!("-n {} link del group {LINK_GROUP}", host.namespace));
    host.run(async {
        for spec in &specs {
            host.links.release(&spec.name).await;
        }
    });
    eprintln!("1,000 tunnels: up in {up:?}, down in {:?}", start.elapsed());
    assert_eq!(host.run(host.links.list()), Ok(Vec::new()));
    assert!(host.counters().tunnels.is_empty());
    assert!(!exists(&host.namespace, "gt0") && !exists(&host.namespace, "gt999"));
}

fn exists(namespace: &str, link: &str) -> bool {
    lab::try_ip(&format!("-n {namespace} -o link show dev {link}"))
}

/// A child of ours that has ended but was not waited for is not alive.
fn is_alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Kills a forwarder that this test has started.
fn end(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}
