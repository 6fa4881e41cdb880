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
