//! Everything that can go wrong in a simulated world, by name: what is not counted is not known to have happened.

macro_rules! kinds {
    ($(#[$top:meta])* $type:ident { $($(#[$doc:meta])* $name:ident => $label:literal,)* }) => {
        $(#[$top])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type {
            $($(#[$doc])* $name,)*
        }

        impl $type {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Name in reports.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }
        }
    };
}

kinds! {
    /// A fault of L1, of the DA layer, of a machine or of an operator.
    FaultKind {
        /// No connection to L1.
        L1Unreachable => "l1_unreachable",
        /// L1 does not answer in time.
        L1Timeout => "l1_timeout",
        /// L1 answers 429.
        L1RateLimited => "l1_rate_limited",
        /// L1 answers a web page.
        L1Html => "l1_html",
        /// L1 answers `null`.
        L1Null => "l1_null",
        /// L1 answers as of some blocks ago.
        L1Stale => "l1_stale",
        /// L1 answers from the fork that was abandoned.
        L1OtherFork => "l1_other_fork",
        /// L1 answers another block than was asked for.
        L1WrongNumber => "l1_wrong_number",
        /// L1 has the block and not its receipts.
        L1NoReceipts => "l1_no_receipts",
        /// L1 answers that it has forgotten that state.
        L1Pruned => "l1_pruned",
        /// A reorg of one or two L1 blocks.
        Reorg1To2 => "reorg_1_to_2",
        /// A reorg of three to six.
        Reorg3To6 => "reorg_3_to_6",
        /// A reorg of seven, the deepest there has been.
        Reorg7 => "reorg_7",
        /// A reorg of eight to 31.
        Reorg8To31 => "reorg_8_to_31",
        /// A reorg of an epoch.
        Reorg32 => "reorg_32",
        /// A reorg of 33 to 63.
        Reorg33To63 => "reorg_33_to_63",
        /// A reorg of two epochs.
        Reorg64 => "reorg_64",
        /// L1 goes back to the fork it came from.
        FlipFlop => "reorg_and_back",
        /// A fork that holds nothing of what the other one held.
        EmptyFork => "empty_fork",
        /// A fork that is shorter than what it replaces.
        ShorterFork => "shorter_fork",
        /// L1 slots without a block.
        MissedSlots => "missed_slots",
        /// A batcher transaction waits.
        TransactionDelayed => "transaction_delayed",
        /// L1's pool forgets a batcher transaction.
        TransactionForgotten => "transaction_forgotten",
        /// The batcher replaces a transaction.
        TransactionReplaced => "transaction_replaced",
        /// A batcher transaction fails where it is mined.
        TransactionReverted => "transaction_reverted",
        /// Somebody else uses the batcher's next nonce.
        NonceTaken => "nonce_taken",
        /// The batcher stops for good, since somebody else used a nonce of its.
        ForeignNonceStop => "foreign_nonce_stop",
        /// The batcher fills a nonce that L1 has lost.
        GapFilled => "nonce_gap_filled",
        /// Gas of L1, or gas of blobs, gets many times dearer.
        FeeSpike => "fee_spike",
        /// The batcher's account cannot pay.
        OutOfFunds => "out_of_funds",
        /// L1 does not answer the batcher.
        BatcherL1Down => "batcher_l1_down",
        /// The node does not answer the batcher.
        BatcherNodeDown => "batcher_node_down",
        /// What was posted did not become safe.
        PostLost => "post_lost",
        /// A batcher transaction left the chain with its block.
        TransactionOrphaned => "transaction_orphaned",
        /// The DA layer does not answer a get.
        DaGetDown => "da_get_down",
        /// The DA layer answers too late.
        DaGetSlow => "da_get_slow",
        /// The DA layer does not have the payload yet.
        DaNotFound => "da_not_found",
        /// A DA server serves other bytes.
        DaWrongBytes => "da_wrong_bytes",
        /// The DA layer does not answer a put.
        DaPutDown => "da_put_down",
        /// The DA layer asks to slow down.
        DaPutRateLimited => "da_put_rate_limited",
        /// The DA layer asks to use another one.
        DaPutFailover => "da_put_failover",
        /// The DA layer refuses a payload for good.
        DaPutRejected => "da_put_rejected",
        /// A channel went to L1 itself, since the DA layer did not take it.
        Failover => "failover_to_l1",
        /// The beacon node does not answer.
        BlobsDown => "blobs_down",
        /// The beacon node does not have a blob yet.
        BlobsMissing => "blobs_missing",
        /// The sequencer's process ends.
        SequencerCrash => "sequencer_crash",
        /// The follower's process ends.
        FollowerCrash => "follower_crash",
        /// The batcher's process ends.
        BatcherCrash => "batcher_crash",
        /// The power goes while the batcher writes its journal.
        JournalPowerCut => "journal_power_cut",
        /// The batcher starts without its journal.
        JournalLost => "journal_lost",
        /// The sequencer's disk fails at a write.
        SequencerDisk => "sequencer_disk",
        /// The follower's disk fails at a write.
        FollowerDisk => "follower_disk",
        /// SystemConfig names another batcher.
        KeyRotated => "key_rotated",
        /// The batcher goes on with a key that counts no more.
        KeyOutdated => "key_outdated",
        /// SystemConfig changes otherwise.
        ConfigChanged => "config_changed",
        /// The batcher is away for longer than a channel may take.
        BatcherAway => "batcher_away",
        /// An unsafe block gave way to the derived one.
        UnsafeReplaced => "unsafe_replaced",
        /// A node had to start again from what L1 still supports.
        NodeReset => "node_reset",
    }
}

kinds! {
    /// Something in the inbox that no good batcher posts.
    Forgery {
        /// Bytes that mean nothing.
        Noise => "noise",
        /// Calldata of an unknown version.
        Calldata => "calldata",
        /// A transaction type that carries no batches.
        TransactionType => "transaction_type",
        /// A commitment that no layer's rules accept.
        Commitment => "commitment",
        /// A payload the layer refuses for good.
        RefusedPayload => "refused_payload",
        /// A payload of an unknown version.
        Payload => "payload",
        /// What was posted before, cut short.
        Truncated => "truncated",
        /// What was posted before, again.
        Repeated => "repeated",
        /// What was posted before, frames in reverse.
        Reordered => "reordered",
        /// A good batch of somebody else's.
        Stranger => "stranger",
        /// A frame without its channel's first.
        FrameAlone => "frame_alone",
        /// A frame left out.
        FrameGap => "frame_gap",
        /// A frame after the last.
        FrameAfterLast => "frame_after_last",
        /// A blob that is not in the encoding of batcher data.
        Blob => "blob",
        /// A channel that is never closed.
        OpenChannel => "open_channel",
        /// A channel over the size limit.
        OversizeChannel => "oversize_channel",
        /// A channel that does not decompress.
        Compression => "compression",
        /// A channel whose content is no batch.
        Content => "content",
        /// A batch that is safe already.
        Past => "past",
        /// A batch that leaves a gap.
        Future => "future",
        /// A batch on another parent.
        Parent => "parent",
        /// A span between the chain's times.
        Misaligned => "misaligned",
        /// A batch of an epoch whose window is over.
        TooLate => "too_late",
        /// A batch of an epoch before its parent's.
        OldEpoch => "old_epoch",
        /// A batch that skips an epoch.
        NewEpoch => "new_epoch",
        /// A batch of another L1's epoch.
        EpochHash => "epoch_hash",
        /// A span that runs beyond L1.
        SpanEpoch => "span_epoch",
        /// A batch earlier than its epoch.
        EpochTime => "epoch_time",
        /// Transactions beyond the sequencer's drift.
        Drift => "drift",
        /// An empty transaction.
        EmptyTransaction => "empty_transaction",
        /// A deposit in a batch.
        Deposit => "deposit",
        /// A span that contradicts the safe chain.
        Contradiction => "contradiction",
        /// A transaction that does not execute.
        Invalid => "invalid",
        /// A bad batch before good ones.
        Flushed => "flushed",
        /// A good batch, but not the sequencer's.
        Usurped => "usurped",
    }
}

impl FaultKind {
    /// The kind of a reorg of `depth` L1 blocks.
    #[must_use]
    pub const fn reorg(depth: u64) -> Self {
        match depth {
            0..=2 => Self::Reorg1To2,
            3..=6 => Self::Reorg3To6,
            7 => Self::Reorg7,
            8..=31 => Self::Reorg8To31,
            32 => Self::Reorg32,
            33..=63 => Self::Reorg33To63,
            _ => Self::Reorg64,
        }
    }
}
