//! Golden vectors, refused bytes, and what contradicts what.

use super::*;
use crate::block::{L1BlockId, L1BlockNumber, L2BlockNumber};
use alloc::vec::Vec;
use alloy_consensus::crypto::secp256k1::recover_signer_unchecked;
use alloy_primitives::{Address, B256, Signature, U256, hex};
use k256::ecdsa::SigningKey;
use proptest::prelude::*;

const CHAIN_ID: u64 = 901;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

fn address(seed: u8) -> Address {
    Address::from_public_key(key(seed).verifying_key())
}

fn sign(seed: u8, statement: Statement) -> SignedStatement {
    let hash = statement.signing_hash(CHAIN_ID);
    let (signature, parity) = key(seed).sign_prehash_recoverable(hash.as_slice()).unwrap();
    SignedStatement {
        statement,
        signature: Signature::from((signature, parity)),
    }
}

fn statement(number: u64, subject: Subject) -> Statement {
    Statement {
        epoch: 1,
        number: L2BlockNumber(number),
        parent_hash: B256::repeat_byte(0xaa),
        l1_origin: L1BlockId {
            hash: B256::repeat_byte(0xbb),
            number: L1BlockNumber(7),
        },
        subject,
    }
}

fn hashes(seeds: &[u8]) -> Vec<B256> {
    seeds.iter().map(|seed| B256::repeat_byte(*seed)).collect()
}

const OPENING: TransactionsDigest = TransactionsDigest(B256::repeat_byte(0xcc));

fn after(opening: TransactionsDigest, seeds: &[u8]) -> TransactionsDigest {
    hashes(seeds).into_iter().fold(opening, TransactionsDigest::then)
}

/// Transactions `of[first..]` of a block, signed by key 1.
fn delta(opening: TransactionsDigest, of: &[u8], first: usize) -> Witnessed {
    let subject = Subject::Preconfirmation(Preconfirmation {
        index: 3,
        first: u32::try_from(first).unwrap(),
        count: u32::try_from(of.len() - first).unwrap(),
        before: after(opening, &of[..first]),
        after: after(opening, of),
        receipts_hash: B256::repeat_byte(0xdd),
    });
    let signed = sign(1, statement(9, subject));
    Witnessed::new(&signed, after(opening, &of[..first]), hashes(&of[first..]))
}

fn block(opening: TransactionsDigest, hash: u8, of: &[u8]) -> Witnessed {
    let subject = Subject::Block(Block {
        hash: B256::repeat_byte(hash),
        count: u32::try_from(of.len()).unwrap(),
        digest: after(opening, of),
    });
    Witnessed::new(&sign(1, statement(9, subject)), opening, hashes(of))
}

fn verdict(first: &Witnessed, second: &Witnessed) -> Result<Conflict, EvidenceError> {
    let evidence = |first: &Witnessed, second: &Witnessed| Evidence {
        chain_id: CHAIN_ID,
        first: first.clone(),
        second: second.clone(),
    };
    let there = evidence(first, second).verify();
    assert_eq!(
        there.is_ok(),
        evidence(second, first).verify().is_ok(),
        "both ways round"
    );
    there.map(|verdict| verdict.conflict)
}

fn golden() -> [(Statement, &'static str, &'static str); 2] {
    let preconfirmation = statement(
        9,
        Subject::Preconfirmation(Preconfirmation {
            index: 3,
            first: 2,
            count: 1,
            before: TransactionsDigest(B256::repeat_byte(1)),
            after: TransactionsDigest(B256::repeat_byte(2)),
            receipts_hash: B256::repeat_byte(3),
        }),
    );
    let block = statement(
        9,
        Subject::Block(Block {
            hash: B256::repeat_byte(4),
            count: 3,
            digest: TransactionsDigest(B256::repeat_byte(5)),
        }),
    );
    [
        (
            preconfirmation,
            concat!(
                "0100000000000000010000000000000009aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0000000000000007bbbbbb",
                "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb00000000000000030000000200000001010101010101010101010101010101",
                "010101010101010101010101010101010102020202020202020202020202020202020202020202020202020202020202020303030303030303030303",
                "0303030303030303030303030303030303030303037019b4dd182eace10ef4898fbb547099eaef32e1467529043e60f2ebd5efaab732b7ffe055546f",
                "ab813403dd304d083aa4b9e96e6488a763f27ad3a3f779dd9f01",
            ),
            "dcdc8184f41c10c0ce96c12ed858b28ac7e4c6f1f2cb2d08966eb089e4ade51a",
        ),
        (
            block,
            concat!(
                "0200000000000000010000000000000009aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0000000000000007bbbbbb",
                "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb04040404040404040404040404040404040404040404040404040404040404",
                "040000000305050505050505050505050505050505050505050505050505050505050505054d042da2babb45f71a1414423eeede7109a601be1f0616",
                "19d8773f4996e02791661f65e9f2aace5bc3bfd2a0513c5a00dee4ddcb090af734d14ea279e7fd497600",
            ),
            "7f9dd4470675d3d43b7ec186d94ecbf6b6983766f906ce4eff337341d313abc2",
        ),
    ]
}

#[test]
fn the_golden_vectors_hold() {
    for (statement, bytes, hash) in golden() {
        let signed = sign(1, statement);
        assert_eq!(hex::encode(signed.encode()), bytes);
        assert_eq!(hex::encode(statement.signing_hash(CHAIN_ID)), hash);
        assert_eq!(SignedStatement::decode(&hex::decode(bytes).unwrap()), Ok(signed));
        assert_eq!(signed.verify(CHAIN_ID, address(1)), Ok(()));
    }
}

#[test]
fn a_signature_is_good_for_one_signer_one_chain_and_one_statement() {
    let [(statement, ..), (other, ..)] = golden();
    let signed = sign(1, statement);
    let wrong = SignerError::Other {
        expected: address(2),
        found: address(1),
    };
    assert_eq!(signed.verify(CHAIN_ID, address(2)), Err(wrong));
    assert!(signed.verify(CHAIN_ID + 1, address(1)).is_err());
    let moved = SignedStatement {
        statement: other,
        ..signed
    };
    assert!(moved.verify(CHAIN_ID, address(1)).is_err());
    let raised = SignedStatement {
        statement: Statement {
            epoch: 2,
            ..statement
        },
        ..signed
    };
    assert!(
        raised.verify(CHAIN_ID, address(1)).is_err(),
        "the epoch is signed for"
    );
}

#[test]
fn bytes_that_are_no_signed_statement_are_refused_by_name() {
    let [(preconfirmation, ..), (block, ..)] = golden();
    for statement in [preconfirmation, block] {
        let good = sign(1, statement).encode();
        for length in 0..good.len() {
            assert!(SignedStatement::decode(&good[..length]).is_err(), "{length}");
            assert!(Statement::decode(&good[..length]).is_err() || length == good.len() - SIGNATURE_BYTES);
        }
        let trailing = [&good[..], &[0]].concat();
        assert!(matches!(
            SignedStatement::decode(&trailing),
            Err(StatementError::Length { .. })
        ));
        let mut parity = good.clone();
        *parity.last_mut().unwrap() = 27;
        assert_eq!(SignedStatement::decode(&parity), Err(StatementError::Parity(27)));
        let mut kind = good.clone();
        kind[0] = 3;
        assert_eq!(
            SignedStatement::decode(&kind),
            Err(StatementError::UnknownKind(3))
        );
    }
    assert_eq!(SignedStatement::decode(&[]), Err(StatementError::Empty));
    let mut empty = sign(1, preconfirmation).encode();
    empty[101..105].copy_from_slice(&[0; 4]);
    assert_eq!(
        SignedStatement::decode(&empty),
        Err(StatementError::Range { first: 2, count: 0 })
    );
    empty[97..105].copy_from_slice(&[0xff; 8]);
    assert!(matches!(
        SignedStatement::decode(&empty),
        Err(StatementError::Range { .. })
    ));
}

/// The other half of every signature is a second encoding of the same promise.
#[test]
fn the_mirrored_signature_is_refused() {
    let [(statement, ..), _] = golden();
    let signed = sign(1, statement);
    let order = U256::from_be_slice(&hex!(
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
    ));
    let mirrored = SignedStatement {
        signature: Signature::new(
            signed.signature.r(),
            order - signed.signature.s(),
            !signed.signature.v(),
        ),
        statement,
    };
    let hash = statement.signing_hash(CHAIN_ID);
    assert_eq!(
        recover_signer_unchecked(&mirrored.signature, hash).unwrap(),
        address(1)
    );
    assert_eq!(mirrored.signer(CHAIN_ID), Err(SignerError::NoKey));
    assert_eq!(
        SignedStatement::decode(&mirrored.encode()),
        Err(StatementError::HighS)
    );
}

#[test]
fn how_a_block_was_cut_contradicts_nothing() {
    let whole = block(OPENING, 1, &[1, 2, 3, 4]);
    for (one, first) in [(&[1, 2][..], 0), (&[1, 2, 3], 1), (&[1, 2, 3, 4], 3)] {
        let one = delta(OPENING, one, first);
        assert_eq!(verdict(&one, &whole), Err(EvidenceError::NoConflict));
        for (other, first) in [(&[1][..], 0), (&[1, 2, 3, 4], 0), (&[1, 2, 3, 4], 2)] {
            let other = delta(OPENING, other, first);
            assert_eq!(verdict(&one, &other), Err(EvidenceError::NoConflict));
        }
    }
    assert_eq!(verdict(&whole, &whole), Err(EvidenceError::NoConflict));
}

#[test]
fn contradictions_are_found_and_named() {
    let base = delta(OPENING, &[1, 2, 3], 1);
    let other_order = delta(OPENING, &[1, 3, 2], 1);
    let at = |position| Ok(Conflict::TwoOrders { position });
    assert_eq!(verdict(&base, &other_order), at(2));
    let from_the_end = delta(OPENING, &[1, 3, 2, 4], 3);
    assert_eq!(verdict(&base, &from_the_end), at(3), "by the digest they meet at");
    let opened_otherwise = delta(TransactionsDigest(B256::repeat_byte(0xce)), &[1, 2, 3], 0);
    assert_eq!(verdict(&base, &opened_otherwise), at(1));
    assert_eq!(verdict(&base, &block(OPENING, 1, &[1, 3, 2])), at(2));
    assert_eq!(
        verdict(&base, &block(OPENING, 1, &[1, 2])),
        Ok(Conflict::LeftOut { position: 2 })
    );
    let (one, two) = (block(OPENING, 1, &[1]), block(OPENING, 2, &[1]));
    let blocks = Conflict::TwoBlocks {
        first: B256::repeat_byte(1),
        second: B256::repeat_byte(2),
    };
    assert_eq!(verdict(&one, &two), Ok(blocks));
    let bare = |block: &Witnessed| Witnessed {
        transactions: Vec::new(),
        ..block.clone()
    };
    assert_eq!(
        verdict(&bare(&one), &bare(&two)),
        Ok(blocks),
        "block hashes are enough"
    );
}

#[test]
fn transactions_that_were_not_signed_for_show_nothing() {
    let base = delta(OPENING, &[1, 2, 3], 1);
    let other = delta(OPENING, &[1, 3, 2], 1);
    let mut swapped = other.clone();
    swapped.transactions.swap(0, 1);
    assert!(matches!(
        verdict(&base, &swapped),
        Err(EvidenceError::Digest { .. })
    ));
    let mut longer = other.clone();
    longer.transactions.push(B256::ZERO);
    assert!(matches!(
        verdict(&base, &longer),
        Err(EvidenceError::Count { signed: 2, found: 3 })
    ));
    let mut elsewhere = other.clone();
    elsewhere.before = OPENING;
    assert!(matches!(
        verdict(&base, &elsewhere),
        Err(EvidenceError::Before { .. })
    ));
    let mut huge = other;
    huge.transactions = alloc::vec![B256::ZERO; TRANSACTIONS_MAX + 1];
    assert!(matches!(
        verdict(&base, &huge),
        Err(EvidenceError::TooMany { .. })
    ));
}

#[test]
fn evidence_is_the_same_in_json_and_unknown_fields_are_refused() {
    let evidence = Evidence {
        chain_id: CHAIN_ID,
        first: block(OPENING, 1, &[1]),
        second: block(OPENING, 2, &[1]),
    };
    let json = serde_json::to_string(&evidence).unwrap();
    assert_eq!(serde_json::from_str::<Evidence>(&json).unwrap(), evidence);
    let other = json.replace("\"chainId\"", "\"x\":1,\"chainId\"");
    assert!(serde_json::from_str::<Evidence>(&other).is_err());
    let verdict = evidence.verify().unwrap();
    assert_eq!(
        (verdict.signers, verdict.epochs, verdict.number.0),
        ([address(1); 2], [1, 1], 9)
    );
}

fn arbitrary_statement() -> impl Strategy<Value = Statement> {
    let word = any::<[u8; 32]>().prop_map(B256::from);
    let delta = (
        any::<u64>(),
        0..u32::MAX / 2,
        1..u32::MAX / 2,
        word.clone(),
        word.clone(),
        word.clone(),
    )
        .prop_map(|(index, first, count, before, after, receipts_hash)| {
            Subject::Preconfirmation(Preconfirmation {
                index,
                first,
                count,
                before: TransactionsDigest(before),
                after: TransactionsDigest(after),
                receipts_hash,
            })
        });
    let block = (word.clone(), any::<u32>(), word.clone()).prop_map(|(hash, count, digest)| {
        Subject::Block(Block {
            hash,
            count,
            digest: TransactionsDigest(digest),
        })
    });
    let subject = prop_oneof![delta, block];
    (
        any::<u64>(),
        any::<u64>(),
        word.clone(),
        any::<u64>(),
        word,
        subject,
    )
        .prop_map(
            |(epoch, number, parent_hash, origin, origin_hash, subject)| Statement {
                epoch,
                number: L2BlockNumber(number),
                parent_hash,
                l1_origin: L1BlockId {
                    hash: origin_hash,
                    number: L1BlockNumber(origin),
                },
                subject,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn statements_come_back_as_they_were(statement in arbitrary_statement()) {
        prop_assert_eq!(Statement::decode(&statement.encode()), Ok(statement));
        let signed = sign(2, statement);
        prop_assert_eq!(SignedStatement::decode(&signed.encode()), Ok(signed));
        prop_assert_eq!(signed.verify(CHAIN_ID, address(2)), Ok(()));
    }
}
