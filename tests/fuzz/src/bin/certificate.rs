//! EigenDA certificates: the form is decided without memory, to the last byte, and no certificate begins another.
#![no_main]

use tributary_da_client::cert::check_form;
use tributary_fuzz::{
    memory,
    seeds::{Seeds, add, of_vectors, vector},
    target,
};

target!(run, seeds);

fn run(data: &[u8]) {
    if memory::within(0, || check_form(data)).is_err() {
        return;
    }
    assert!((1..=3).contains(&data[0]), "V1 is dead, others are unknown");
    assert!(
        check_form(&[data, &[0]].concat()).is_err(),
        "a byte behind the certificate"
    );
    for cut in [0, 1, data.len() / 2, data.len() - 1] {
        assert!(
            check_form(&data[..cut]).is_err(),
            "a certificate cut to {cut} bytes"
        );
    }
}

fn seeds() -> Seeds {
    let mut seeds = of_vectors(&["eigenda-certificate"]);
    // The same certificate as V4: one more item, a list longer by one byte.
    let mut v4 = vector("eigenda-certificate");
    v4[0] = 3;
    v4[2] += 1;
    v4.push(5);
    add(&mut seeds, "v4", &v4);
    seeds
}
