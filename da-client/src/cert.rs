//! Whether the bytes of an EigenDA commitment are a certificate at all: decided here, before anybody is asked.
//!
//! EigenDA's proxy answers bytes it cannot parse with 400 or 500, which a reader could only take for an outage and wait for ever.
//! The bytes are on L1, the same for everyone, so what they are is a verdict. Whether a certificate is *valid* is not judged here;
//! that takes contracts on L1 and is the proxy's answer.
//!
//! Behind the layer byte 00:
//!
//! | offset | bytes | field |
//! | --- | --- | --- |
//! | 0 | 1 | version: 01 V2, 02 V3, 03 V4; 00 (V1) is dead |
//! | 1 | rest | RLP of the certificate, to the last byte |
//!
//! ```text
//! V2 = [inclusion, header, signatures, signed quorums]
//! V3 = [header, inclusion, signatures, signed quorums]
//! V4 = [header, inclusion, signatures, signed quorums, derivation version u16]
//! ```
//! The members are below, one constant each. The grammar is walked without building anything: no allocation, and no deeper than
//! the grammar itself. Canonical RLP only, as go-ethereum demands. Integers of curve points may have any length: the proxy takes
//! them all, and here nothing may be dropped that the proxy would serve.

use crate::verdict::DropReason;
use alloy_rlp::Header;
use tributary_protocol::commitment::{Commitment, EIGENDA_LAYER};

/// One item of a certificate.
enum Shape {
    /// A number in at most so many bytes.
    Uint(usize),
    /// A number of any size.
    Integer,
    /// A string of so many bytes.
    Fixed(usize),
    /// A string of any length.
    Bytes,
    /// A list of just these items.
    List(&'static [Self]),
    /// A list of any number of such items.
    Repeat(&'static Self),
}

const U16: Shape = Shape::Uint(2);
const U32: Shape = Shape::Uint(4);
const U32_LIST: Shape = Shape::Repeat(&U32);
/// A point in G1: x, y.
const G1: Shape = Shape::List(&[Shape::Integer, Shape::Integer]);
/// A coordinate in the field of G2.
const PAIR: Shape = Shape::List(&[Shape::Integer, Shape::Integer]);
/// A point in G2: x, y.
const G2: Shape = Shape::List(&[PAIR, PAIR]);
/// Batch root, reference block number.
const HEADER: Shape = Shape::List(&[Shape::Fixed(32), U32]);
/// Commitment, length commitment, length proof, length in symbols.
const BLOB_COMMITMENT: Shape = Shape::List(&[G1, G2, G2, U32]);
/// Version, quorums, commitment, hash of the payment header.
const BLOB_HEADER: Shape = Shape::List(&[U16, Shape::Bytes, BLOB_COMMITMENT, Shape::Fixed(32)]);
/// Blob header, signature, relay keys.
const BLOB_CERTIFICATE: Shape = Shape::List(&[BLOB_HEADER, Shape::Bytes, U32_LIST]);
/// Blob certificate, index in the batch, Merkle proof.
const INCLUSION: Shape = Shape::List(&[BLOB_CERTIFICATE, U32, Shape::Bytes]);
/// Bitmap indices, public keys of those who did not sign, aggregate keys of the quorums, aggregate key in G2, signature, indices of
/// aggregate keys, of total stakes, and of stakes of those who did not sign.
const SIGNATURES: Shape = Shape::List(&[
    U32_LIST,
    Shape::Repeat(&G1),
    Shape::Repeat(&G1),
    G2,
    G1,
    U32_LIST,
    U32_LIST,
    Shape::Repeat(&U32_LIST),
]);
const V2: Shape = Shape::List(&[INCLUSION, HEADER, SIGNATURES, Shape::Bytes]);
const V3: Shape = Shape::List(&[HEADER, INCLUSION, SIGNATURES, Shape::Bytes]);
const V4: Shape = Shape::List(&[HEADER, INCLUSION, SIGNATURES, Shape::Bytes, U16]);

/// Why bytes are not a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertError {
    /// Not even a version.
    #[error("the certificate is empty")]
    Empty,
    /// No certificate has this version.
    #[error("the certificate has version byte {found:02x}, known are 01 to 03")]
    Version {
        /// Version byte.
        found: u8,
    },
    /// Not canonical RLP, or a string for a list or the other way round.
    #[error("the certificate is not RLP of its shape: {0}")]
    Rlp(alloy_rlp::Error),
    /// A number with leading zeros or of too many bytes, or a string of another length.
    #[error("a field of the certificate has {found} bytes, expected {expected}")]
    FieldSize {
        /// Bytes of the field, at most or exactly.
        expected: usize,
        /// Bytes of the field.
        found: usize,
    },
    /// A number that starts with a zero byte.
    #[error("a number in the certificate starts with a zero byte")]
    LeadingZero,
    /// A list with more items than it may have, or bytes behind the certificate.
    #[error("{found} bytes too many in the certificate")]
    Trailing {
        /// Bytes left over.
        found: usize,
    },
}

/// Checks that `bytes`, as they follow the layer byte, have the form of a certificate.
///
/// # Errors
/// [`CertError`].
pub fn check_form(bytes: &[u8]) -> Result<(), CertError> {
    let (version, mut certificate) = bytes.split_first().ok_or(CertError::Empty)?;
    let shape = match version {
        0x01 => &V2,
        0x02 => &V3,
        0x03 => &V4,
        found => return Err(CertError::Version { found: *found }),
    };
    walk(shape, &mut certificate)?;
    finished(certificate)
}

/// The verdict on `commitment` that needs nobody's answer, if there is one.
#[must_use]
pub fn local_verdict(commitment: &Commitment) -> Option<DropReason> {
    match commitment {
        Commitment::Other {
            layer: EIGENDA_LAYER,
            bytes,
        } => check_form(bytes).is_err().then_some(DropReason::Parse),
        _ => None,
    }
}

/// Takes one item of `shape` off the front of `input`.
fn walk(shape: &Shape, input: &mut &[u8]) -> Result<(), CertError> {
    let is_list = matches!(shape, Shape::List(_) | Shape::Repeat(_));
    let mut content = Header::decode_bytes(input, is_list).map_err(CertError::Rlp)?;
    match shape {
        Shape::Uint(size_max) => {
            number(content)?;
            field_size(*size_max, content.len(), content.len() <= *size_max)
        }
        Shape::Integer => number(content),
        Shape::Fixed(size) => field_size(*size, content.len(), content.len() == *size),
        Shape::Bytes => Ok(()),
        Shape::List(items) => {
            items.iter().try_for_each(|item| walk(item, &mut content))?;
            finished(content)
        }
        Shape::Repeat(item) => {
            while !content.is_empty() {
                walk(item, &mut content)?;
            }
            Ok(())
        }
    }
}

fn number(content: &[u8]) -> Result<(), CertError> {
    if content.first() == Some(&0) {
        Err(CertError::LeadingZero)
    } else {
        Ok(())
    }
}

const fn field_size(expected: usize, found: usize, fits: bool) -> Result<(), CertError> {
    if fits {
        Ok(())
    } else {
        Err(CertError::FieldSize { expected, found })
    }
}

const fn finished(rest: &[u8]) -> Result<(), CertError> {
    if rest.is_empty() {
        Ok(())
    } else {
        Err(CertError::Trailing { found: rest.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{string::String, vec, vec::Vec};
    use alloy_primitives::Bytes;
    use proptest::prelude::*;

    /// An RLP item to be encoded.
    #[derive(Clone, Debug)]
    enum Item {
        String(Vec<u8>),
        List(Vec<Self>),
    }

    impl Item {
        fn encode(&self) -> Vec<u8> {
            match self {
                Self::String(bytes) => alloy_rlp::encode(bytes.as_slice()),
                Self::List(items) => {
                    let content: Vec<u8> = items.iter().flat_map(Self::encode).collect();
                    let mut out = Vec::new();
                    Header {
                        list: true,
                        payload_length: content.len(),
                    }
                    .encode(&mut out);
                    out.extend(content);
                    out
                }
            }
        }

        /// The item at a path of indices.
        fn at(&mut self, path: &[usize]) -> &mut Self {
            path.iter().fold(self, |item, index| match item {
                Self::List(items) => &mut items[*index],
                Self::String(_) => panic!("no list at {path:?}"),
            })
        }
    }

    fn string(bytes: &[u8]) -> Item {
        Item::String(bytes.to_vec())
    }

    fn list(items: &[Item]) -> Item {
        Item::List(items.to_vec())
    }

    fn g1() -> Item {
        list(&[string(&[7; 32]), string(&[8; 31])])
    }

    fn g2() -> Item {
        list(&[g1(), g1()])
    }

    fn header() -> Item {
        list(&[string(&[1; 32]), string(&[0x8b, 0x5d, 0x7b])])
    }

    fn inclusion() -> Item {
        let commitment = list(&[g1(), g2(), g2(), string(&[4])]);
        let blob_header = list(&[string(&[]), string(&[0, 1]), commitment, string(&[2; 32])]);
        let certificate = list(&[blob_header, string(&[3; 65]), list(&[string(&[]), string(&[5])])]);
        list(&[certificate, string(&[9]), string(&[6; 64])])
    }

    fn signatures() -> Item {
        let numbers = || list(&[string(&[1]), string(&[2, 0])]);
        let stakes = list(&[numbers(), list(&[])]);
        list(&[
            numbers(),
            list(&[g1(), g1()]),
            list(&[g1()]),
            g2(),
            g1(),
            numbers(),
            numbers(),
            stakes,
        ])
    }

    fn v3() -> Item {
        list(&[header(), inclusion(), signatures(), string(&[0, 1])])
    }

    fn v4() -> Item {
        list(&[header(), inclusion(), signatures(), string(&[0, 1]), string(&[])])
    }

    fn v2() -> Item {
        list(&[inclusion(), header(), signatures(), string(&[0, 1])])
    }

    fn versioned(version: u8, item: &Item) -> Vec<u8> {
        let mut out = vec![version];
        out.extend(item.encode());
        out
    }

    #[test]
    fn each_version_has_its_own_form() {
        let forms = [(0x01, v2()), (0x02, v3()), (0x03, v4())];
        for version in 0x00..=0xff {
            for (form, item) in &forms {
                let expected = version == *form;
                assert_eq!(
                    check_form(&versioned(version, item)).is_ok(),
                    expected,
                    "{version} {form}"
                );
            }
        }
        assert_eq!(
            check_form(&versioned(0, &v3())),
            Err(CertError::Version { found: 0 })
        );
        assert_eq!(check_form(&[]), Err(CertError::Empty));
    }

    #[test]
    fn a_certificate_cut_anywhere_or_followed_by_anything_is_none() {
        for bytes in [versioned(1, &v2()), versioned(2, &v3()), versioned(3, &v4())] {
            for end in 0..bytes.len() {
                assert!(check_form(&bytes[..end]).is_err(), "cut at {end}");
            }
            let mut longer = bytes.clone();
            longer.push(0x80);
            assert_eq!(check_form(&longer), Err(CertError::Trailing { found: 1 }));
        }
    }

    #[test]
    fn fields_of_the_wrong_size_or_kind_are_rejected() {
        let reject = |path: &[usize], item: Item, expected: CertError| {
            let mut cert = v3();
            *cert.at(path) = item;
            assert_eq!(check_form(&versioned(2, &cert)), Err(expected), "{path:?}");
        };
        let field = |expected, found| CertError::FieldSize { expected, found };
        reject(&[0, 0], string(&[1; 31]), field(32, 31));
        reject(&[0, 0], string(&[1; 33]), field(32, 33));
        reject(&[0, 1], string(&[1; 5]), field(4, 5));
        reject(&[0, 1], string(&[0, 1]), CertError::LeadingZero);
        reject(&[1, 0, 0, 0], string(&[1, 0, 0]), field(2, 3));
        reject(&[1, 0, 0, 2, 0, 0], string(&[0, 1]), CertError::LeadingZero);
        reject(
            &[0],
            string(&[1]),
            CertError::Rlp(alloy_rlp::Error::UnexpectedString),
        );
        reject(&[3], list(&[]), CertError::Rlp(alloy_rlp::Error::UnexpectedList));
        reject(
            &[2, 4],
            list(&[string(&[1])]),
            CertError::Rlp(alloy_rlp::Error::InputTooShort),
        );
        reject(
            &[2, 4],
            list(&[string(&[1]), string(&[1]), string(&[1])]),
            CertError::Trailing { found: 1 },
        );
    }

    #[test]
    fn a_coordinate_of_any_length_is_left_to_the_proxy() {
        let mut cert = v3();
        *cert.at(&[2, 4, 0]) = string(&[1; 40]);
        assert_eq!(check_form(&versioned(2, &cert)), Ok(()));
    }

    #[test]
    fn numbers_must_be_canonical() {
        // 81 84 is the number 0x84; 81 04 is 4 in a longer form than its own.
        let mut cert = v3();
        *cert.at(&[1, 0, 0, 2, 3]) = string(&[0x84]);
        let mut not_canonical = versioned(2, &cert);
        let at = not_canonical
            .windows(2)
            .position(|pair| pair == [0x81, 0x84])
            .unwrap();
        not_canonical[at + 1] = 0x04;
        assert_eq!(
            check_form(&not_canonical),
            Err(CertError::Rlp(alloy_rlp::Error::NonCanonicalSingleByte))
        );
    }

    #[test]
    fn only_eigenda_s_layer_is_judged() {
        let nonsense = Bytes::from_static(&[0xff]);
        let verdict = |layer| {
            local_verdict(&Commitment::Other {
                layer,
                bytes: nonsense.clone(),
            })
        };
        assert_eq!(verdict(EIGENDA_LAYER), Some(DropReason::Parse));
        assert_eq!(verdict(0x0c), None);
        assert_eq!(local_verdict(&Commitment::local(b"payload").unwrap()), None);
        let bytes = versioned(3, &v4()).into();
        assert_eq!(
            local_verdict(&Commitment::Other {
                layer: EIGENDA_LAYER,
                bytes
            }),
            None
        );
    }

    #[test]
    fn the_documented_certificate_has_its_form() {
        let page = include_str!("../../docs/wire.md");
        let (_, rest) = page.split_once("```vector eigenda-certificate\n").unwrap();
        let digits: String = rest.split_once("```").unwrap().0.split_whitespace().collect();
        let bytes = alloy_primitives::hex::decode(&digits).unwrap();
        assert_eq!(check_form(&bytes), Ok(()));
        assert!(check_form(&bytes[..bytes.len() - 1]).is_err());
    }

    /// Certificates from a live network, which are not kept here: a file of hex, `0x01 00 ‖ version ‖ RLP`.
    #[test]
    #[ignore = "set TRIBUTARY_EIGENDA_COMMITMENTS to files of hex, separated by colons"]
    fn live_commitments_have_their_form() {
        let files = std::env::var("TRIBUTARY_EIGENDA_COMMITMENTS").unwrap();
        for file in files.split(':') {
            let text = std::fs::read_to_string(file).unwrap();
            let bytes = alloy_primitives::hex::decode(text.trim()).unwrap();
            let commitment = Commitment::decode(&bytes).unwrap();
            assert_eq!(local_verdict(&commitment), None, "{file}");
        }
    }

    proptest! {
        #[test]
        fn damage_never_panics(
            version in 0_u8..5,
            mut cert in prop_oneof![Just(v2().encode()), Just(v3().encode()), Just(v4().encode())],
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        ) {
            for (index, byte) in changes {
                let at = index.index(cert.len());
                cert[at] = byte;
            }
            cert.insert(0, version);
            let _ = check_form(&cert);
        }
    }
}
