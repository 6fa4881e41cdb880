//! Accounts that run code (EIP-7702).

use super::{RICH, Spec, queue};
use crate::pool::{PoolError, PooledTransaction, queue::Queue};
use alloy::primitives::Address;

/// Adds a transaction of a sender that is delegated or not, and which delegates these accounts.
fn add_delegating(
    queue: &mut Queue,
    spec: Spec,
    is_delegated: bool,
    authorities: &[u8],
) -> Result<(), PoolError> {
    let transaction = PooledTransaction {
        authorities: authorities
            .iter()
            .map(|byte| Address::repeat_byte(*byte))
            .collect(),
        ..spec.make()
    };
    queue.check_delegation(&transaction, 0, is_delegated)?;
    queue.insert(transaction, 0, RICH)
}

#[test]
fn a_delegated_account_has_one_transaction_at_a_time() {
    let mut queue = queue();
    let gap = add_delegating(&mut queue, Spec::new(1, 1, 1), true, &[]);
    assert!(matches!(gap, Err(PoolError::DelegatedGap)));
    add_delegating(&mut queue, Spec::new(1, 0, 1), true, &[]).unwrap();
    let second = add_delegating(&mut queue, Spec::new(1, 1, 1), true, &[]);
    assert!(matches!(second, Err(PoolError::DelegatedInFlight)));
    // Replacing it is allowed.
    add_delegating(&mut queue, Spec::new(1, 0, 1_000), true, &[]).unwrap();
    assert_eq!(queue.next().unwrap().nonce(), 0);
    assert!(queue.next().is_none());
    // Executed: the next may come.
    add_delegating(&mut queue, Spec::new(1, 1, 1), true, &[]).unwrap();
}

#[test]
fn an_account_about_to_be_delegated_counts_as_delegated_until_that_is_gone() {
    let mut queue = queue();
    add_delegating(&mut queue, Spec::new(2, 0, 1), false, &[1]).unwrap();
    add_delegating(&mut queue, Spec::new(1, 0, 1), false, &[]).unwrap();
    let second = add_delegating(&mut queue, Spec::new(1, 1, 1), false, &[]);
    assert!(matches!(second, Err(PoolError::DelegatedInFlight)));
    // Replaced by one that delegates another.
    add_delegating(&mut queue, Spec::new(2, 0, 1_000), false, &[3]).unwrap();
    add_delegating(&mut queue, Spec::new(1, 1, 1), false, &[]).unwrap();
    let several = add_delegating(&mut queue, Spec::new(4, 0, 1), false, &[1]);
    assert!(matches!(several, Err(PoolError::AuthorityReserved)));
}

/// As after a restart: what was executed in a block that is gone comes first, then what waited.
#[test]
fn what_was_taken_before_stays_whatever_was_delegated_since() {
    let mut queue = queue();
    let owed = PooledTransaction {
        authorities: [Address::repeat_byte(1)].into(),
        ..Spec::new(1, 0, 1).make()
    };
    queue.readmit(vec![owed], &[(Address::repeat_byte(1), 0)].into_iter().collect());
    queue.refresh_sender(Address::repeat_byte(1));
    queue.insert(Spec::new(1, 1, 1).make(), 0, RICH).unwrap();
    assert_eq!(queue.status(), (2, 0));
    let third = add_delegating(&mut queue, Spec::new(1, 2, 1), false, &[]);
    assert_eq!(third, Err(PoolError::DelegatedInFlight), "a newcomer waits");
}
