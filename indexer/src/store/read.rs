//! Reading records, heads and counts.

use super::{
    DbResult, Store,
    rows::{Counts, Head, Heads, Parties, RecordDetail, RecordRow, RecordSummary, ShareDetail},
};
use sqlx::Row;
use std::collections::BTreeMap;

/// The columns of [`RecordRow`].
macro_rules! select_records {
    ($rest:literal) => {
        concat!(
            "SELECT id, block_number, timestamp, tx_hash, log_index, payer, adapter, gateway, tokens_in, tokens_out, fee_wei, ",
            "platform_wei, gateway_wei, model_wei, adapter_wei FROM records JOIN blocks ON blocks.number = block_number ",
            $rest
        )
    };
}

impl Store {
    /// The heads when the node was last asked.
    pub(crate) async fn heads(&self) -> DbResult<Heads> {
        let rows = sqlx::query_as::<_, Head>("SELECT name, number, hash, timestamp FROM heads");
        let mut heads = Heads::default();
        for head in rows.fetch_all(&self.readers).await? {
            match head.name.as_str() {
                "unsafe" => heads.unsafe_head = Some(head),
                "safe" => heads.safe_head = Some(head),
                _ => heads.finalized_head = Some(head),
            }
        }
        Ok(heads)
    }

    /// How much there is. The ledger numbers records from 1 without gaps, so the last id is how many there are.
    pub(crate) async fn counts(&self) -> DbResult<Counts> {
        sqlx::query_as(
            "SELECT coalesce((SELECT tx_total FROM blocks ORDER BY number DESC LIMIT 1), 0) AS transactions, \
             coalesce((SELECT max(id) FROM records), 0) AS records, \
             (SELECT count(*) FROM posted_batches WHERE status != 'orphaned') AS batches",
        )
        .fetch_one(&self.readers)
        .await
    }

    /// Records with an id above `after`, in rising order.
    pub(crate) async fn records(&self, after: i64, limit: u32) -> DbResult<Vec<RecordSummary>> {
        let records = sqlx::query_as(select_records!("WHERE id > ? ORDER BY id LIMIT ?"));
        let records = records.bind(after).bind(limit).fetch_all(&self.readers).await?;
        self.with_shares(records).await
    }

    /// The newest records, newest first.
    pub(crate) async fn latest_records(&self, limit: u32) -> DbResult<Vec<RecordSummary>> {
        let records = sqlx::query_as(select_records!("ORDER BY id DESC LIMIT ?"));
        let records = records.bind(limit).fetch_all(&self.readers).await?;
        self.with_shares(records).await
    }

    /// Everything about one record.
    pub(crate) async fn record(&self, id: i64) -> DbResult<Option<RecordDetail>> {
        let record = sqlx::query_as(select_records!("WHERE id = ?"));
        let record = record.bind(id).fetch_all(&self.readers).await?;
        let Some(summary) = self.with_shares(record).await?.pop() else {
            return Ok(None);
        };
        let batch = self.batch_of_block(summary.record.block_number).await?;
        let parties = self.parties(&summary.record).await?;
        Ok(Some(RecordDetail {
            summary,
            batch: batch.map(|batch| batch.number),
            parties,
        }))
    }

    /// Puts shares and finality to records that stand next to each other.
    async fn with_shares(&self, records: Vec<RecordRow>) -> DbResult<Vec<RecordSummary>> {
        let ids = records.iter().map(|record| record.id);
        let (Some(first), Some(last)) = (ids.clone().min(), ids.max()) else {
            return Ok(Vec::new());
        };
        let shares = sqlx::query_as::<_, ShareDetail>(
            "SELECT record_id, contribution, weight, amount_wei, payee FROM record_shares \
             WHERE record_id BETWEEN ? AND ? ORDER BY record_id, position",
        );
        let shares = shares.bind(first).bind(last).fetch_all(&self.readers).await?;
        let mut by_record: BTreeMap<i64, Vec<ShareDetail>> = BTreeMap::new();
        for share in shares {
            by_record.entry(share.record_id).or_default().push(share);
        }
        let heads = self.heads().await?;
        let summaries = records.into_iter().map(|record| RecordSummary {
            finality: heads.finality(record.block_number),
            shares: by_record.remove(&record.id).unwrap_or_default(),
            record,
        });
        Ok(summaries.collect())
    }

    async fn parties(&self, record: &RecordRow) -> DbResult<Parties> {
        let model = self.model_of(record.adapter).await?;
        Ok(Parties {
            payer: self.party("payer", record.payer, record).await?,
            platform: self.party("platform", 0, record).await?,
            gateway: self.party("gateway", record.gateway, record).await?,
            model: match model {
                Some(model) => self.party("model", model, record).await?,
                None => None,
            },
            adapter: self.party("adapter", record.adapter, record).await?,
        })
    }

    /// Who stood behind an index when the record was made.
    async fn party(&self, kind: &str, id: i64, record: &RecordRow) -> DbResult<Option<String>> {
        let row = sqlx::query(
            "SELECT address FROM parties WHERE kind = ? AND id = ? AND (block_number, log_index) < (?, ?) \
             ORDER BY block_number DESC, log_index DESC LIMIT 1",
        );
        let row = row
            .bind(kind)
            .bind(id)
            .bind(record.block_number)
            .bind(record.log_index);
        let row = row.fetch_optional(&self.readers).await?;
        row.map(|row| row.try_get("address")).transpose()
    }

    /// The model an adapter was made for, which never changes.
    async fn model_of(&self, adapter: i64) -> DbResult<Option<i64>> {
        let row = sqlx::query(
            "SELECT parent FROM parties WHERE kind = 'adapter' AND id = ? AND parent IS NOT NULL LIMIT 1",
        );
        let row = row.bind(adapter).fetch_optional(&self.readers).await?;
        row.map(|row| row.try_get("parent")).transpose()
    }
}
