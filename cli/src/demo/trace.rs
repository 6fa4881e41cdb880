//! Where a demo's inferences come from: a CSV of a real serving trace, or a seeded generator of the same published shape.
//!
//! The CSV is `TIMESTAMP,ContextTokens,GeneratedTokens` with a header line, LF or CRLF (Azure's LLM inference trace 2023). Only the
//! token counts are used.

use rand::{Rng, SeedableRng, rngs::StdRng};
use std::path::{Path, PathBuf};

/// First line of a trace file.
const HEADER: &str = "TIMESTAMP,ContextTokens,GeneratedTokens";

/// Largest token count a row may carry: ten times the longest context any served model has, so larger is a broken file.
const TOKENS_MAX: u32 = 100_000_000;

/// Token counts of one inference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inference {
    /// Tokens of the prompt.
    pub(crate) tokens_in: u32,
    /// Tokens of the answer.
    pub(crate) tokens_out: u32,
}

/// Why a trace file was refused; rows are counted from 1, the header being row 1.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum TraceError {
    #[error("cannot read the trace {path}: {reason}")]
    Read { path: PathBuf, reason: String },
    #[error("{path}: row 1 must be `{HEADER}`, found `{found}`")]
    Header { path: PathBuf, found: String },
    #[error("{path}: row {row} must have 3 fields, found {found}: `{text}`")]
    Fields {
        path: PathBuf,
        row: usize,
        found: usize,
        text: String,
    },
    #[error("{path}: row {row}: {field} must be a whole number up to {TOKENS_MAX}, found `{found}`")]
    Tokens {
        path: PathBuf,
        row: usize,
        field: &'static str,
        found: String,
    },
    #[error(
        "{path} has {found} inferences, --records asks for {wanted}; lower --records or give a longer trace"
    )]
    TooShort {
        path: PathBuf,
        found: usize,
        wanted: usize,
    },
}

/// The first `count` inferences of the trace at `path`; all rows are checked, also those not used.
pub(crate) fn from_csv(path: &Path, count: usize) -> Result<Vec<Inference>, TraceError> {
    let text = std::fs::read_to_string(path).map_err(|error| TraceError::Read {
        path: path.into(),
        reason: error.to_string(),
    })?;
    let mut rows = parse(path, &text)?;
    if rows.len() < count {
        return Err(TraceError::TooShort {
            path: path.into(),
            found: rows.len(),
            wanted: count,
        });
    }
    rows.truncate(count);
    Ok(rows)
}

fn parse(path: &Path, text: &str) -> Result<Vec<Inference>, TraceError> {
    let mut lines = text.lines().enumerate();
    let header = lines.next().map_or("", |(_, line)| line);
    if header != HEADER {
        return Err(TraceError::Header {
            path: path.into(),
            found: header.chars().take(80).collect(),
        });
    }
    lines
        .map(|(index, line)| parse_row(path, index + 1, line))
        .collect()
}

fn parse_row(path: &Path, row: usize, line: &str) -> Result<Inference, TraceError> {
    let fields: Vec<&str> = line.split(',').collect();
    let [_, tokens_in, tokens_out] = fields[..] else {
        let text = line.chars().take(80).collect();
        return Err(TraceError::Fields {
            path: path.into(),
            row,
            found: fields.len(),
            text,
        });
    };
    let tokens = |field: &'static str, text: &str| {
        text.parse()
            .ok()
            .filter(|count| *count <= TOKENS_MAX)
            .ok_or_else(|| TraceError::Tokens {
                path: path.into(),
                row,
                field,
                found: text.chars().take(80).collect(),
            })
    };
    Ok(Inference {
        tokens_in: tokens("ContextTokens", tokens_in)?,
        tokens_out: tokens("GeneratedTokens", tokens_out)?,
    })
}

/// `count` inferences with the published means and 99th percentiles of the Azure trace: 1,434 and 7,435 tokens in, 154 and 581 out.
///
/// Both are drawn log-normally; the parameters solve mean and 99th percentile (`sigma² - 4.652 sigma + 2 ln(p99 / mean) = 0`).
pub(crate) fn generated(seed: u64, count: usize) -> Vec<Inference> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut rows = Vec::with_capacity(count);
    for _ in 0..count {
        let tokens_in = log_normal(&mut random, 6.889_6, 0.870_5);
        let tokens_out = log_normal(&mut random, 4.815_0, 0.666_3);
        rows.push(Inference {
            tokens_in,
            tokens_out,
        });
    }
    rows
}

/// One draw, at least 1, by the Box–Muller transform.
fn log_normal(random: &mut StdRng, mu: f64, sigma: f64) -> u32 {
    let (u, v): (f64, f64) = (1.0 - random.random::<f64>(), random.random());
    let normal = (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
    let tokens = (mu + sigma * normal)
        .exp()
        .round()
        .clamp(1.0, f64::from(TOKENS_MAX));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 1..=TOKENS_MAX above"
    )]
    let tokens = tokens as u32;
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_text(text: &str) -> Result<Vec<Inference>, TraceError> {
        parse(Path::new("t.csv"), text)
    }

    #[test]
    fn both_line_endings_are_read() {
        let expected = vec![
            Inference {
                tokens_in: 374,
                tokens_out: 44,
            },
            Inference {
                tokens_in: 1,
                tokens_out: 2,
            },
        ];
        let unix = format!("{HEADER}\n2023-11-16 18:15:46.6805900,374,44\nx,1,2\n");
        assert_eq!(parse_text(&unix).unwrap(), expected);
        assert_eq!(
            parse_text(unix.replace('\n', "\r\n").trim_end()).unwrap(),
            expected
        );
    }

    #[test]
    fn a_bad_row_is_named_with_what_it_holds() {
        let bad = |row: &str| {
            parse_text(&format!("{HEADER}\nx,1,2\n{row}\n"))
                .unwrap_err()
                .to_string()
        };
        assert!(bad("x,1").contains("row 3 must have 3 fields, found 2"));
        assert!(bad("x,1,2,3").contains("found 4"));
        assert!(bad("x,-1,2").contains("ContextTokens") && bad("x,-1,2").contains("`-1`"));
        assert!(bad("x,1,2.5").contains("GeneratedTokens"));
        assert!(bad("x,1,100000001").contains("100000001"));
        assert!(parse_text("a,b\n").unwrap_err().to_string().contains("row 1"));
        assert!(parse_text("").unwrap_err().to_string().contains("row 1"));
    }

    #[test]
    fn the_generator_has_the_published_shape_and_repeats() {
        let rows = generated(7, 50_000);
        assert_eq!(rows, generated(7, 50_000));
        assert_ne!(rows[..10], generated(8, 10)[..]);
        let mean = |tokens: fn(&Inference) -> u32| {
            rows.iter().map(|row| f64::from(tokens(row))).sum::<f64>() / f64::from(50_000)
        };
        assert!((mean(|row| row.tokens_in) - 1434.0).abs() < 60.0);
        assert!((mean(|row| row.tokens_out) - 154.0).abs() < 6.0);
    }
}
