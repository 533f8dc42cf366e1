use std::{fs, path::Path};

use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};
use warren_actors::Snapshot;

use super::*;
use crate::http::testing::{FakeDaemon, raw, serve};

/// What all files together may take, compressed.
const AT_MOST: usize = 120 * 1024;

fn files() -> [(&'static str, &'static File); 4] {
    [
        ("index.html", &PAGE),
        ("page.js", &CODE),
        ("page.css", &STYLE),
        ("icon.svg", &ICON),
    ]
}

fn digest(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_committed_bundle_has_the_digests_that_its_build_wrote() {
    for (name, file) in files() {
        assert_eq!(
            file.etag,
            format!("\"{}\"", digest(file.content)),
            "{name}: `npm run build` in page/"
        );
    }
}

/// Who changes a source and forgets the bundle is told without having Node.
#[test]
fn the_committed_bundle_is_made_of_the_committed_sources() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
    let mut all = Sha256::new();
    for name in sources(&page) {
        let content = fs::read(page.join(&name)).unwrap();
        all.update(format!("{} {name}\n", digest(&content)));
    }
    let written = fs::read_to_string(page.join("dist/sources.sha256")).unwrap();
    assert_eq!(written, hex(&all.finalize()), "`npm run build` in page/");
}

/// What the bundle is made of, sorted.
fn sources(page: &Path) -> Vec<String> {
    fn walk(page: &Path, place: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(place).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => walk(page, &path, found),
                false => found.push(path.strip_prefix(page).unwrap().display().to_string()),
            }
        }
    }
    let mut found: Vec<String> = ["package-lock.json", "package.json", "build.mjs", "tsconfig.json"]
        .map(str::to_owned)
        .to_vec();
    walk(page, &page.join("src"), &mut found);
    found.sort();
    found
}

#[test]
fn the_page_is_small_and_names_nothing_from_elsewhere() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    for (name, file) in files() {
        std::io::Write::write_all(&mut packed, file.content).unwrap();
        let text = String::from_utf8_lossy(file.content);
        for scheme in ["http://", "https://", "//cdn", "ws://", "wss://"] {
            let named: Vec<&str> = text
                .match_indices(scheme)
                .filter_map(|(at, _)| text.get(at..(at + 40).min(text.len())))
                // Names of kinds of elements, which nobody fetches.
                .filter(|url| !url.starts_with("http://www.w3.org/"))
                .collect();
            assert!(named.is_empty(), "{name}: {named:?}");
        }
    }
    let packed = packed.finish().unwrap().len();
    assert!(packed <= AT_MOST, "{packed} bytes");
    let lock =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("page/package-lock.json")).unwrap();
    assert!(!lock.contains("\"resolved\""), "the lock file names no registry");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_is_served_with_its_guards_and_changes_nothing() {
    let served = serve(FakeDaemon::new(Snapshot::default())).await;
    let ask = |line: &str, more: &str| {
        let answer = raw(
            &served.path,
            &format!("{line} HTTP/1.1\r\nHost: d\r\n{more}Connection: close\r\nContent-Length: 0\r\n\r\n"),
        );
        answer
            .split_once("\r\n\r\n")
            .map(|(head, body)| (head.to_owned(), body.to_owned()))
            .unwrap()
    };
    let (head, _) = ask("GET /ui", "");
    assert!(
        head.starts_with("HTTP/1.1 308 ") && head.contains("\r\nlocation: /ui/"),
        "{head}"
    );
    for (path, kind) in [
        ("/ui/", "text/html"),
        ("/ui/page.js", "text/javascript"),
        ("/ui/page.css", "text/css"),
        ("/ui/icon.svg", "image/svg+xml"),
    ] {
        let (head, body) = ask(&format!("GET {path}"), "");
        assert!(
            head.starts_with("HTTP/1.1 200 ") && !body.is_empty(),
            "{path}: {head}"
        );
        for part in [
            format!("\r\ncontent-type: {kind}"),
            "\r\ncontent-security-policy: default-src 'none'; script-src 'self';".to_owned(),
            "frame-ancestors 'none'".to_owned(),
            "\r\nx-content-type-options: nosniff".to_owned(),
            "\r\nx-frame-options: DENY".to_owned(),
            "\r\nreferrer-policy: no-referrer".to_owned(),
            "\r\ncross-origin-resource-policy: same-origin".to_owned(),
        ] {
            assert!(head.contains(&part), "{path} {part}: {head}");
        }
        assert!(!head.contains("unsafe"), "{head}");
        let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
        let (again, nothing) = ask(&format!("GET {path}"), &format!("If-None-Match: {tag}\r\n"));
        assert!(
            again.starts_with("HTTP/1.1 304 ") && nothing.is_empty(),
            "{again}"
        );
        assert!(ask(&format!("POST {path}"), "").0.starts_with("HTTP/1.1 405 "));
    }
    assert!(ask("GET /ui/../../etc/passwd", "").0.starts_with("HTTP/1.1 307 "));
    assert!(ask("GET /ui/nothing.js", "").0.starts_with("HTTP/1.1 404 "));
}
