//! Statements in the documentation that could rot.

use std::{collections::BTreeSet, fs, path::PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Folders and crate names in the table of docs/architecture.md.
fn documented() -> BTreeSet<(String, String)> {
    let text =
        fs::read_to_string(root().join("docs/architecture.md")).expect("the architecture page is there");
    let cell = |text: &str| text.trim().trim_matches('`').trim_end_matches('/').to_owned();
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| `")?.split('|');
        Some((cell(cells.next()?), cell(cells.next()?)))
    };
    text.lines().filter_map(row).collect()
}

/// Folders and crate names of the workspace.
fn members() -> BTreeSet<(String, String)> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the workspace has a manifest");
    let list = manifest
        .lines()
        .find(|line| line.starts_with("members"))
        .expect("it lists its members");
    let folders = list.split('"').skip(1).step_by(2);
    folders
        .map(|folder| (folder.to_owned(), crate_name(folder)))
        .collect()
}

fn crate_name(folder: &str) -> String {
    let manifest =
        fs::read_to_string(root().join(folder).join("Cargo.toml")).expect("a member has a manifest");
    let line = manifest
        .lines()
        .find(|line| line.starts_with("name = "))
        .expect("a crate has a name");
    line.split('"').nth(1).expect("the name is quoted").to_owned()
}

#[test]
fn the_architecture_page_lists_exactly_the_crates_of_the_workspace() {
    assert_eq!(documented(), members());
}

/// What stands behind a number that was measured for speed, latency, memory or cost.
const UNITS: [&str; 13] = [
    "ms",
    "us",
    "µs",
    "tx/s",
    "MB/s",
    "MiB",
    "gwei",
    "transfers a second",
    "transactions a second",
    "receipts a second",
    "reads a second",
    "times anvil",
    "× anvil",
];

/// Numbers before one of [`UNITS`] in `text`, outside of code and of pictures.
fn measured_numbers(text: &str) -> Vec<String> {
    let prose = text.split("```").step_by(2).collect::<String>().replace("**", "");
    let prose = prose.split('`').step_by(2).collect::<String>();
    let mut found = Vec::new();
    for (start, unit) in UNITS.iter().flat_map(|unit| prose.match_indices(unit)) {
        let after = prose[start + unit.len()..].chars().next();
        let before = prose[..start].trim_end();
        let digits = |letter: char| letter.is_ascii_digit() || letter == ',' || letter == '.';
        let number = &before[before.trim_end_matches(digits).len()..];
        if !after.is_some_and(char::is_alphanumeric)
            && number.contains(|letter: char| letter.is_ascii_digit())
        {
            found.push(number.to_owned());
        }
    }
    found
}

#[test]
fn every_measured_number_of_the_readme_is_on_the_page_of_benchmarks() {
    let read = |name| fs::read_to_string(root().join(name)).expect("the page is there");
    let (readme, page) = (read("README.md"), read("docs/benchmarks.md").replace(',', ""));
    let words: BTreeSet<_> = page
        .split(|letter: char| !(letter.is_ascii_digit() || letter == '.'))
        .map(|word| word.trim_matches('.'))
        .collect();
    for number in measured_numbers(&readme) {
        let plain = number.replace(',', "");
        assert!(
            words.contains(plain.trim_matches('.')),
            "README.md says {number}, which docs/benchmarks.md does not"
        );
    }
}

#[test]
fn numbers_before_a_unit_are_found_and_code_is_left_out() {
    let text =
        "It takes **12,345 tx/s** and 0.7 ms, 3.1 × anvil; `5 ms` and\n```sh\n9 ms\n```\nnot 4 msgs, no ms.";
    let mut found = measured_numbers(text);
    found.sort();
    assert_eq!(found, ["0.7", "12,345", "3.1"]);
}
