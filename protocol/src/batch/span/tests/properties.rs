//! What holds for every span.

use super::{
    generate::{any_blocks, any_transaction},
    *,
};
use proptest::{collection::vec as many, prelude::*};

proptest! {
    #[test]
    fn transactions_survive_the_round_trip(transaction in any_transaction()) {
        let columns = transaction::Columns::split(&transaction, CHAIN_ID).unwrap();
        prop_assert_eq!(columns.join(CHAIN_ID), Ok(transaction.clone()));
        let mut template = Vec::new();
        columns.template.encode(&mut template);
        let mut rest = &template[..];
        prop_assert_eq!(transaction::Template::decode(&mut rest), Ok(columns.template));
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn spans_survive_the_round_trip(blocks in any_blocks(), sequence_number in 0u64..3) {
        let span = SpanBatch::from_singular(&blocks, sequence_number, PARAMETERS).unwrap();
        let decoded = decode(&span.encode().unwrap()).unwrap();
        prop_assert_eq!(&decoded, &span);
        prop_assert_eq!(decoded.to_singular(|number| Some(epoch_hash(number))), Ok(without_parents(&blocks)));
        prop_assert!(decoded.blocks().eq(span.into_blocks()));
        prop_assert!(decoded.matches_parent(&blocks[0].parent_hash));
        prop_assert!(decoded.matches_l1_origin(&blocks[blocks.len() - 1].epoch_hash));
        prop_assert_eq!(decoded.opens_epoch(), sequence_number == 0);
        prop_assert_eq!(decoded.first_epoch(), blocks[0].epoch_number);
        prop_assert_eq!(decoded.last_timestamp(), blocks[blocks.len() - 1].timestamp);
    }

    /// What decodes can be encoded again, and then means the same.
    #[test]
    fn changed_spans_decode_to_something_sound(
        blocks in any_blocks(),
        changes in many((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = SpanBatch::from_singular(&blocks, 0, PARAMETERS).unwrap().encode().unwrap();
        for (position, byte) in changes {
            let position = position.index(bytes.len());
            bytes[position] = byte;
        }
        if let Ok(span) = decode(&bytes) {
            prop_assert_eq!(span.blocks().count(), span.block_count());
            prop_assert_eq!(span.blocks().last().unwrap().epoch_number, span.last_epoch());
            prop_assert_eq!(decode(&span.encode().unwrap()), Ok(span));
        }
    }
}
