//! The binary as its users start it: the demo on good and bad days, the devnet and its end, and what bad input is answered with.
//!
//! Each test has a folder for temporary files of its own; when the program has ended nothing may be left in it, and no process that
//! was started from it. The tests that bring a rollup up run one at a time: each starts eight processes.
#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long what was stopped may take to be gone from the process table.
const GONE_PATIENCE: Duration = Duration::from_secs(10);

/// How long the first channel of a devnet may take.
const JOURNAL_PATIENCE: Duration = Duration::from_secs(60);

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A folder that the program takes for the system's temporary one.
struct Place {
    folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            _turn: ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tributary"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TRIBUTARY_") && name != "TRIBUTARY_ANVIL" {
                command.env_remove(name);
            }
        }
        command.args(args).env("TMPDIR", self.folder.path());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Fails if the program left a file or a process.
    fn check_nothing_is_left(&self) {
        let files: Vec<PathBuf> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(files.is_empty(), "left behind: {files:?}");
        let started = Instant::now();
        loop {
            let processes = processes_that_mention(self.folder.path());
            if processes.is_empty() {
                return;
            }
            assert!(started.elapsed() < GONE_PATIENCE, "still running: {processes:?}");
            std::thread::yield_now();
        }
    }
}

/// Command lines of running processes in which `path` occurs.
fn processes_that_mention(path: &Path) -> Vec<String> {
    let wanted = path.to_string_lossy();
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(&*wanted))
        .collect()
}

/// Whether anvil is here. A test that needs it and does not find it is skipped by name, or fails where nothing may be skipped.
fn has_anvil(test: &str) -> bool {
    let pinned = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/node_modules/@foundry-rs");
    let on_path = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|folder| folder.join("anvil").is_file());
    if pinned.exists() || on_path || std::env::var_os("TRIBUTARY_ANVIL").is_some() {
        return true;
    }
    assert!(
        std::env::var_os("TRIBUTARY_NO_SKIP").is_none(),
        "{test} needs anvil: run `make setup`"
    );
    eprintln!("skipped: {test} needs anvil: run `make setup`");
    false
}

/// A devnet with its files in `data`, once it has said where everything is.
fn start_devnet(place: &Place, data: &str) -> Child {
    let mut devnet = place
        .command(&["devnet", "--free-ports", "--data-dir", data])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut banner = BufReader::new(devnet.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("RPC") {
        line.clear();
        assert!(
            banner.read_line(&mut line).unwrap() > 0,
            "the devnet prints a banner"
        );
    }
    // It goes on printing, and would end if nobody held the other end.
    devnet.stdout = Some(banner.into_inner());
    devnet
}

fn end_devnet(mut devnet: Child) {
    kill(Pid::from_raw(i32::try_from(devnet.id()).unwrap()), Signal::SIGINT).unwrap();
    assert!(devnet.wait().unwrap().success());
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The one JSON object on standard output.
fn report(output: &Output) -> Value {
    assert!(output.status.success(), "{}:\n{}", output.status, stderr(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn check_identities(report: &Value, records: u64) {
    let number = |pointer: &str| {
        let value = report.pointer(pointer).and_then(Value::as_u64);
        value.unwrap_or_else(|| panic!("no {pointer} in {report}"))
    };
    assert_eq!(number("/records"), records);
    assert_eq!(number("/verifier/mismatches"), 0);
    assert_eq!(number("/verifier/derived_blocks"), number("/safe_head"));
    assert_eq!(number("/fees_wei"), number("/model_fees_wei"));
    assert_eq!(
        number("/fees_wei"),
        number("/shares_wei") + number("/carried_remainder_wei")
    );
    assert!(number("/da/payloads") > 0 && number("/da/bytes") > 0 && number("/l1/txs") > 0);
}

#[test]
fn a_demo_in_which_everything_goes_wrong_ends_with_the_same_chain() {
    if !has_anvil("a_demo_in_which_everything_goes_wrong_ends_with_the_same_chain") {
        return;
    }
    let place = Place::new();
    let output = place.run(&["demo", "--chaos", "--records", "300", "--seed", "11", "--json"]);
    let report = report(&output);
    check_identities(&report, 300);
    for role in ["sequencer", "batcher", "follower"] {
        assert_eq!(report["chaos"]["kills"][role], 1, "{report}");
    }
    assert_eq!(report["chaos"]["l1_reorgs"], serde_json::json!([1, 3]));
    assert!(report["chaos"]["da_down_s"].as_f64().unwrap() > 0.0);
    place.check_nothing_is_left();
}

#[test]
fn a_demo_at_isthmus_with_blocks_of_two_seconds_holds() {
    if !has_anvil("a_demo_at_isthmus_with_blocks_of_two_seconds_holds") {
        return;
    }
    let place = Place::new();
    let args = [
        "demo",
        "--isthmus",
        "--block-time",
        "2",
        "--records",
        "120",
        "--shares",
        "5",
        "--json",
    ];
    check_identities(&report(&place.run(&args)), 120);
    place.check_nothing_is_left();
}

#[test]
fn a_record_costs_less_where_more_share_a_window() {
    if !has_anvil("a_record_costs_less_where_more_share_a_window") {
        return;
    }
    let place = Place::new();
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_str().unwrap();
    let args = [
        "bench",
        "cost",
        "--records",
        "10,60",
        "--max-age",
        "6s",
        "--json",
        "--out",
        folder,
    ];
    let report = report(&place.run(&args));
    let points = report["points"].as_array().unwrap();
    let number = |point: &Value, key: &str| point[key].as_f64().unwrap();
    assert_eq!(points.len(), 2);
    for (point, records) in points.iter().zip([10.0, 60.0]) {
        assert!((number(point, "records") - records).abs() < 0.1, "{report}");
        // One payload of the least size, one anchor: what each costs is known.
        assert!(
            (number(point, "symbols_billed") - 4_096.0).abs() < 0.1,
            "{report}"
        );
        let gwei = &point["gwei"];
        assert!(
            (number(gwei, "da") * records - 4_096.0 * 0.447).abs() < 1e-6,
            "{report}"
        );
        assert!(
            (number(gwei, "l1") * records - number(point, "l1_gas")).abs() < 1e-6,
            "{report}"
        );
        assert!(
            (21_000.0..40_000.0).contains(&number(point, "l1_gas")),
            "{report}"
        );
        assert!(number(point, "oldest_age_secs") <= 12.0, "{report}");
    }
    assert!(number(&points[1], "elasticity") < -0.9, "{report}");
    for file in ["cost.md", "cost.svg", "cost.json"] {
        assert!(fs::metadata(out.path().join(file)).unwrap().len() > 0);
    }
    place.check_nothing_is_left();
}

#[test]
fn benches_on_a_chain_in_memory_tell_what_they_measured() {
    let place = Place::new();
    let content = ["--records", "40", "--block-transactions", "10", "--json"];
    let derived = report(&place.run(&[&["bench", "derive"], &content[..]].concat()));
    assert_eq!(
        (&derived["blocks"], &derived["transactions"]),
        (&4.into(), &40.into()),
        "{derived}"
    );
    for part in ["pipeline", "with_execution", "recovery_alone"] {
        assert!(
            derived[part]["blocks_per_second"].as_f64().unwrap() > 0.0,
            "{derived}"
        );
    }

    let out = tempfile::NamedTempFile::new().unwrap();
    let file = out.path().to_str().unwrap();
    let batched = report(&place.run(&[&["bench", "batch", "--blocks-out", file], &content[..]].concat()));
    let bytes = |batch: &str, compression: &str| {
        let encodings = batched["encodings"].as_array().unwrap().iter();
        let mut of = encodings.filter(|one| one["batch"] == batch && one["compression"] == compression);
        of.next().unwrap()["bytes"].as_u64().unwrap()
    };
    assert!(
        bytes("span", "brotli-11") < bytes("span", "brotli-1"),
        "{batched}"
    );
    assert!(
        bytes("span", "brotli-10") < bytes("singular", "brotli-10"),
        "{batched}"
    );
    let written: Value = serde_json::from_slice(&fs::read(out.path()).unwrap()).unwrap();
    assert_eq!(written["channels"][0]["batches"].as_array().unwrap().len(), 4);
    assert_eq!(
        written["ours"].as_array().unwrap().len(),
        batched["encodings"].as_array().unwrap().len()
    );
    place.check_nothing_is_left();
}

#[test]
fn a_tampered_payload_fails_the_demo_and_is_named() {
    if !has_anvil("a_tampered_payload_fails_the_demo_and_is_named") {
        return;
    }
    let place = Place::new();
    let output = place.run(&["demo", "--tamper", "--records", "60", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(output.stdout.is_empty(), "no report of what did not hold");
    let text = stderr(&output);
    assert!(
        text.contains("was tampered with (byte ") && text.contains("the follower stands still at L2 block"),
        "{text}"
    );
    place.check_nothing_is_left();
}

#[test]
fn a_devnet_that_is_interrupted_leaves_nothing() {
    if !has_anvil("a_devnet_that_is_interrupted_leaves_nothing") {
        return;
    }
    let place = Place::new();
    let mut devnet = place
        .command(&["devnet", "--free-ports"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(devnet.stdout.take().unwrap()).lines();
    let mut banner = String::new();
    while !banner.contains("RPC") {
        match lines.next() {
            Some(line) => banner += &line.unwrap(),
            None => {
                let mut text = String::new();
                devnet.stderr.take().unwrap().read_to_string(&mut text).unwrap();
                panic!("the devnet ended before its banner: {text}");
            }
        }
    }
    kill(Pid::from_raw(i32::try_from(devnet.id()).unwrap()), Signal::SIGINT).unwrap();
    let output = devnet.wait_with_output().unwrap();
    assert!(output.status.success(), "{}: {}", output.status, stderr(&output));
    place.check_nothing_is_left();
}

#[test]
fn a_batcher_is_asked_stopped_and_started_through_its_admin_rpc() {
    if !has_anvil("a_batcher_is_asked_stopped_and_started_through_its_admin_rpc") {
        return;
    }
    let place = Place::new();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let settings = folder.path().join("tributary.toml");
    let settings = settings.to_str().unwrap();
    let devnet = start_devnet(&place, data);
    let admin = |question: &str| place.run(&["batcher", "admin", question, "--json", "--config", settings]);
    let status = || report(&admin("status"));
    // It tells the sequencer at the start that nothing is limited; an answer means that token, port and key fit on both sides.
    let started = Instant::now();
    while status()["limits"] != serde_json::json!({ "transactionBytesMax": 0, "blockBytesMax": 0 })
        || !status()["limitsProblem"].is_null()
    {
        assert!(started.elapsed() < GONE_PATIENCE, "{}", status());
    }
    assert_eq!(status()["running"], true);
    assert!(admin("flush").status.success());
    assert!(admin("stop").status.success());
    let stopped = status();
    assert_eq!(stopped["running"], false, "{stopped}");
    let again = admin("stop");
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("is stopped"), "{}", stderr(&again));
    let text = place.run(&["batcher", "admin", "status", "--config", settings]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("stopped by the operator"));
    assert!(admin("start").status.success());
    assert_eq!(status()["running"], true);
    // Who lacks the key gets nothing.
    let other = folder.path().join("other");
    fs::write(&other, "11".repeat(32)).unwrap();
    fs::set_permissions(&other, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let other = other.to_str().unwrap();
    let refused = place.run(&[
        "batcher",
        "admin",
        "stop",
        "--config",
        settings,
        "--admin-jwt-file",
        other,
    ]);
    assert!(stderr(&refused).contains("401"), "{}", stderr(&refused));
    end_devnet(devnet);
    // What a devnet left is all its own; a folder with anything else in it is left alone.
    let names: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name != "other")
        .collect();
    let reset = place.run(&["devnet", "--free-ports", "--data-dir", data, "--reset"]);
    assert_eq!(reset.status.code(), Some(1));
    assert!(
        stderr(&reset).contains("holds other, which no devnet wrote"),
        "{names:?}: {}",
        stderr(&reset)
    );
    let log = fs::read_to_string(folder.path().join("logs/sequencer.log")).unwrap();
    assert!(
        log.contains("miner_setMaxDASize"),
        "the sequencer heard of its limits: {log}"
    );
    place.check_nothing_is_left();
}

/// Every method of the sequencer's and the batcher's admin RPC, as `tributary admin --help` lists them, over the real port.
#[test]
fn every_admin_method_answers_as_op_node_and_op_batcher_do() {
    if !has_anvil("every_admin_method_answers_as_op_node_and_op_batcher_do") {
        return;
    }
    let place = Place::new();
    let folder = tempfile::tempdir().unwrap();
    let devnet = start_devnet(&place, folder.path().to_str().unwrap());
    let settings: toml::Table = fs::read_to_string(folder.path().join("tributary.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let ask = |role: &str, method: &str, params: &[&str]| {
        let of = |key: &str| settings[role][key].as_str().unwrap();
        let (address, key) = (of("admin-addr"), of("admin-jwt-file"));
        let mut args = vec!["admin", "--admin-addr", address, "--admin-jwt-file", key, method];
        args.extend(params);
        let output = place.run(&args);
        match output.status.success() {
            true => Ok(serde_json::from_slice::<Value>(&output.stdout).unwrap()),
            false => Err(stderr(&output)),
        }
    };
    let sequencer = |method: &str, params: &[&str]| ask("sequencer", method, params);
    let batcher = |method: &str| ask("batcher", method, &[]);
    let mut asked = Vec::new();
    let mut valid = 0;
    let mut check = |method: &str, holds: bool, answer: &Result<Value, String>| {
        assert!(holds, "{method}: {answer:?}");
        valid += 1;
        asked.push(method.to_owned());
    };

    let answer = sequencer("admin_sequencerActive", &[]);
    check("admin_sequencerActive", answer == Ok(true.into()), &answer);
    let answer = sequencer("admin_conductorEnabled", &[]);
    check("admin_conductorEnabled", answer == Ok(false.into()), &answer);
    let answer = sequencer("admin_overrideLeader", &[]);
    check("admin_overrideLeader", answer == Ok(Value::Null), &answer);
    let answer = sequencer("admin_resetDerivationPipeline", &[]);
    check(
        "admin_resetDerivationPipeline",
        answer == Ok(Value::Null),
        &answer,
    );
    let answer = sequencer("miner_setMaxDASize", &["0x0", "0x0"]);
    check("miner_setMaxDASize", answer == Ok(true.into()), &answer);
    let answer = sequencer("admin_stopSequencer", &[]);
    let head = answer.clone().unwrap_or_default();
    let head = head.as_str().unwrap_or_default();
    let is_hash = head.len() == 66 && head.starts_with("0x");
    check("admin_stopSequencer", is_hash, &answer);
    assert_eq!(sequencer("admin_sequencerActive", &[]), Ok(false.into()));
    let again = sequencer("admin_stopSequencer", &[]).unwrap_err();
    assert!(again.contains("sequencer not running"), "{again}");
    let other = format!("0x{}", "09".repeat(32));
    let refused = sequencer("admin_startSequencer", &[&other]).unwrap_err();
    let named = format!("block hash does not match: head {head}:");
    assert!(refused.contains(&named) && refused.contains(&other), "{refused}");
    let wrong = sequencer("admin_startSequencer", &["0x12"]).unwrap_err();
    assert!(wrong.contains("argument 0 must be a block hash"), "{wrong}");
    let answer = sequencer("admin_startSequencer", &[head]);
    check("admin_startSequencer", answer == Ok(Value::Null), &answer);

    let answer = batcher("admin_batcherStatus");
    let is_running = answer.as_ref().is_ok_and(|status| status["running"] == true);
    check("admin_batcherStatus", is_running, &answer);
    for method in ["admin_flushBatcher", "admin_stopBatcher", "admin_startBatcher"] {
        let answer = batcher(method);
        check(method, answer == Ok(Value::Null), &answer);
    }

    let help = place.run(&["admin", "--help"]);
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let (_, lists) = help.split_once("Of a sequencer:").unwrap();
    let mut served: Vec<&str> = lists
        .split(|character: char| !character.is_alphanumeric() && character != '_')
        .filter(|word| word.starts_with("admin_") || word.starts_with("miner_"))
        .collect();
    println!("served {}, valid {valid}", served.len());
    served.sort_unstable();
    asked.sort_unstable();
    assert_eq!(served, asked);
    let none = sequencer("admin_nodeInfo", &[]).unwrap_err();
    assert!(
        none.contains("the method admin_nodeInfo does not exist/is not available"),
        "{none}"
    );
    end_devnet(devnet);
}

/// A batcher with a key nobody listens to, a rollup.json of another chain or with other rules, or a journal of another chain or cut
/// short: it does not start, names both values, and leaves the journal as it was.
#[test]
fn a_batcher_that_does_not_fit_its_chain_does_not_start() {
    if !has_anvil("a_batcher_that_does_not_fit_its_chain_does_not_start") {
        return;
    }
    let place = Place::new();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let devnet = start_devnet(&place, data);
    let refused = |flags: &[&str], named: &[&str]| {
        let settings = path("tributary.toml");
        let mut arguments = vec!["batcher", "--config", &settings, "--metrics-addr", "127.0.0.1:0"];
        arguments.extend(["--admin-addr", "127.0.0.1:0"]);
        arguments.extend(flags);
        let output = place.run(&arguments);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        for named in named {
            assert!(text.contains(named), "`{named}` is not in: {text}");
        }
    };
    let (empty, rollup) = (path("empty"), fs::read_to_string(path("rollup.json")).unwrap());
    let parsed: Value = serde_json::from_str(&rollup).unwrap();
    let proposer = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC";
    refused(
        &["--batcher-key-file", &path("keys/proposer"), "--data-dir", &empty],
        &[proposer, "batcher in SystemConfig"],
    );
    let hash = parsed["genesis"]["l2"]["hash"].as_str().unwrap();
    let other_hash = format!("0x{}", "11".repeat(32));
    for (file, from, to, named) in [
        (
            "genesis",
            hash.to_owned(),
            other_hash.clone(),
            [hash, &*other_hash],
        ),
        (
            "rules",
            "\"channel_timeout\": 50".to_owned(),
            "\"channel_timeout\": 49".to_owned(),
            ["channel_timeout (node 50", "file 49"],
        ),
    ] {
        let file = path(file);
        let changed = rollup.replace(&from, &to);
        assert_ne!(changed, rollup, "{from} is in rollup.json");
        fs::write(&file, changed).unwrap();
        refused(&["--rollup-config", &file, "--data-dir", &empty], &named);
    }
    // Journals of this very batcher, with another chain's name in it and cut short.
    let started = Instant::now();
    let journal = loop {
        if let Ok(text) = fs::read_to_string(path("batcher/journal.json")) {
            break text;
        }
        assert!(
            started.elapsed() < JOURNAL_PATIENCE,
            "the batcher has begun nothing"
        );
        std::thread::yield_now();
    };
    for (name, text, named) in [
        ("another", journal.replace("901", "902"), "902"),
        ("short", journal[..journal.len() / 2].to_owned(), "journal.json"),
    ] {
        let folder = path(name);
        fs::create_dir(&folder).unwrap();
        let file = format!("{folder}/journal.json");
        fs::write(&file, &text).unwrap();
        refused(&["--data-dir", &folder], &[named]);
        assert_eq!(fs::read_to_string(file).unwrap(), text);
    }
    end_devnet(devnet);
    place.check_nothing_is_left();
}

#[test]
fn a_trace_with_a_bad_row_is_refused_by_line_and_value() {
    let place = Place::new();
    let trace = tempfile::NamedTempFile::new().unwrap();
    fs::write(
        trace.path(),
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n2023-11-16 18:17:04.0,lots,8\n",
    )
    .unwrap();
    let path = trace.path().to_str().unwrap();
    let output = place.run(&["demo", "--trace", path, "--records", "2"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    for named in [path, "row 3", "ContextTokens", "lots"] {
        assert!(text.contains(named), "`{named}` is not in: {text}");
    }
    place.check_nothing_is_left();
}

#[test]
fn an_unknown_settings_key_is_named_with_its_file() {
    let place = Place::new();
    let settings = tempfile::NamedTempFile::new().unwrap();
    fs::write(settings.path(), "[batcher]\nmax-chanel-duration = \"6s\"\n").unwrap();
    let path = settings.path().to_str().unwrap();
    let output = place.run(&["batcher", "--config", path]);
    assert!(!output.status.success());
    let text = stderr(&output);
    for named in [path, "max-chanel-duration"] {
        assert!(text.contains(named), "`{named}` is not in: {text}");
    }
}

#[test]
fn a_key_file_that_is_missing_is_named() {
    let place = Place::new();
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("no-such-key");
    let rollup = folder.path().join("rollup.json");
    fs::copy(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/testdata/rollup.json"),
        &rollup,
    )
    .unwrap();
    let args = [
        "batcher",
        "--batcher-key-file",
        key.to_str().unwrap(),
        "--rollup-config",
        rollup.to_str().unwrap(),
        "--l1-rpc",
        "http://127.0.0.1:1",
        "--node-rpc",
        "http://127.0.0.1:1",
        "--da-url",
        "http://127.0.0.1:1",
        "--data-dir",
        folder.path().to_str().unwrap(),
    ];
    let output = place.run(&args);
    assert!(!output.status.success());
    let text = stderr(&output);
    assert!(text.contains(key.to_str().unwrap()), "{text}");
}
