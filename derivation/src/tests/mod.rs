//! Stories told with a whole network: what a sequencer built and a batcher posted, derived again by a follower.

mod blobs;
mod da;
mod keystone;
mod outputs;
mod regressions;
mod reorgs;
mod restarts;
mod stories;

use crate::{
    discard::DiscardReason,
    driver::{DerivationStatus, memory::MemoryEngine},
    testing::{BatchKind, TestNet, TestNetOptions, frames},
};
use alloc::vec::Vec;
use alloy_primitives::Bytes;
use tributary_protocol::block::L2BlockRef;

/// A frame no channel of these tests fills.
const LARGE: usize = 100_000;

/// L1 at height 6, and a sequencer that has built `count` blocks on it, each with a transfer.
fn net_with_blocks(options: TestNetOptions, count: u64) -> TestNet {
    let mut net = TestNet::new(options);
    net.l1.mine_empty(6);
    build(&mut net, count);
    net
}

fn build(net: &mut TestNet, count: u64) {
    for index in 0..count {
        let transfer = net.transfer(index, 1 + index);
        net.build_block(Vec::from([transfer]));
    }
}

/// Posts the sequencer's blocks in `range` in one transaction and mines it.
fn post(net: &mut TestNet, id: u8, range: core::ops::RangeInclusive<u64>, kind: BatchKind) {
    let channel = net.channel(range, kind);
    let transaction = net.post_calldata(&frames(id, &channel, LARGE));
    net.l1.mine(Vec::from([transaction.into()]));
}

async fn derive(net: &TestNet, engine: &MemoryEngine) -> DerivationStatus {
    net.derive(engine).await.unwrap()
}

/// The chain a node without history derives.
async fn derive_anew(net: &TestNet) -> (Vec<L2BlockRef>, DerivationStatus) {
    let follower = net.follower();
    let status = derive(net, &follower).await;
    let chain = follower.chain();
    assert_eq!(chain.last(), Some(&follower.current_heads().safe_head));
    (chain, status)
}

fn count(status: &DerivationStatus, reason: DiscardReason) -> u64 {
    status.discards.get(reason)
}

/// The blocks up to `number` are those the sequencer built.
fn assert_built(net: &TestNet, chain: &[L2BlockRef], number: usize) {
    assert_eq!(chain[..=number], net.sequencer.chain()[..=number]);
}

fn garbage(seed: u64, size: usize) -> Bytes {
    let mut state = seed;
    let bytes = core::iter::repeat_with(|| {
        // splitmix64
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).to_le_bytes()[0]
    });
    bytes.take(size).collect()
}
