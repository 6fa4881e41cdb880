//! One definition, four sources: a flag beats its environment variable, which beats the TOML file, which beats the default.
//!
//! The file is not parsed into structs of its own. Its values become the defaults of the flags of the same name, so there is one
//! list of settings, one parser for each value, and one `--help` that teaches all of it.
//!
//! ```toml
//! l1-rpc = "http://127.0.0.1:8545"    # top level: every role that has the flag
//! [batcher]                           # a section: that role alone, and stronger than the top level
//! poll-interval = "1s"
//! ```

use clap::{ArgAction, Command};
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    path::{Path, PathBuf},
};
use toml::{Table, Value};

/// Environment variable that names the settings file, as `--config` does.
pub(crate) const CONFIG_ENV: &str = "TRIBUTARY_CONFIG";

/// Why a settings file was refused. Each says where and what to change.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("cannot read the settings file {path}: {source}; check --config or {CONFIG_ENV}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path} is not valid TOML: {source}")]
    Toml {
        path: PathBuf,
        source: Box<toml::de::Error>,
    },
    #[error("{path}: unknown key `{key}`; {hint}")]
    UnknownKey {
        path: PathBuf,
        key: String,
        hint: String,
    },
    #[error("{path}: `{key}` must be a string, number, boolean or a list of them, found {found}")]
    WrongType {
        path: PathBuf,
        key: String,
        found: &'static str,
    },
    #[error("--config needs a file name")]
    MissingFileName,
}

/// Puts the values of the settings file named in `args` or the environment behind the flags of `command`.
pub(crate) fn with_file_defaults(command: Command, args: &[OsString]) -> Result<Command, SettingsError> {
    let Some(path) = file_named_in(args)? else {
        return Ok(command);
    };
    let text = std::fs::read_to_string(&path).map_err(|source| SettingsError::Read {
        path: path.clone(),
        source,
    })?;
    let table: Table = text.parse().map_err(|source| SettingsError::Toml {
        path: path.clone(),
        source: Box::new(source),
    })?;
    apply(command, &path, &table)
}

/// The file of `--config FILE`, `--config=FILE` or the environment variable, in that order.
fn file_named_in(args: &[OsString]) -> Result<Option<PathBuf>, SettingsError> {
    let mut args = args.iter().skip(1);
    while let Some(arg) = args.next() {
        let Some(arg) = arg.to_str() else { continue };
        if arg == "--config" {
            return args
                .next()
                .map(|file| Some(PathBuf::from(file)))
                .ok_or(SettingsError::MissingFileName);
        }
        if let Some(file) = arg.strip_prefix("--config=") {
            return Ok(Some(PathBuf::from(file)));
        }
    }
    Ok(std::env::var_os(CONFIG_ENV).map(PathBuf::from))
}

fn apply(mut command: Command, path: &Path, table: &Table) -> Result<Command, SettingsError> {
    let flags = flags_by_role(&command);
    let all: BTreeSet<&str> = flags.values().flatten().map(String::as_str).collect();
    let mut defaults: BTreeMap<String, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    for (key, value) in table.iter().filter(|(_, value)| !value.is_table()) {
        if !all.contains(key.as_str()) {
            return Err(unknown(path, key, all.iter().copied()));
        }
        let words = words(path, key, value)?;
        for (role, _) in flags.iter().filter(|(_, names)| names.contains(key)) {
            defaults
                .entry(role.clone())
                .or_default()
                .insert(key.clone(), words.clone());
        }
    }
    for (role, section) in table
        .iter()
        .filter_map(|(key, value)| Some((key, value.as_table()?)))
    {
        let names = flags
            .get(role)
            .ok_or_else(|| unknown(path, role, flags.keys().map(String::as_str)))?;
        for (key, value) in section {
            let full = format!("{role}.{key}");
            if !names.contains(key) {
                return Err(unknown(path, &full, names.iter().map(String::as_str)));
            }
            let words = words(path, &full, value)?;
            defaults
                .entry(role.clone())
                .or_default()
                .insert(key.clone(), words);
        }
    }
    for (role, values) in defaults {
        command = command.mut_subcommand(role, |sub| set_defaults(sub, values));
    }
    Ok(command)
}

fn set_defaults(mut command: Command, values: BTreeMap<String, Vec<String>>) -> Command {
    for (flag, words) in values {
        command = command.mut_args(|arg| {
            if arg.get_long() != Some(flag.as_str()) {
                return arg;
            }
            // A required flag that the file sets is no longer required on the command line.
            arg.required(false)
                .default_values(words.iter().cloned().map(clap::builder::OsStr::from))
        });
    }
    command
}

/// Long flags of every subcommand, without clap's own.
fn flags_by_role(command: &Command) -> BTreeMap<String, BTreeSet<String>> {
    let flags = |sub: &Command| {
        sub.get_arguments()
            .filter(|arg| !matches!(arg.get_action(), ArgAction::Help | ArgAction::Version))
            .filter_map(|arg| arg.get_long().map(str::to_owned))
            .filter(|name| name != "config")
            .collect()
    };
    command
        .get_subcommands()
        .map(|sub| (sub.get_name().to_owned(), flags(sub)))
        .collect()
}

fn words(path: &Path, key: &str, value: &Value) -> Result<Vec<String>, SettingsError> {
    let word = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Boolean(flag) => Ok(flag.to_string()),
        other => Err(SettingsError::WrongType {
            path: path.into(),
            key: key.into(),
            found: other.type_str(),
        }),
    };
    match value {
        Value::Array(list) => list.iter().map(word).collect(),
        single => Ok(vec![word(single)?]),
    }
}

/// The error for a key nobody has, with the nearest name if one is near.
fn unknown<'a>(path: &Path, key: &str, known: impl Iterator<Item = &'a str>) -> SettingsError {
    let last = key.rsplit('.').next().unwrap_or(key);
    let nearest = known
        .min_by_key(|name| distance(name, last))
        .filter(|name| distance(name, last) <= 3);
    let hint = match nearest {
        Some(name) => format!("did you mean `{name}`?"),
        None => "`tributary <role> --help` lists the keys of a role".to_owned(),
    };
    SettingsError::UnknownKey {
        path: path.into(),
        key: key.into(),
        hint,
    }
}

/// Levenshtein distance in bytes; names are short and ASCII.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;

    fn command() -> Command {
        Command::new("tributary")
            .subcommand(
                Command::new("batcher")
                    .arg(Arg::new("l1_rpc").long("l1-rpc").required(true))
                    .arg(Arg::new("poll").long("poll-interval").default_value("2s")),
            )
            .subcommand(Command::new("da").arg(Arg::new("addr").long("addr").default_value("127.0.0.1:3100")))
    }

    fn parse(toml: &str, args: &[&str]) -> Result<clap::ArgMatches, SettingsError> {
        let command = apply(command(), Path::new("t.toml"), &toml.parse::<Table>().unwrap())?;
        Ok(command.try_get_matches_from(args).unwrap())
    }

    fn batcher(matches: &clap::ArgMatches, id: &str) -> String {
        matches
            .subcommand_matches("batcher")
            .unwrap()
            .get_one::<String>(id)
            .unwrap()
            .clone()
    }

    #[test]
    fn a_flag_beats_the_section_which_beats_the_top_level_which_beats_the_default() {
        let file = "l1-rpc = \"http://top\"\n[batcher]\npoll-interval = \"9s\"\nl1-rpc = \"http://section\"";
        let matches = parse(file, &["tributary", "batcher"]).unwrap();
        assert_eq!(batcher(&matches, "l1_rpc"), "http://section");
        assert_eq!(batcher(&matches, "poll"), "9s");
        let matches = parse(file, &["tributary", "batcher", "--l1-rpc", "http://flag"]).unwrap();
        assert_eq!(batcher(&matches, "l1_rpc"), "http://flag");
        let matches = parse("l1-rpc = \"http://top\"", &["tributary", "batcher"]).unwrap();
        assert_eq!(batcher(&matches, "l1_rpc"), "http://top");
        assert_eq!(batcher(&matches, "poll"), "2s");
    }

    #[test]
    fn an_unknown_key_is_named_with_its_nearest_neighbour() {
        let error = parse("[batcher]\npol-interval = \"9s\"", &["tributary", "batcher"])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("batcher.pol-interval") && error.contains("poll-interval"),
            "{error}"
        );
        let error = parse("l1_rpcs = 1", &["tributary", "batcher"])
            .unwrap_err()
            .to_string();
        assert!(error.contains("l1_rpcs"), "{error}");
        let error = parse("[sequenser]\nx = 1", &["tributary", "batcher"])
            .unwrap_err()
            .to_string();
        assert!(error.contains("sequenser"), "{error}");
    }

    #[test]
    fn a_table_where_a_value_belongs_is_refused() {
        let error = parse("[batcher.poll-interval]\nx = 1", &["tributary", "batcher"])
            .unwrap_err()
            .to_string();
        assert!(error.contains("table"), "{error}");
    }
}
