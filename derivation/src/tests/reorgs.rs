//! L1 abandons blocks.

use super::*;
use crate::driver::HaltCause;
use tokio_util::sync::CancellationToken;
use tributary_protocol::block::L1BlockNumber;

/// A driver that goes on while a test moves L1.
struct Running {
    status: tokio::sync::watch::Receiver<DerivationStatus>,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), HaltCause>>,
}

impl Running {
    fn start(net: &TestNet, engine: &MemoryEngine) -> Self {
        let driver = net.driver(engine);
        let status = driver.status();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(driver.run(shutdown.clone()));
        Self {
            status,
            shutdown,
            task,
        }
    }

    /// Waits until everything on L1 as it is now has been derived.
    async fn catch_up(&mut self, net: &TestNet) -> DerivationStatus {
        let head = net.l1.head_block().reference();
        self.status
            .wait_for(|status| status.is_caught_up && status.current_l1 == Some(head))
            .await
            .unwrap()
            .clone()
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn f5_reorg_takes_back_what_was_derived_from_lost_blocks() {
    let mut net = net_with_blocks(TestNetOptions::default(), 8);
    post(&mut net, 1, 1..=4, BatchKind::Span);
    let fork_point = net.l1.head_block().number();
    post(&mut net, 2, 5..=8, BatchKind::Span);
    let follower = net.follower();
    let mut running = Running::start(&net, &follower);
    running.catch_up(&net).await;
    assert_eq!(follower.current_heads().safe_head.number.0, 8);

    // The second transaction falls out. Its blocks stay as unsafe ones: their L1 origins are still there.
    let dropped = net.l1.reorg_to(fork_point);
    net.l1.mine_empty(3);
    let status = running.catch_up(&net).await;
    assert_eq!(status.resets, 1);
    let heads = follower.current_heads();
    assert_eq!((heads.safe_head.number.0, heads.unsafe_head.number.0), (4, 8));

    // It is mined again, on the new fork.
    net.l1.mine(dropped.into_iter().map(Into::into).collect());
    running.catch_up(&net).await;
    assert_eq!(follower.chain(), net.sequencer.chain());
    assert_eq!(follower.current_heads().safe_head.number.0, 8);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn f1_reorg_of_an_origin_abandons_the_blocks_on_it() {
    let mut net = net_with_blocks(TestNetOptions::default(), 9);
    let last_origin = net.sequencer.chain()[9].l1_origin.number;
    assert_eq!(last_origin.0, 4);
    post(&mut net, 1, 1..=9, BatchKind::Span);
    let follower = net.follower();
    let mut running = Running::start(&net, &follower);
    running.catch_up(&net).await;
    assert_eq!(follower.chain(), net.sequencer.chain());

    net.l1.reorg_to(L1BlockNumber(2));
    net.l1.mine_empty(6);
    running.catch_up(&net).await;
    let heads = follower.current_heads();
    assert_eq!(heads.safe_head.number.0, 0);
    // Blocks on epochs 0 to 2 are still plausible.
    let kept = follower.chain();
    assert_built(&net, &kept, kept.len() - 1);
    assert_eq!(kept.last().unwrap().l1_origin.number.0, 2);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn f4_fork_and_back_again_gives_the_first_chain_again() {
    let mut net = net_with_blocks(TestNetOptions::default(), 8);
    post(&mut net, 1, 1..=4, BatchKind::Span);
    let fork_point = net.l1.head_block().number();
    post(&mut net, 2, 5..=8, BatchKind::Span);
    let mut a = net.l1.mine_empty(1).hash;
    let follower = net.follower();
    let mut running = Running::start(&net, &follower);
    running.catch_up(&net).await;

    net.l1.reorg_to(fork_point);
    let mut b = net.l1.mine_empty(4).hash;
    running.catch_up(&net).await;
    assert_eq!(follower.current_heads().safe_head.number.0, 4);
    // Each fork has grown past the other when L1 comes back to it.
    for _ in 0..3 {
        for (head, safe) in [(&mut a, 8), (&mut b, 4)] {
            assert!(net.l1.switch_to(*head));
            *head = net.l1.mine_empty(6).hash;
            running.catch_up(&net).await;
            assert_eq!(follower.current_heads().safe_head.number.0, safe);
        }
    }
    assert!(net.l1.switch_to(a));
    net.l1.mine_empty(6);
    running.catch_up(&net).await;
    assert_eq!(follower.chain(), net.sequencer.chain());
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn shorter_fork_is_waited_for() {
    let mut net = net_with_blocks(TestNetOptions::default(), 4);
    post(&mut net, 1, 1..=4, BatchKind::Span);
    net.l1.mine_empty(3);
    let follower = net.follower();
    let mut running = Running::start(&net, &follower);
    let before = running.catch_up(&net).await;
    // The server is behind now: that alone takes nothing back.
    let head = net.l1.head_block();
    net.l1.reorg_to(L1BlockNumber(head.number().0 - 2));
    tokio::time::sleep(core::time::Duration::from_secs(60)).await;
    let after = running.status.borrow().clone();
    assert_eq!((after.resets, after.current_l1), (0, before.current_l1));
    assert_eq!(follower.current_heads().safe_head.number.0, 4);
    // As soon as something else stands at our height, it counts.
    net.l1.mine_empty(2);
    let after = running.catch_up(&net).await;
    assert_eq!(after.resets, 1);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn f3_reorg_below_finality_halts() {
    let mut net = net_with_blocks(TestNetOptions::default(), 4);
    let before = net.l1.head_block().number();
    post(&mut net, 1, 1..=4, BatchKind::Span);
    let follower = net.follower();
    derive(&net, &follower).await;
    net.l1.set_finalized(net.l1.head_block().number());
    net.l1.mine_empty(1);
    derive(&net, &follower).await;
    assert_eq!(follower.current_heads().finalized_head.number.0, 4);

    net.l1.reorg_to(before);
    net.l1.mine_empty(4);
    let halted = net.derive(&follower).await.unwrap_err();
    assert!(halted.to_string().contains("below finality"), "{halted}");
    assert_eq!(follower.current_heads().finalized_head.number.0, 4);
}

/// A builder adopts an L1 block that derivation has not read yet, and L1 takes it back before derivation reads it: derivation comes
/// across nothing that changed, and the unsafe blocks on it would stay until the sequencing window is over.
#[tokio::test(start_paused = true)]
async fn an_unsafe_block_whose_origin_was_never_read_is_taken_back_when_asked() {
    let net = net_with_blocks(TestNetOptions::default(), 4);
    let mut driver = net.driver(&net.sequencer);
    let request = driver.reset_request();
    step_until_caught_up(&mut driver).await;
    let fork_point = net.l1.head_block().number();
    let adopted = net.l1.mine_empty(1);
    let kept = net.sequencer.current_heads().unsafe_head;
    net.build_block_at(adopted.number, Vec::new());
    drop(net.l1.reorg_to(fork_point));
    net.l1.mine_empty(2);

    step_until_caught_up(&mut driver).await;
    let origin = net.sequencer.current_heads().unsafe_head.l1_origin;
    assert_eq!(origin, adopted.id(), "derivation has seen nothing that changed");
    request.ask();
    step_until_caught_up(&mut driver).await;
    assert_eq!(net.sequencer.current_heads().unsafe_head, kept);
}

async fn step_until_caught_up(driver: &mut crate::driver::Driver) {
    use crate::driver::DriverStep;
    // The first step may still say what was caught up with before.
    while driver.step().await.unwrap() != DriverStep::CaughtUp {}
}
