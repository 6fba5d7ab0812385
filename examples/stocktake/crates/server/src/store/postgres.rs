//! Levels in a Postgres table, which itself refuses to go below zero.

use stock_ledger::{Level, Movement, Refusal};
use tokio_postgres::{Client, Error, NoTls, error::SqlState};

use super::StoreError;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS stock (
        item text PRIMARY KEY,
        pieces bigint NOT NULL CHECK (pieces >= 0)
    )";
const BRING_IN: &str = "
    INSERT INTO stock VALUES ($1, $2)
    ON CONFLICT (item) DO UPDATE SET pieces = stock.pieces + excluded.pieces
    RETURNING pieces";
const TAKE_OUT: &str = "UPDATE stock SET pieces = pieces + $2 WHERE item = $1 RETURNING pieces";
const LEVELS: &str = "SELECT item, pieces FROM stock ORDER BY item COLLATE \"C\"";

pub struct Database {
    client: Client,
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl Database {
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                eprintln!("stock-server: lost the database: {error}");
            }
        });
        client.batch_execute(SCHEMA).await?;
        Ok(Self { client })
    }

    pub async fn record(&self, movement: &Movement) -> Result<Level, StoreError> {
        let item = movement.item.clone();
        let change = movement.pieces()?;
        let statement = if change < 0 { TAKE_OUT } else { BRING_IN };
        match self.client.query_opt(statement, &[&item, &change]).await {
            Ok(Some(row)) => Ok(Level { item, pieces: row.get(0) }),
            Ok(None) => Err(Refusal::NotInStock { item }.into()),
            Err(error) => Err(refusal(&error, item).map_or(StoreError::Database(error), StoreError::Refused)),
        }
    }

    pub async fn levels(&self) -> Result<Vec<Level>, StoreError> {
        let rows = self.client.query(LEVELS, &[]).await?;
        Ok(rows.iter().map(|row| Level { item: row.get(0), pieces: row.get(1) }).collect())
    }
}

/// What the database's answer means for a movement, where it is about the movement at all.
fn refusal(error: &Error, item: String) -> Option<Refusal> {
    match error.code() {
        Some(&SqlState::CHECK_VIOLATION) => Some(Refusal::NotInStock { item }),
        Some(&SqlState::NUMERIC_VALUE_OUT_OF_RANGE) => Some(Refusal::TooMany { item }),
        _ => None,
    }
}
