//! Numbers as people read them. Exact values stand in the REST answers and in `title`s.

use alloy::primitives::U256;

/// `12 345 678`, with thin spaces.
pub(super) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::with_capacity(digits.len() * 2);
    if number < 0 {
        out.push('−');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push('\u{2009}');
        }
        out.push(digit);
    }
    out
}

/// Bytes in decimal units: `812 B`, `48.2 kB`, `3.10 MB`.
pub(super) fn bytes(count: i64) -> String {
    let (unit, divisor) = match count.unsigned_abs() {
        0..1_000 => return format!("{count} B"),
        1_000..1_000_000 => ("kB", 1e3),
        1_000_000..1_000_000_000 => ("MB", 1e6),
        _ => ("GB", 1e9),
    };
    format!("{} {unit}", three_digits(count as f64 / divisor))
}

/// Wei in the unit that keeps the number short: `740 wei`, `12.3 gwei`, `0.0021 ETH`.
pub(super) fn wei(amount: U256) -> String {
    let amount = amount.saturating_to::<u128>();
    match amount {
        0..1_000_000 => format!("{amount} wei"),
        1_000_000..1_000_000_000_000_000 => format!("{} gwei", three_digits(amount as f64 / 1e9)),
        _ => format!("{} ETH", three_digits(amount as f64 / 1e18)),
    }
}

/// Decimal wei text out of the database.
pub(super) fn wei_text(text: &str) -> String {
    text.parse().map_or_else(|_| text.to_owned(), wei)
}

/// Three significant digits, no exponent; large numbers whole and grouped.
fn three_digits(value: f64) -> String {
    if value >= 1_000.0 {
        // Callers stay below a million of their unit.
        #[expect(clippy::cast_possible_truncation)]
        return grouped(value.round() as i64);
    }
    let decimals = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        0.1.. => 3,
        0.01.. => 4,
        0.001.. => 5,
        _ => 6,
    };
    format!("{value:.decimals$}")
}

/// How long ago: `now`, `12 s`, `3 min`, `5 h`, `2 d`.
pub(super) fn age(now: i64, then: i64) -> String {
    match now.saturating_sub(then) {
        ..=0 => "now".to_owned(),
        seconds @ 1..100 => format!("{seconds} s ago"),
        seconds @ 100..6_000 => format!("{} min ago", seconds / 60),
        seconds @ 6_000..172_800 => format!("{} h ago", seconds / 3_600),
        seconds => format!("{} d ago", seconds / 86_400),
    }
}

/// `0x1234…abcd`.
pub(super) fn short_hash(hash: &str) -> String {
    match (
        hash.get(..6),
        hash.len().checked_sub(4).and_then(|start| hash.get(start..)),
    ) {
        (Some(start), Some(end)) if hash.len() > 12 => format!("{start}…{end}"),
        _ => hash.to_owned(),
    }
}

/// How many times smaller: `4.1×`.
pub(super) fn ratio(raw: i64, compressed: i64) -> Option<String> {
    (raw > 0 && compressed > 0).then(|| format!("{:.1}×", raw as f64 / compressed as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1_000, "1\u{2009}000"),
            (1_234_567, "1\u{2009}234\u{2009}567"),
        ];
        for (number, expected) in cases {
            assert_eq!(grouped(number), expected);
        }
    }

    #[test]
    fn amounts_stay_short() {
        let cases = [
            (0u64, "0 wei"),
            (999_999, "999999 wei"),
            (2_500_000, "0.00250 gwei"),
            (12_345_678_901, "12.3 gwei"),
            (99_999_000_000_000, "99\u{2009}999 gwei"),
            (2_100_000_000_000_000, "0.00210 ETH"),
            (3_000_000_000_000_000_000, "3.00 ETH"),
        ];
        for (amount, expected) in cases {
            assert_eq!(wei(U256::from(amount)), expected);
        }
    }

    #[test]
    fn sizes_and_ages_have_their_units() {
        assert_eq!(
            [bytes(812), bytes(48_211), bytes(3_104_000)],
            ["812 B", "48.2 kB", "3.10 MB"]
        );
        let ages = [
            age(10, 20),
            age(112, 100),
            age(300, 0),
            age(7_200, 0),
            age(200_000, 0),
        ];
        assert_eq!(ages, ["now", "12 s ago", "5 min ago", "2 h ago", "2 d ago"]);
    }

    #[test]
    fn hashes_are_cut_in_the_middle() {
        assert_eq!(short_hash("0x123456789abcdef"), "0x1234…cdef");
        assert_eq!(short_hash("0x12"), "0x12");
        assert_eq!(
            short_hash("ääääääääääääää"),
            "ääääääääääääää".get(..6).map_or("", |s| s).to_owned() + "…ää"
        );
    }
}
