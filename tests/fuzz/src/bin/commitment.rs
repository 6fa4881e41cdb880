//! DA commitments: canonical, bounded, and bound to one payload.
#![no_main]

use tributary_da_client::{
    DropReason,
    cert::{check_form, local_verdict},
};
use tributary_fuzz::{
    memory,
    seeds::{Seeds, add, vector},
    target,
};
use tributary_protocol::commitment::{
    COMMITMENT_SIZE_MAX, Commitment, EIGENDA_LAYER, LOCAL_COMMITMENT_SIZE, LOCAL_PAYLOAD_SIZE_MAX,
};

target!(run, seeds);

fn run(data: &[u8]) {
    if let Ok(commitment) = memory::within(1024 + 4 * data.len(), || Commitment::decode(data)) {
        check(&commitment, data);
    }
    let own = Commitment::local(data).expect("inputs are far below the limit of a payload");
    let encoded = own.encode();
    assert_eq!(encoded.len(), LOCAL_COMMITMENT_SIZE);
    assert_eq!(Commitment::decode(&encoded).as_ref(), Ok(&own));
    assert_eq!(own.verify(data), Ok(()));
    assert!(own.verify(&[data, &[0]].concat()).is_err(), "another payload");
}

fn check(commitment: &Commitment, data: &[u8]) {
    assert!(data.len() <= COMMITMENT_SIZE_MAX);
    assert_eq!(commitment.encode()[..], *data);
    let verdict = local_verdict(commitment);
    match commitment {
        Commitment::Local(local) => {
            assert!(local.payload_size <= LOCAL_PAYLOAD_SIZE_MAX);
            assert!(
                Commitment::decode(&[data, &[0]].concat()).is_err(),
                "one length only"
            );
            assert!(
                Commitment::decode(&data[..data.len() - 1]).is_err(),
                "one length only"
            );
            assert_eq!(verdict, None);
        }
        Commitment::Other { layer, bytes } => {
            assert!(!bytes.is_empty());
            let is_dropped = *layer == EIGENDA_LAYER && check_form(bytes).is_err();
            assert_eq!(verdict, is_dropped.then_some(DropReason::Parse));
        }
    }
}

fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    add(&mut seeds, "local", &vector("batcher-tx-commitment")[1..]);
    add(
        &mut seeds,
        "eigenda",
        &[&[1, 0], &vector("eigenda-certificate")[..]].concat(),
    );
    seeds
}
