//! Kill -9 at any moment, and a store damaged on purpose: what was announced is there, and nothing half-written is answered.
#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

mod support;

use alloy::primitives::keccak256;
use std::{
    io::{BufRead, BufReader, Seek, SeekFrom, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};
use support::{Changes, ModelState, genesis};
use tributary_protocol::{block::L2BlockNumber, state::trie::StateTrie};
use tributary_sequencer::store::{
    ChainWriter, Durability, FjallStore, Store, StoreError, StoreSettings, Table, WriteBatch,
};

const CHILD_FOLDER: &str = "TRIBUTARY_TEST_STORE_FOLDER";
const ROUNDS: u64 = 12;

fn open(folder: &Path) -> Result<ChainWriter, StoreError> {
    let store: Arc<dyn Store> = Arc::new(FjallStore::open(folder)?);
    let (outcome, state) = genesis();
    let settings = StoreSettings {
        history_blocks: 1_000_000,
        flush_blocks: 6,
        flush_writes: 10,
        ..StoreSettings::default()
    };
    ChainWriter::open(store, 901, &outcome, state.reference, settings)
}

/// Changes of block `number`, the same in every run.
fn changes(number: u64) -> Changes {
    let byte = |shift: u64| keccak256((number ^ (shift << 40)).to_be_bytes())[0];
    Changes {
        accounts: (0..8)
            .map(|shift| (byte(shift) % 16, (byte(shift) > 40).then_some(number)))
            .collect(),
        slots: (8..40)
            .map(|shift| (byte(shift) % 8, byte(shift) % 4, number % 5))
            .collect(),
    }
}

/// Not a test of its own: the process that is killed. Commits blocks for ever, telling of each once it is committed, and takes a
/// few back now and then.
#[test]
fn child_commits_until_killed() {
    let Ok(folder) = std::env::var(CHILD_FOLDER) else {
        return;
    };
    let mut writer = open(Path::new(&folder)).unwrap();
    let mut state = model_at(writer.heads().unsafe_head.number.0);
    for number in state.reference.number.0 + 1.. {
        let (outcome, next) = state.next(number, &changes(number));
        writer.commit(&outcome, next.reference).unwrap();
        writer.flush_if_due().unwrap();
        state = next;
        writeln!(std::io::stdout(), "committed {number}").unwrap();
        if number.is_multiple_of(17) {
            let (outcome, next) = state.next(number + 1, &changes(number + 1));
            writer.commit(&outcome, next.reference).unwrap();
            if number.is_multiple_of(2) {
                writer.flush().unwrap();
            }
            writer.revert_to(L2BlockNumber(number)).unwrap();
        }
        if number.is_multiple_of(25) {
            writer.flush().unwrap();
        }
    }
}

/// The state after block `number`.
fn model_at(number: u64) -> ModelState {
    (1..=number).fold(genesis().1, |state, number| {
        state.next(number, &changes(number)).1
    })
}

#[test]
fn what_was_announced_survives_kill_minus_nine() {
    let folder = tempfile::tempdir().unwrap();
    let mut announced = 0;
    for round in 0..ROUNDS {
        announced = run_and_kill(folder.path(), 1 + (round * 7) % 23).max(announced);
        let writer = open(folder.path()).unwrap();
        let head = writer.heads().unsafe_head.number.0;
        assert!(
            head >= announced,
            "head {head} is below {announced}, which was announced"
        );
        assert_complete(&writer, head);
    }
}

/// Runs the child until it has announced `lines` more blocks, kills it, and returns the last number it announced.
fn run_and_kill(folder: &Path, lines: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child_commits_until_killed", "--exact", "--nocapture"])
        .env(CHILD_FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut numbers = output.lines().filter_map(|line| {
        let number = line.unwrap().split_once("committed ")?.1.parse().unwrap();
        Some(number)
    });
    let last = (0..lines).map_while(|_| numbers.next()).last().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    numbers.last().unwrap_or(last)
}

/// Every block is there and the state at the head is what its blocks make it.
fn assert_complete(writer: &ChainWriter, head: u64) {
    let reader = writer.reader().unwrap();
    let mut model = genesis().1;
    for number in 1..=head {
        model = model.next(number, &changes(number)).1;
        let stored = reader.block_by_number(L2BlockNumber(number)).unwrap().unwrap();
        assert_eq!(stored.reference, model.reference);
    }
    let view = reader.state_at(L2BlockNumber(head)).unwrap();
    for (address, account) in model.memory.accounts() {
        assert_eq!(view.account(*address).unwrap(), Some(*account));
    }
    for (address, slots) in model.memory.storage() {
        for (slot, value) in slots {
            assert_eq!(view.slot(*address, *slot).unwrap(), *value);
        }
    }
    // Reads every node.
    let trie = view.state_trie().unwrap();
    assert_eq!(trie.root(), model.root);
    let nodes = trie.changes_since(&StateTrie::default(), &view).unwrap();
    assert_eq!(nodes.accounts.len(), model.memory.account_nodes().len());
    assert!(reader.block_by_number(L2BlockNumber(head + 1)).unwrap().is_none());
}

/// Builds a folder with `blocks` blocks and returns the paths of its journals.
fn grown_folder(folder: &Path, blocks: u64) -> Vec<std::path::PathBuf> {
    let mut writer = open(folder).unwrap();
    let mut state = genesis().1;
    for number in 1..=blocks {
        let (outcome, next) = state.next(number, &changes(number));
        writer.commit(&outcome, next.reference).unwrap();
        state = next;
        if number.is_multiple_of(7) {
            writer.flush().unwrap();
        }
    }
    drop(writer);
    let mut journals: Vec<_> = files_below(folder)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "jnl"))
        .collect();
    journals.sort();
    assert!(!journals.is_empty());
    journals
}

fn files_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}

/// Where the used part of a journal ends; the rest is preallocated zeros.
fn used_length(path: &Path) -> u64 {
    let bytes = std::fs::read(path).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    used as u64 + 1
}

#[test]
fn a_torn_tail_costs_whole_blocks_only() {
    for cut in [1, 7, 100, 1_000, 9_000] {
        let folder = tempfile::tempdir().unwrap();
        let journals = grown_folder(folder.path(), 30);
        let journal = journals.last().unwrap();
        let file = std::fs::OpenOptions::new().write(true).open(journal).unwrap();
        file.set_len(used_length(journal) - cut).unwrap();
        match open(folder.path()) {
            Ok(writer) => {
                let head = writer.heads().unsafe_head.number.0;
                assert!(head < 30, "cutting {cut} bytes off must cost a block");
                assert_complete(&writer, head);
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

#[test]
fn a_flipped_bit_is_an_error_or_a_shorter_chain_never_a_wrong_answer() {
    for position in 1..12 {
        let folder = tempfile::tempdir().unwrap();
        let journals = grown_folder(folder.path(), 30);
        let journal = journals.last().unwrap();
        let offset = used_length(journal) * position / 12;
        let mut file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(journal)
            .unwrap();
        file.seek(SeekFrom::Start(offset)).unwrap();
        let mut byte = [0];
        std::io::Read::read_exact(&mut file, &mut byte).unwrap();
        file.seek(SeekFrom::Start(offset)).unwrap();
        file.write_all(&[byte[0] ^ 0x10]).unwrap();
        drop(file);
        match open(folder.path()) {
            Ok(writer) => assert_complete(&writer, writer.heads().unsafe_head.number.0),
            Err(error) => println!("offset {offset}: {error}"),
        }
    }
}

/// Bytes that do not compress, the same for the same key.
fn noise(key: u64) -> Vec<u8> {
    let words = (0..32_768_u64).map(|word| keccak256((key << 32 | word).to_be_bytes()));
    words.flat_map(|word| word.0).collect()
}

#[test]
fn a_damaged_table_file_is_never_read_as_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let tables = |folder: &Path| -> Vec<_> {
        let files = files_below(folder).into_iter();
        files
            .filter(|path| path.components().any(|part| part.as_os_str() == "tables"))
            .filter(|path| std::fs::metadata(path).is_ok_and(|file| file.len() > 100_000))
            .collect()
    };
    let store = FjallStore::open(folder.path()).unwrap();
    let mut keys = 0_u64;
    // More than a memtable holds, until the first table file is there.
    while tables(folder.path()).is_empty() {
        let mut batch = WriteBatch::default();
        batch.put(Table::Codes, keys.to_be_bytes(), noise(keys));
        store.write(batch, Durability::Synced).unwrap();
        keys += 1;
        assert!(keys < 500, "no table file after half a gigabyte");
    }
    drop(store);
    for path in tables(folder.path()) {
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x01;
        std::fs::write(&path, bytes).unwrap();
    }
    let Ok(store) = FjallStore::open(folder.path()) else {
        return;
    };
    let snapshot = store.snapshot();
    let mut refused = 0;
    for key in 0..keys {
        match snapshot.get(Table::Codes, &key.to_be_bytes()) {
            Ok(value) => assert_eq!(
                value.as_ref().map(AsRef::as_ref),
                Some(noise(key).as_slice()),
                "key {key}"
            ),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0, "the damage was in a part that was read");
}
