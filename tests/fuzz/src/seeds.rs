//! The inputs a corpus starts with.

use std::{fs, path::Path, process};

/// Asks a target for its seeds instead of a run: the folder to write them into.
pub const SEEDS_ENV: &str = "TRIBUTARY_FUZZ_SEEDS";

/// Named inputs.
pub type Seeds = Vec<(String, Vec<u8>)>;

const WIRE: &str = include_str!("../../../docs/wire.md");

/// The golden vector of this name in `docs/wire.md`.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn vector(name: &str) -> Vec<u8> {
    let start = format!("```vector {name}\n");
    let (_, rest) = WIRE.split_once(&start).expect("docs/wire.md has the vector");
    let (digits, _) = rest.split_once("```").expect("the block ends");
    let digits: String = digits.split_whitespace().collect();
    hex::decode(digits).expect("a vector is hex")
}

/// Adds a valid input, and with it: cut by one byte, with a byte behind it, with a bit flipped at a third and at two thirds.
pub fn add(seeds: &mut Seeds, name: &str, valid: &[u8]) {
    seeds.push((name.to_owned(), valid.to_vec()));
    let Some((_, cut)) = valid.split_last() else {
        return;
    };
    seeds.push((format!("{name}.cut"), cut.to_vec()));
    seeds.push((format!("{name}.long"), [valid, &[0]].concat()));
    for (part, at) in [("third", valid.len() / 3), ("two-thirds", valid.len() * 2 / 3)] {
        let mut flipped = valid.to_vec();
        flipped[at] ^= 1;
        seeds.push((format!("{name}.{part}"), flipped));
    }
}

/// Seeds of one golden vector.
#[must_use]
pub fn of_vectors(names: &[&str]) -> Seeds {
    let mut seeds = Seeds::new();
    for name in names {
        add(&mut seeds, name, &vector(name));
    }
    seeds
}

/// Writes the seeds and ends the program, if [`SEEDS_ENV`] asks for it.
///
/// # Panics
/// If they cannot be written.
pub fn write_if_asked(seeds: fn() -> Seeds) {
    let Some(folder) = std::env::var_os(SEEDS_ENV) else {
        return;
    };
    let folder = Path::new(&folder);
    fs::create_dir_all(folder).expect("the folder for seeds can be made");
    for (name, bytes) in seeds() {
        fs::write(folder.join(name), bytes).expect("a seed can be written");
    }
    process::exit(0);
}
