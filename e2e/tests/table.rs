//! Holds the tables of this folder (the reference's defects in the README, and SURFACE.md) to tests that exist.

use std::{collections::BTreeMap, fs, path::Path};

/// How many defects there are.
const DEFECTS: u32 = 28;

#[test]
fn each_defect_of_the_reference_has_a_test_that_exists_or_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let readme = fs::read_to_string(root.join("e2e/README.md")).unwrap();
    let rows = rows(&readme);
    assert_eq!(
        rows.keys().copied().collect::<Vec<_>>(),
        (1..=DEFECTS).collect::<Vec<_>>()
    );
    for (number, proof) in rows {
        let tests = tests_of(proof);
        let has_reason = ["does not apply", "is due in", "on purpose"]
            .iter()
            .any(|reason| proof.contains(reason));
        assert!(
            !tests.is_empty() || has_reason,
            "defect {number} has neither a test nor a reason"
        );
        for (file, name) in tests {
            exists(root, file, name);
        }
    }
}

/// How many weaknesses of streams are known.
const WEAKNESSES: usize = 12;

/// And of recorders.
const OF_RECORDERS: usize = 9;

/// And of data caps.
const OF_CAPS: usize = 21;

#[test]
fn each_weakness_of_streams_elsewhere_has_a_test_that_exists() {
    hold("W", WEAKNESSES);
}

#[test]
fn each_weakness_of_recorders_elsewhere_has_a_test_that_exists() {
    hold("M", OF_RECORDERS);
}

#[test]
fn each_weakness_of_data_caps_elsewhere_has_a_test_that_exists_or_a_reason() {
    hold("C", OF_CAPS);
}

/// The rows whose numbers begin so.
fn hold(letter: &str, count: usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let readme = fs::read_to_string(root.join("e2e/README.md")).unwrap();
    let is_row = |line: &&str| {
        let number = line.strip_prefix("| ").and_then(|line| line.strip_prefix(letter));
        number.is_some_and(|number| number.starts_with(|digit: char| digit.is_ascii_digit()))
    };
    let rows: Vec<&str> = readme.lines().filter(is_row).collect();
    assert_eq!(rows.len(), count);
    for (number, row) in rows.into_iter().enumerate() {
        assert!(row.starts_with(&format!("| {letter}{} |", number + 1)), "{row}");
        let tests = tests_of(row);
        assert!(!tests.is_empty() || row.contains("is due with"), "{row}");
        tests
            .into_iter()
            .for_each(|(file, name)| exists(root, file, name));
    }
}

#[test]
fn each_part_of_the_surface_names_a_test_that_exists_or_says_that_there_is_none() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let surface = fs::read_to_string(root.join("e2e/SURFACE.md")).unwrap();
    let mut rows = 0;
    for row in surface.lines().filter(|line| line.starts_with("| `")) {
        let proof = row
            .trim_end()
            .trim_end_matches('|')
            .rsplit('|')
            .next()
            .unwrap()
            .trim();
        let tests = tests_of(proof);
        assert!(
            !tests.is_empty() || proof == "—" || proof.contains("on purpose"),
            "neither a test nor a reason: {row}"
        );
        tests
            .into_iter()
            .for_each(|(file, name)| exists(root, file, name));
        rows += 1;
    }
    assert!(rows > 150, "only {rows} rows were found");
    surface
        .lines()
        .filter(|line| !line.starts_with('|'))
        .flat_map(tests_of)
        .for_each(|(file, name)| exists(root, file, name));
}

fn exists(root: &Path, file: &str, name: &str) {
    let source = fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let (function, trial) = (format!("fn {name}("), format!("\"{name}\""));
    assert!(
        source.contains(&function) || source.contains(&trial),
        "there is no test {name} in {file}"
    );
}

/// The last cell of each row that begins with a number.
fn rows(readme: &str) -> BTreeMap<u32, &str> {
    readme
        .lines()
        .filter_map(|line| {
            let mut cells = line
                .strip_prefix('|')?
                .trim_end()
                .trim_end_matches('|')
                .split('|');
            Some((cells.next()?.trim().parse().ok()?, cells.nth(1)?.trim()))
        })
        .collect()
}

/// What stands in backquotes as `file::name`.
fn tests_of(proof: &str) -> Vec<(&str, &str)> {
    proof
        .split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|quoted| {
            quoted
                .split_once(".rs::")
                .map(|(file, name)| (file_of(quoted, file), name))
        })
        .collect()
}

fn file_of<'a>(quoted: &'a str, stem: &str) -> &'a str {
    quoted.get(..stem.len() + ".rs".len()).unwrap_or_default()
}
