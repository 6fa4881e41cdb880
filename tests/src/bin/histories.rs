//! Writes random histories for the oracle: `histories DIRECTORY FIRST_SEED COUNT`, one JSON file per seed.

use eyre::{Result, WrapErr, bail};
use std::{collections::BTreeMap, fs, path::Path};
use tributary_tests::history::generate;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, first_seed, count] = arguments.as_slice() else {
        bail!("usage: histories DIRECTORY FIRST_SEED COUNT");
    };
    let first_seed: u64 = first_seed.parse().wrap_err("FIRST_SEED")?;
    let count: u64 = count.parse().wrap_err("COUNT")?;
    let directory = Path::new(directory);
    fs::create_dir_all(directory).wrap_err_with(|| format!("cannot make {}", directory.display()))?;

    let (mut l1_blocks, mut l2_blocks, mut rejected) = (0, 0, 0);
    let mut discarded = BTreeMap::new();
    for seed in first_seed..first_seed.saturating_add(count) {
        let history = generate(seed);
        let file = directory.join(format!("{seed}.json"));
        fs::write(&file, serde_json::to_vec(&history.recorded)?)
            .wrap_err_with(|| format!("cannot write {}", file.display()))?;
        l1_blocks += history.recorded.l1_blocks.len();
        l2_blocks += history.recorded.derived.len();
        rejected += history
            .recorded
            .derived
            .iter()
            .filter(|block| block.rejected)
            .count();
        for (reason, count) in history.discarded {
            *discarded.entry(reason).or_insert(0) += count;
        }
    }
    println!(
        "generated: seeds {first_seed} to {}, {l1_blocks} L1 blocks, {l2_blocks} L2 blocks",
        first_seed + count - 1
    );
    println!("replaced by deposits alone: {rejected}");
    for (reason, count) in discarded {
        println!("discarded, {}: {count}", reason.label());
    }
    Ok(())
}
