//! Every decoder has a fuzz target, every target a corpus, and docs/fuzzing.md says which.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// All corpora together stay small enough to be cloned by everyone.
const CORPORA_BYTES_MAX: u64 = 1 << 20;

/// How public decoders are called.
const DECODERS: [&str; 4] = ["fn decode", "fn parse_", "fn from_json", "fn check_form"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries
        .map(|entry| {
            let path = entry.expect("the folder can be read").path();
            let stem = path.file_stem().expect("a file has a name");
            stem.to_string_lossy().into_owned()
        })
        .collect()
}

fn targets() -> BTreeSet<String> {
    names_in(&root().join("tests/fuzz/src/bin"))
}

/// What stands in backticks in column `column` of the table in docs/fuzzing.md.
fn documented(column: usize) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("docs/fuzzing.md")).expect("the page is there");
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains(".rs`"));
    rows.flat_map(|row| {
        let cell = row.split('|').nth(column).unwrap_or_default().to_owned();
        let quoted: Vec<String> = cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        quoted
    })
    .collect()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_fuzzing_page_lists_exactly_the_targets() {
    assert_eq!(documented(3), targets());
}

#[test]
fn every_target_has_a_corpus_and_all_of_them_are_small() {
    let corpora = root().join("tests/fuzz/corpus");
    assert_eq!(names_in(&corpora), targets());
    let mut bytes = 0;
    for target in targets() {
        let files: Vec<_> = fs::read_dir(corpora.join(&target)).expect("a corpus").collect();
        assert!(!files.is_empty(), "the corpus of {target} is empty");
        for file in files {
            bytes += file.and_then(|file| file.metadata()).expect("a seed").len();
        }
    }
    assert!(
        bytes < CORPORA_BYTES_MAX,
        "{bytes} bytes, at most {CORPORA_BYTES_MAX}"
    );
}

#[test]
fn the_fuzzing_page_names_every_file_with_a_public_decoder() {
    let root = root();
    let listed = documented(2);
    for file in &listed {
        assert!(
            root.join(file).exists(),
            "docs/fuzzing.md names {file}, which is not there"
        );
    }
    let mut files = Vec::new();
    for folder in [
        "protocol/src",
        "da-client/src",
        "derivation/src",
        "batcher/src/journal",
        "sequencer/src/store",
    ] {
        rust_files(&root.join(folder), &mut files);
    }
    let mut missing = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a source file");
        let is_public = |line: &str| {
            line.trim_start().starts_with("pub fn") || line.trim_start().starts_with("pub const fn")
        };
        let decodes = |line: &&str| is_public(line) && DECODERS.iter().any(|name| line.contains(name));
        let name = file
            .strip_prefix(&root)
            .expect("below the root")
            .to_string_lossy()
            .into_owned();
        if text.lines().any(|line| decodes(&line)) && !listed.contains(&name) {
            missing.insert(name);
        }
    }
    assert!(
        missing.is_empty(),
        "decoders without a fuzz target in docs/fuzzing.md: {missing:?}"
    );
}
