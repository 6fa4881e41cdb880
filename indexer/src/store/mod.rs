//! The database: SQLite in WAL mode, one connection that writes, some that read.
//!
//! ```text
//!  l1_blocks -> posted_batches -> payloads, frames        blocks -> transactions, records -> record_shares, parties
//! ```
//! Every write is one transaction that carries its cursor (the highest block of its chain) with it, so after kill -9 the database
//! stands at a block, and what it did not get to is read again. SQLite's own rows are `i64`; nothing on either chain exceeds that.

mod batches;
mod l1;
mod l2;
mod payloads;
mod read;
mod rows;

pub(crate) use batches::BatchFilter;
pub(crate) use l1::L1BlockRow;
pub(crate) use payloads::{PayloadOutcome, PendingPayload};
pub(crate) use rows::{BatchRow, Counts, Head, Heads, RecordDetail, RecordSummary};

use crate::error::{ChainIdentity, IndexerError, Side};
use alloy::primitives::B256;
use sqlx::{
    Row, Sqlite, SqlitePool,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{path::PathBuf, time::Duration};
use tributary_protocol::config::RollupConfig;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// How long a write waits for another process that has the file open, such as a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that read: as many as pages and requests are rendered at once on a small machine.
const READERS: u32 = 4;

/// The transaction of one write.
type Tx<'a> = sqlx::Transaction<'a, Sqlite>;

/// The database of one chain. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    writer: SqlitePool,
    readers: SqlitePool,
    path: PathBuf,
    genesis: Genesis,
}

/// Where both chains start: the parents of the first rows.
#[derive(Clone, Copy, Debug)]
struct Genesis {
    l1: BlockId,
    l2: BlockId,
}

/// A block by number and hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockId {
    pub(crate) number: u64,
    pub(crate) hash: B256,
}

/// A database result, before the file's name is put to the error.
type DbResult<T> = Result<T, sqlx::Error>;

impl Store {
    /// Opens or creates the database, and refuses another chain's.
    pub(crate) async fn open(path: PathBuf, rollup: &RollupConfig) -> Result<Self, IndexerError> {
        let database = |source| IndexerError::Database {
            path: path.clone(),
            source,
        };
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // In WAL mode this keeps the database whole through power loss; the last blocks may have to be read again.
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options.clone())
            .await
            .map_err(database)?;
        MIGRATIONS
            .run(&writer)
            .await
            .map_err(|source| IndexerError::Migration {
                path: path.clone(),
                source,
            })?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.read_only(true))
            .await
            .map_err(database)?;
        let (l1, l2) = (rollup.genesis.l1, rollup.genesis.l2);
        let genesis = Genesis {
            l1: BlockId {
                number: l1.number.0,
                hash: l1.hash,
            },
            l2: BlockId {
                number: l2.number.0,
                hash: l2.hash,
            },
        };
        let store = Self {
            writer,
            readers,
            path,
            genesis,
        };
        for side in [Side::L1, Side::L2] {
            store.claim(ChainIdentity::expected(side, rollup)).await?;
        }
        Ok(store)
    }

    /// Writes the chain's identity into a fresh database, compares it in any other.
    async fn claim(&self, expected: ChainIdentity) -> Result<(), IndexerError> {
        let key = format!("{}_chain", expected.side);
        let value = format!("{}:{}", expected.chain_id, expected.genesis);
        let found = async {
            sqlx::query("INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO NOTHING")
                .bind(&key)
                .bind(&value)
                .execute(&self.writer)
                .await?;
            let row = sqlx::query("SELECT value FROM meta WHERE key = ?").bind(&key);
            row.fetch_one(&self.writer).await?.try_get::<String, _>("value")
        };
        let found = found.await.map_err(|source| self.error(source))?;
        if found == value {
            return Ok(());
        }
        let found = parse_identity(expected.side, &found)
            .ok_or_else(|| self.error(sqlx::Error::Decode(format!("meta {key} is {found}").into())))?;
        Err(IndexerError::OtherChain {
            path: self.path.clone(),
            expected,
            found,
        })
    }

    /// The error as the operator is to see it.
    pub(crate) fn error(&self, source: sqlx::Error) -> IndexerError {
        IndexerError::Database {
            path: self.path.clone(),
            source,
        }
    }

    /// Closes the file, so that nothing is left beside it.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Highest block read of a chain; before the first, the block its rows start after.
    pub(crate) async fn tip(&self, side: Side) -> DbResult<BlockId> {
        let sql = match side {
            Side::L1 => "SELECT number, hash FROM l1_blocks ORDER BY number DESC LIMIT 1",
            Side::L2 => "SELECT number, hash FROM blocks ORDER BY number DESC LIMIT 1",
        };
        match sqlx::query(sql).fetch_optional(&self.writer).await? {
            None => Ok(self.genesis(side)),
            Some(row) => Ok(BlockId {
                number: rows::unsigned(row.try_get("number")?)?,
                hash: rows::hash(row.try_get("hash")?)?,
            }),
        }
    }

    /// Hash of the block read at a height, if it has been.
    pub(crate) async fn hash_at(&self, side: Side, number: u64) -> DbResult<Option<B256>> {
        let genesis = self.genesis(side);
        if number == genesis.number {
            return Ok(Some(genesis.hash));
        }
        let sql = match side {
            Side::L1 => "SELECT hash FROM l1_blocks WHERE number = ?",
            Side::L2 => "SELECT hash FROM blocks WHERE number = ?",
        };
        let row = sqlx::query(sql).bind(rows::signed(number)?);
        let row = row.fetch_optional(&self.writer).await?;
        row.map(|row| rows::hash(row.try_get("hash")?)).transpose()
    }

    /// The block a chain's rows start after.
    pub(crate) const fn genesis(&self, side: Side) -> BlockId {
        match side {
            Side::L1 => self.genesis.l1,
            Side::L2 => self.genesis.l2,
        }
    }

    /// Takes back every block above `ancestor` and what it said, in one transaction.
    pub(crate) async fn roll_back(&self, side: Side, ancestor: u64, now: i64) -> DbResult<()> {
        let mut tx = self.writer.begin().await?;
        let ancestor = rows::signed(ancestor)?;
        match side {
            Side::L1 => l1::roll_back(&mut tx, ancestor, now).await?,
            Side::L2 => l2::roll_back(&mut tx, ancestor).await?,
        }
        tx.commit().await
    }
}

fn parse_identity(side: Side, value: &str) -> Option<ChainIdentity> {
    let (chain_id, genesis) = value.split_once(':')?;
    Some(ChainIdentity {
        side,
        chain_id: chain_id.parse().ok()?,
        genesis: genesis.parse().ok()?,
    })
}
