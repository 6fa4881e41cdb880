//! What binds a blob to its versioned hash: a KZG commitment, computed anew from the bytes, so that no proof has to be believed.

use alloy_eips::eip4844::kzg_to_versioned_hash;
use alloy_primitives::B256;
use tributary_protocol::blob::Blob;

/// The versioned hash under which a transaction refers to `blob`; `None` if a field element is not below the modulus, in which case
/// no transaction can. Takes some 50 ms of one core, and a second more the first time.
#[must_use]
pub fn versioned_hash(blob: &Blob) -> Option<B256> {
    let blob = c_kzg::Blob::from_bytes(blob.bytes()).ok()?;
    let commitment = c_kzg::ethereum_kzg_settings(0)
        .blob_to_kzg_commitment(&blob)
        .ok()?;
    Some(kzg_to_versioned_hash(commitment.as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Bytes, b256};
    use tributary_protocol::blob::BLOB_SIZE;

    #[test]
    fn empty_blob_has_the_hash_of_the_point_at_infinity() {
        // The commitment to zero is c0 00 .. 00; everybody knows its hash.
        let blob = Blob::new(vec![0; BLOB_SIZE].into()).unwrap();
        assert_eq!(
            versioned_hash(&blob),
            Some(b256!(
                "010657f37554c781402a22917dee2f75def7ab966d7b770905398eba3c444014"
            ))
        );
    }

    #[test]
    fn every_byte_counts_and_no_element_may_exceed_the_modulus() {
        let blob = Blob::encode(b"\0frames").unwrap();
        let hash = versioned_hash(&blob).unwrap();
        assert_eq!(versioned_hash(&blob), Some(hash));
        let mut bytes = blob.bytes().to_vec();
        bytes[BLOB_SIZE - 1] = 1;
        let other = versioned_hash(&Blob::new(Bytes::from(bytes.clone())).unwrap());
        assert!(other.is_some_and(|other| other != hash));
        bytes[BLOB_SIZE - 32] = 0xff;
        assert_eq!(versioned_hash(&Blob::new(bytes.into()).unwrap()), None);
    }
}
