//! Names: supervision calls an actor as its type is called, and a word that could mean many things means one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Where the product's own code is.
const ROOMS: [&str; 10] = [
    "state/src",
    "state/store/src",
    "protocols/src",
    "ledger/src",
    "dataplane/src",
    "actors/src",
    "metering/src",
    "fleet/src",
    "api/src",
    "src",
];

/// Words that many rooms would have a use for.
const ONCE: [&str; 9] = [
    "Session",
    "Refusal",
    "Verdict",
    "Counters",
    "Slot",
    "Place",
    "Connector",
    "Pipeline",
    "Word",
];

/// Words of nobody's field, that types were called by once. What they stood for has the field's name now.
const OUR_OWN: [&str; 57] = [
    "Alone",
    "Board",
    "Book",
    "By",
    "Captures",
    "Cardboard",
    "Cut",
    "Everything",
    "Few",
    "Figures",
    "Finder",
    "Forms",
    "Glance",
    "How",
    "Keep",
    "Keeper",
    "Landing",
    "Lane",
    "Leash",
    "Led",
    "Listed",
    "Make",
    "Most",
    "Nearer",
    "News",
    "Oddities",
    "Per",
    "PinNews",
    "Player",
    "Poke",
    "Proven",
    "Prover",
    "Pulse",
    "Reconciled",
    "Said",
    "Script",
    "Senseless",
    "Shelf",
    "Sort",
    "Stay",
    "Stretch",
    "Sum",
    "Swap",
    "Tally",
    "Tape",
    "Todo",
    "Together",
    "Trouble",
    "TunnelNews",
    "Watched",
    "Way",
    "What",
    "When",
    "Which",
    "Whose",
    "Wish",
    "Worth",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn texts(rooms: &[&str]) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for room in rooms {
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(room), &mut found);
    }
    found
        .into_iter()
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect()
}

/// The name that an actor's declaration gives, and the name of its type, both without what tells their spellings apart.
fn actor(text: &str) -> Option<(String, String)> {
    let (_, declaration) = text.split_once("pub(crate) const SPEC: ")?;
    let name = ["Spec::new(", "name: "]
        .iter()
        .find_map(|before| declaration.split_once(before))?
        .1;
    let name = name.trim_start().split(',').next()?.trim_matches('"');
    let kind = declaration
        .split_once("impl Actor for ")?
        .1
        .split_whitespace()
        .next()?;
    Some((name.replace('_', "").to_lowercase(), kind.to_lowercase()))
}

/// The types that a text defines.
fn types(text: &str) -> BTreeSet<&str> {
    let defined = text.lines().filter_map(|line| {
        let line = line
            .strip_prefix("pub")
            .map_or(line, |rest| rest.split_once(' ').map_or(rest, |(_, after)| after));
        let rest = ["struct ", "enum ", "type ", "trait "]
            .iter()
            .find_map(|keyword| line.strip_prefix(keyword))?;
        rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next()
    });
    defined.collect()
}

#[test]
fn supervision_calls_an_actor_as_its_type_is_called() {
    let actors: Vec<(String, String)> = texts(&["actors/src"])
        .iter()
        .filter_map(|(_, text)| actor(text))
        .collect();
    assert!(actors.len() >= 14, "{actors:?}");
    let differ: Vec<_> = actors.iter().filter(|(name, kind)| name != kind).collect();
    assert!(differ.is_empty(), "{differ:?}");
}

#[test]
fn a_word_that_could_mean_many_things_names_one_type() {
    let mut defined: BTreeMap<&str, Vec<PathBuf>> = BTreeMap::new();
    let all = texts(&ROOMS);
    for (path, text) in &all {
        for name in types(text).into_iter().filter(|name| ONCE.contains(name)) {
            defined.entry(name).or_default().push(path.clone());
        }
    }
    defined.retain(|_, places| places.len() > 1);
    assert!(defined.is_empty(), "{defined:#?}");
}

#[test]
fn no_type_is_called_by_a_word_of_our_own() {
    let all = texts(&ROOMS);
    let found: Vec<_> = all
        .iter()
        .flat_map(|(path, text)| types(text).into_iter().map(move |name| (name, path)))
        .filter(|(name, _)| OUR_OWN.contains(name))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_name_that_differs_is_found() {
    let text =
        "pub(crate) const SPEC: Spec = Spec::new(\"keeper\", Order::Store, x);\nimpl Actor for Writer {\n";
    assert_eq!(actor(text), Some(("keeper".into(), "writer".into())));
    let text = "pub(crate) const SPEC: ChildSpec = ChildSpec {\n    name: PEER_LINK,\n};\nimpl Actor for PeerLink {\n";
    assert_eq!(actor(text), Some(("peerlink".into(), "peerlink".into())));
    assert_eq!(
        types("pub struct A;\npub(crate) enum B {\nstruct C<'a> {\n    type Input = D;\n"),
        BTreeSet::from(["A", "B", "C"])
    );
}
