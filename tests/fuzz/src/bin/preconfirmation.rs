//! Signed statements of the unsafe-block signer: what decodes is canonical, and nothing shorter or longer decodes to anything. Evidence made
//! of arbitrary bytes shows nothing that its parts do not.
#![no_main]

use alloy_primitives::{B256, Bytes};
use tributary_fuzz::{
    input::Input,
    memory,
    seeds::{Seeds, add},
    target,
};
use tributary_protocol::{
    block::{L1BlockId, L2BlockNumber},
    preconfirmation::{
        Block, Evidence, Preconfirmation, SIGNATURE_BYTES, SignedStatement, Statement, Subject,
        TransactionsDigest, Witnessed,
    },
};

target!(run, seeds);

fn run(data: &[u8]) {
    if let Ok(statement) = Statement::decode(data) {
        assert_eq!(statement.encode(), data);
    }
    if let Ok(signed) = memory::within(1024, || SignedStatement::decode(data)) {
        assert_eq!(signed.encode(), data);
        assert_eq!(
            Statement::decode(&data[..data.len() - SIGNATURE_BYTES]),
            Ok(signed.statement)
        );
        assert!(SignedStatement::decode(&data[..data.len() - 1]).is_err());
        assert!(SignedStatement::decode(&[data, &[0]].concat()).is_err());
        if let Ok(signer) = signed.signer(901) {
            assert_eq!(signed.verify(901, signer), Ok(()));
            assert_ne!(signed.signer(902), Ok(signer), "a signature is for one chain");
        }
    }
    evidence(data);
}

/// Two parts of the input, each with transactions of its own.
fn evidence(data: &[u8]) {
    let mut input = Input::new(data);
    let middle = usize::from(input.byte());
    let (first, second) = data.split_at(middle.min(data.len()));
    let evidence = Evidence {
        chain_id: 901,
        first: witnessed(first),
        second: witnessed(second),
    };
    if let Ok(verdict) = evidence.verify() {
        let turned = Evidence {
            chain_id: 901,
            first: evidence.second.clone(),
            second: evidence.first.clone(),
        };
        assert_eq!(turned.verify().map(|turned| turned.number), Ok(verdict.number));
    }
}

fn witnessed(data: &[u8]) -> Witnessed {
    let (signed, rest) = data.split_at(data.len().min(266));
    Witnessed {
        signed: Bytes::copy_from_slice(signed),
        before: TransactionsDigest(B256::left_padding_from(&rest[..rest.len().min(32)])),
        transactions: rest.chunks_exact(32).take(8).map(B256::from_slice).collect(),
    }
}

fn seeds() -> Seeds {
    let statement = |subject| Statement {
        epoch: 1,
        number: L2BlockNumber(9),
        parent_hash: B256::repeat_byte(1),
        l1_origin: L1BlockId::default(),
        subject,
    };
    let delta = statement(Subject::Preconfirmation(Preconfirmation {
        index: 0,
        first: 0,
        count: 1,
        before: TransactionsDigest::default(),
        after: TransactionsDigest::default().then(B256::repeat_byte(2)),
        receipts_hash: B256::repeat_byte(3),
    }));
    let block = statement(Subject::Block(Block {
        hash: B256::repeat_byte(4),
        count: 1,
        digest: TransactionsDigest::default(),
    }));
    let mut seeds = Seeds::new();
    for (name, statement) in [("delta", delta), ("block", block)] {
        let mut signed = statement.encode();
        add(&mut seeds, &format!("{name}-statement"), &signed);
        signed.extend_from_slice(&[1; 32]);
        signed.extend_from_slice(&[2; 32]);
        signed.push(0);
        add(&mut seeds, name, &signed);
    }
    seeds
}
