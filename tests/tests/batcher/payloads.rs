//! How blocks are cut into channels and payloads, and which kind of batches they become.

use crate::world::*;
use tributary_batcher::{
    dispersal::{DaChoice, L1Destination},
    driver::BatcherConfig,
    encoding::{EncodingPolicy, KindChoice, QualityChoice},
    journal::{JournaledChannel, Route, testing::MemoryDisk},
    payload_size::{Billing, PayloadSizer},
};
use tributary_protocol::batcher_tx::BatcherTx;

/// A layer that takes less than a channel has: its frames go in several payloads, and their commitments to L1 in order, each once.
#[test]
fn a_channel_too_long_for_the_layer_goes_in_several_payloads() {
    story(async {
        let (world, disk) = (World::new(), MemoryDisk::default());
        let failover = Some(L1Destination::Calldata);
        let choice = DaChoice::Layer { failover };
        let mut batcher = start_on(&world, &disk, choice, |config, it| {
            (config, it.with_payload_size_max(150))
        })
        .await;
        world.build(20).await;
        until_safe(&world, &mut batcher).await;
        let channels = batcher.journal().channels();
        let parts = |channel: &JournaledChannel| match &channel.route {
            Some(Route::DaParts { calldata }) => calldata.len(),
            _ => 1,
        };
        let counts: Vec<usize> = channels.iter().map(parts).collect();
        assert!(counts.iter().any(|count| *count > 2), "{counts:?}");
        assert_eq!(world.posted().await.len(), counts.iter().sum::<usize>());
        let commitments = world.posted().await;
        assert!(
            commitments
                .iter()
                .all(|it| matches!(BatcherTx::decode(it), Ok(BatcherTx::Commitment(_))))
        );
        // A restart reads what it wrote.
        drop(batcher);
        world.build(5).await;
        let mut batcher = start(&world, &disk).await;
        until_safe(&world, &mut batcher).await;
        check_nothing_twice(&world).await;
        world.check_fresh_follower().await;
    });
}

/// Under load every payload but the last fills what EigenDA would bill for it; nothing waits longer than a channel may stay open.
#[test]
fn payloads_fill_what_is_billed_while_blocks_wait() {
    story(async {
        let world = World::new();
        let sizer = PayloadSizer::new(Billing::PowersOfTwo, 130_000);
        let choice = DaChoice::L1(L1Destination::Blobs);
        let large = |mut config: BatcherConfig, dispersal| {
            config.policy.max_input_bytes = 4_000_000;
            (config, dispersal)
        };
        let batcher = start_on(&world, &MemoryDisk::default(), choice, large).await;
        let mut batcher = batcher.with_payload_sizes(sizer);
        turn(&mut batcher).await.unwrap();
        {
            let net = &mut world.0.lock().await.net;
            for block in 0..60 {
                let transactions = (0..150).map(|index| net.transfer(index, 1 + block)).collect();
                net.build_block(transactions);
            }
        }
        while batcher.status().borrow().pending_blocks > 0 || batcher.journal().channels().is_empty() {
            turn(&mut batcher).await.unwrap();
        }
        let sizes: Vec<usize> = batcher
            .journal()
            .channels()
            .iter()
            .map(|it| it.payload_size as usize)
            .collect();
        let (last, full) = sizes.split_last().unwrap();
        assert!(full.len() >= 3, "{sizes:?}");
        for size in full {
            let billed = Billing::PowersOfTwo.billed(*size);
            assert!(billed == 131_072 && size * 100 >= billed * 90, "{sizes:?}");
        }
        assert!(*last > 0, "the last is due by age, and posted as it is");
        until_safe(&world, &mut batcher).await;
        world.check_fresh_follower().await;
    });
}

/// Whatever kind of batches is chosen, a node derives the blocks that went in.
#[test]
fn blocks_in_batches_of_the_smaller_kind_become_safe() {
    story(async {
        let world = World::new();
        let policy = EncodingPolicy {
            kind: KindChoice::Auto,
            quality: QualityChoice::Fixed(5),
        };
        let mut batcher = start(&world, &MemoryDisk::default()).await.with_encoding(policy);
        for count in [1, 9, 1, 1, 30] {
            world.build(count).await;
            until_safe(&world, &mut batcher).await;
        }
        check_nothing_twice(&world).await;
        world.check_fresh_follower().await;
    });
}
