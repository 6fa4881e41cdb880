//! Blobs: any content comes back out of its blob, and a blob that decodes is the one its content encodes to.
//!
//! Input: number of changes u8, each a place u24 and what is xored into it u8; the content.
#![no_main]

use tributary_fuzz::{
    input::Input,
    memory,
    seeds::{Seeds, vector},
    target,
};
use tributary_protocol::blob::{BLOB_CONTENT_SIZE_MAX, BLOB_SIZE, Blob};

target!(run, seeds);

fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let changes: Vec<(usize, u8)> = (0..input.byte() % 8)
        .map(|_| {
            let [a, b, c, change] = input.array();
            (
                usize::try_from(u32::from_be_bytes([0, a, b, c])).expect("24 bits") % BLOB_SIZE,
                change,
            )
        })
        .collect();
    let content = input.rest();
    let blob = Blob::encode(content).expect("inputs are far below the limit of a blob");
    assert_eq!(blob.bytes().len(), BLOB_SIZE);
    assert!(
        blob.bytes().chunks(32).all(|element| element[0] < 0x40),
        "254 bits to an element"
    );
    assert_eq!(blob.decode().expect("our own blob")[..], *content);

    let mut changed = blob.bytes().to_vec();
    for (place, change) in changes {
        changed[place] ^= change;
    }
    let changed = Blob::new(changed.into()).expect("of the same size");
    if let Ok(found) = memory::within(2 * BLOB_SIZE, || changed.decode()) {
        assert!(found.len() <= BLOB_CONTENT_SIZE_MAX);
        // The two high bits of the very first element are not looked at, as in other derivers.
        let mut expected = changed.bytes().to_vec();
        expected[0] &= 0x3f;
        let again = Blob::encode(&found).expect("it came out of a blob");
        assert_eq!(again.bytes()[..], expected, "one blob to each content");
    }
    assert!(Blob::new(changed.bytes().slice(1..)).is_err(), "a byte short");
}

fn seeds() -> Seeds {
    let content = [&[0], &vector("frame")[..]].concat();
    let changed = |changes: &[u8]| [changes, &content].concat();
    vec![
        ("frames".into(), changed(&[0])),
        ("version".into(), changed(&[1, 0, 0, 1, 1])),
        ("length".into(), changed(&[1, 0, 0, 4, 3])),
        ("high-bits".into(), changed(&[1, 0, 0, 32, 0x40])),
        ("beyond".into(), changed(&[2, 0, 1, 0, 1, 1, 0xff, 0xff, 1])),
        ("long".into(), [&[0][..], &vec![0xa5; 2000]].concat()),
    ]
}
