//! Attribution bundles and the shares of a record: canonical, bounded by the rows a reader takes.
//!
//! Input: most rows u16, the bundle. The same bytes are also read as the shares of a record.
#![no_main]

use tributary_fuzz::{
    input::Input,
    memory,
    seeds::{Seeds, add, vector},
    target,
};
use tributary_protocol::attribution::{RecordShares, decode_bundle, encode_bundle};

target!(run, seeds);

fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let rows_max = usize::from(input.number());
    let bytes = input.rest();
    // A row takes 23 bytes there at least, and here a vector of 8 bytes a share besides its fields.
    let decoded = memory::within(1024 + 16 * bytes.len(), || decode_bundle(bytes, rows_max));
    if let Ok(rows) = decoded {
        assert!((1..=rows_max).contains(&rows.len()));
        assert!(rows.iter().all(|row| (1..=5).contains(&row.shares.len())));
        assert_eq!(
            encode_bundle(&rows).expect("what was read can be written")[..],
            *bytes
        );
        assert!(
            decode_bundle(&[bytes, &[0]].concat(), rows_max).is_err(),
            "a byte behind the rows"
        );
        assert!(
            decode_bundle(bytes, rows.len() - 1).is_err(),
            "one row over the limit"
        );
    }
    if let Ok(shares) = memory::within(1024, || RecordShares::decode(bytes)) {
        assert_eq!(shares.encode().expect("what was read can be written")[..], *bytes);
        let total: u128 = shares.contributors.iter().map(|share| share.amount).sum();
        assert!(shares.total() >= total);
    }
}

fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    for name in ["bundle", "record-shares"] {
        add(&mut seeds, name, &[&[0x13, 0x88], &vector(name)[..]].concat());
    }
    seeds
}
