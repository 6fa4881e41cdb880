//! Singular batches: canonical RLP, so that what decodes encodes to the same bytes and nothing is behind it.
#![no_main]

use tributary_fuzz::{
    memory,
    seeds::{Seeds, add, of_vectors},
    target,
};
use tributary_protocol::batch::{Batch, SingularBatch, SpanParameters};

target!(run, seeds);

const PARAMETERS: SpanParameters = SpanParameters {
    genesis_time: 1_700_000_000,
    block_time_secs: 2,
    chain_id: 901,
};

fn run(data: &[u8]) {
    // An empty transaction takes one byte there and 32 here; vectors grow by doubling.
    let decoded = memory::within(1024 + 128 * data.len(), || SingularBatch::decode(data));
    if data.first() == Some(&0) {
        let either = Batch::decode(data, &PARAMETERS);
        assert_eq!(either.ok(), decoded.as_ref().ok().cloned().map(Batch::Singular));
    }
    let Ok(batch) = decoded else { return };
    assert_eq!(batch.encode(), data);
    assert!(
        SingularBatch::decode(&[data, &[0]].concat()).is_err(),
        "a byte behind the batch"
    );
    assert!(
        SingularBatch::decode(&data[..data.len() - 1]).is_err(),
        "a cut batch"
    );
}

fn seeds() -> Seeds {
    let mut seeds = of_vectors(&["singular-batch"]);
    let batch = SingularBatch {
        transactions: vec![vec![2; 60].into(), Default::default()],
        ..SingularBatch::default()
    };
    add(&mut seeds, "zeros", &batch.encode());
    seeds
}
