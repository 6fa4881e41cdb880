-- Both chains as far as they have been read. Hashes and addresses are lower-case hex with 0x; wei are decimal text, because
-- they do not fit 64 bits; times are unix seconds. What an abandoned block said is deleted with it, except posted batches:
-- those stay, marked orphaned, so that nobody who has seen one finds it gone.

-- Which chain this is.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The node's three heads when it was last asked.
CREATE TABLE heads (
    name      TEXT PRIMARY KEY CHECK (name IN ('unsafe', 'safe', 'finalized')),
    number    INTEGER NOT NULL,
    hash      TEXT NOT NULL,
    timestamp INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- L1 from the block after genesis on. The highest row is the cursor: it commits together with what its block carried.
CREATE TABLE l1_blocks (
    number      INTEGER PRIMARY KEY,
    hash        TEXT NOT NULL,
    parent_hash TEXT NOT NULL,
    timestamp   INTEGER NOT NULL,
    -- Whose inbox transactions count after this block.
    batcher     TEXT NOT NULL
) STRICT;

-- L2 from the block after genesis on. The highest row is the cursor.
CREATE TABLE blocks (
    number       INTEGER PRIMARY KEY,
    hash         TEXT NOT NULL UNIQUE,
    parent_hash  TEXT NOT NULL,
    timestamp    INTEGER NOT NULL,
    gas_used     INTEGER NOT NULL,
    l1_origin    INTEGER NOT NULL,
    tx_count     INTEGER NOT NULL,
    record_count INTEGER NOT NULL,
    -- Transactions up to and with this block.
    tx_total     INTEGER NOT NULL
) STRICT;

CREATE TABLE transactions (
    block_number INTEGER NOT NULL,
    tx_index     INTEGER NOT NULL,
    hash         TEXT NOT NULL,
    tx_type      INTEGER NOT NULL,
    sender       TEXT NOT NULL,
    -- Null if the transaction creates a contract.
    recipient    TEXT,
    value_wei    TEXT NOT NULL,
    input_bytes  INTEGER NOT NULL,
    gas_used     INTEGER NOT NULL,
    succeeded    INTEGER NOT NULL,
    PRIMARY KEY (block_number, tx_index)
) STRICT, WITHOUT ROWID;
CREATE INDEX transactions_by_hash ON transactions (hash);

-- One row per InferenceRecorded.
CREATE TABLE records (
    id           INTEGER PRIMARY KEY,
    block_number INTEGER NOT NULL,
    tx_hash      TEXT NOT NULL,
    log_index    INTEGER NOT NULL,
    payer        INTEGER NOT NULL,
    adapter      INTEGER NOT NULL,
    gateway      INTEGER NOT NULL,
    tokens_in    INTEGER NOT NULL,
    tokens_out   INTEGER NOT NULL,
    fee_wei      TEXT NOT NULL,
    platform_wei TEXT NOT NULL,
    gateway_wei  TEXT NOT NULL,
    model_wei    TEXT NOT NULL,
    adapter_wei  TEXT NOT NULL
) STRICT;
CREATE INDEX records_by_block ON records (block_number);

-- The contributors' shares of a record, in the row's order.
CREATE TABLE record_shares (
    record_id    INTEGER NOT NULL REFERENCES records (id) ON DELETE CASCADE,
    position     INTEGER NOT NULL,
    contribution INTEGER NOT NULL,
    weight       INTEGER NOT NULL,
    amount_wei   TEXT NOT NULL,
    -- Who was paid; null if the contribution was registered in genesis, before there were events.
    payee        TEXT,
    PRIMARY KEY (record_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX record_shares_by_contribution ON record_shares (contribution);

-- Who stands behind an index, since when. The latest row before a record is the one that held for it.
CREATE TABLE parties (
    kind         TEXT NOT NULL CHECK (kind IN ('model', 'adapter', 'contribution', 'gateway', 'platform', 'payer')),
    -- Index in its registry; 0 for the platform, of which there is one.
    id           INTEGER NOT NULL,
    block_number INTEGER NOT NULL,
    log_index    INTEGER NOT NULL,
    address      TEXT NOT NULL,
    -- An adapter's model or a contribution's datanet, in the row that registers it.
    parent       INTEGER,
    PRIMARY KEY (kind, id, block_number, log_index)
) STRICT, WITHOUT ROWID;
CREATE INDEX parties_by_block ON parties (block_number);

-- All that one batcher transaction carries, numbered in the order of the inbox. A number is never used again.
CREATE TABLE posted_batches (
    number        INTEGER PRIMARY KEY AUTOINCREMENT,
    l1_tx_hash    TEXT NOT NULL,
    l1_tx_index   INTEGER NOT NULL,
    l1_block      INTEGER NOT NULL,
    l1_block_hash TEXT NOT NULL,
    l1_gas_used   INTEGER NOT NULL,
    l1_fee_wei    TEXT NOT NULL,
    -- Where the payload is, in Blockscout's words.
    da_kind       TEXT NOT NULL CHECK (da_kind IN ('in_calldata', 'in_alt_da', 'in_eigenda', 'in_blob4844', 'unknown')),
    -- DA layer byte and commitment; null if there is none.
    layer         INTEGER,
    commitment    BLOB,
    -- pending: not asked for yet, or asked for in vain; partial: waits for the rest of its channel; read; invalid: never will be.
    payload_state TEXT NOT NULL CHECK (payload_state IN ('pending', 'partial', 'read', 'invalid')),
    -- Why the payload is pending or invalid.
    payload_cause TEXT,
    attempts      INTEGER NOT NULL DEFAULT 0,
    retry_at      INTEGER NOT NULL DEFAULT 0,
    -- Bytes as posted.
    payload_bytes INTEGER,
    -- Bytes of the batches in it, decompressed; set on the posted batch that completes a channel.
    raw_bytes     INTEGER,
    first_l2_block INTEGER,
    last_l2_block  INTEGER,
    -- Transactions in it, deposits not counted.
    tx_count      INTEGER,
    status        TEXT NOT NULL CHECK (status IN ('submitted', 'safe', 'finalized', 'orphaned')),
    submitted_at  INTEGER NOT NULL,
    safe_at       INTEGER,
    finalized_at  INTEGER,
    orphaned_at   INTEGER,
    UNIQUE (l1_block_hash, l1_tx_hash)
) STRICT;
CREATE INDEX posted_batches_by_range ON posted_batches (first_l2_block, last_l2_block);
CREATE INDEX posted_batches_open ON posted_batches (payload_state, retry_at);
CREATE INDEX posted_batches_by_l1_block ON posted_batches (l1_block);

-- The bytes as posted.
CREATE TABLE payloads (
    batch_number INTEGER PRIMARY KEY REFERENCES posted_batches (number),
    bytes        BLOB NOT NULL
) STRICT;

-- Which parts of which channels a posted batch carries.
CREATE TABLE frames (
    batch_number INTEGER NOT NULL REFERENCES posted_batches (number),
    position     INTEGER NOT NULL,
    channel_id   TEXT NOT NULL,
    frame_number INTEGER NOT NULL,
    is_last      INTEGER NOT NULL,
    PRIMARY KEY (batch_number, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX frames_by_channel ON frames (channel_id, frame_number);
