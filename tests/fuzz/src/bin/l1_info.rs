//! L1 attributes: two fixed layouts, each byte of which counts.
#![no_main]

use tributary_fuzz::{
    memory,
    seeds::{Seeds, add, of_vectors, vector},
    target,
};
use tributary_protocol::l1_info::{ISTHMUS_SELECTOR, ISTHMUS_SIZE, JOVIAN_SIZE, L1Info};

target!(run, seeds);

fn run(data: &[u8]) {
    let Ok(info) = memory::within(0, || L1Info::decode(data)) else {
        return;
    };
    let size = if info.da_footprint_gas_scalar.is_some() {
        JOVIAN_SIZE
    } else {
        ISTHMUS_SIZE
    };
    assert_eq!(data.len(), size);
    assert_eq!(info.encode()[..], *data);
    assert_eq!(info.to_deposit().input[..], *data);
    assert!(
        L1Info::decode(&[data, &[0]].concat()).is_err(),
        "a byte behind the attributes"
    );
}

fn seeds() -> Seeds {
    let mut seeds = of_vectors(&["l1-attributes-jovian"]);
    let mut isthmus = vector("l1-attributes-jovian")[..ISTHMUS_SIZE].to_vec();
    isthmus[..4].copy_from_slice(&ISTHMUS_SELECTOR);
    add(&mut seeds, "isthmus", &isthmus);
    seeds
}
