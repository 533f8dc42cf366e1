//! What holds the contract small, and free of what only one backend knows.

const CONTRACT: &str = include_str!("../src/contract.rs");
const FILES: [(&str, &str); 4] = [
    ("contract.rs", CONTRACT),
    ("stages.rs", include_str!("../src/stages.rs")),
    ("observed.rs", include_str!("../../state/src/observed.rs")),
    ("step.rs", include_str!("../../state/src/step.rs")),
];
/// The most methods that a backend must have.
const METHODS: usize = 12;
/// Words of one backend or another.
const FORBIDDEN: [&str; 14] = [
    "netlink",
    "rtnetlink",
    "ifindex",
    "fd",
    "tun",
    "bpf",
    "ebpf",
    "tc",
    "rtprot",
    "sysfs",
    "forwarder",
    "socket2",
    "libc",
    "epoll",
];

#[test]
fn the_contract_has_twelve_methods_at_most() {
    let methods = methods(CONTRACT);
    assert!(methods.len() >= 8, "they are found: {methods:?}");
    assert!(methods.len() <= METHODS, "{} methods: {methods:?}", methods.len());
}

#[test]
fn the_contracts_files_speak_of_no_backend() {
    for (file, text) in FILES {
        let found: Vec<&str> = words(text).filter(|word| FORBIDDEN.contains(word)).collect();
        assert!(found.is_empty(), "{file} says {found:?}");
    }
}

#[test]
fn what_is_looked_for_is_found() {
    let trait_text =
        "pub trait Dataplane {\n    fn a(&self);\n    async fn b(&self) {\n    }\n}\nfn c() {}\n";
    assert_eq!(methods(trait_text), ["a", "b"]);
    let said: Vec<&str> = words("an ifindex, `tun`: not a tunnel (fd)").collect();
    assert!(["ifindex", "tun", "fd"].iter().all(|word| said.contains(word)));
    assert!(!said.contains(&"tunnels"));
}

fn methods(text: &str) -> Vec<&str> {
    let body = text
        .split_once("pub trait Dataplane")
        .map_or("", |(_, rest)| rest);
    let body = body.split_once("\n}").map_or(body, |(body, _)| body);
    let lines = body.lines().map(str::trim_start);
    let lines = lines.filter_map(|line| {
        line.strip_prefix("async fn ")
            .or_else(|| line.strip_prefix("fn "))
    });
    lines.filter_map(|line| line.split('(').next()).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
}
