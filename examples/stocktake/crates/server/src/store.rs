//! Where levels are kept: in memory, or in Postgres with the `postgres` feature.

#[cfg(feature = "postgres")]
mod postgres;

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use stock_ledger::{Ledger, Level, Movement, Refusal};

pub enum Store {
    Memory(Mutex<Ledger>),
    #[cfg(feature = "postgres")]
    Postgres(postgres::Database),
}

#[derive(Debug)]
pub enum StoreError {
    Refused(Refusal),
    #[cfg(feature = "postgres")]
    Database(tokio_postgres::Error),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            #[cfg(feature = "postgres")]
            Self::Database(error) => match std::error::Error::source(error) {
                Some(cause) => write!(f, "the database failed: {error}: {cause}"),
                None => write!(f, "the database failed: {error}"),
            },
        }
    }
}

impl std::error::Error for StoreError {}

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

#[cfg_attr(not(feature = "postgres"), allow(clippy::unused_async))]
impl Store {
    #[cfg(feature = "postgres")]
    pub async fn open(url: Option<String>) -> Result<Self, StoreError> {
        match url {
            Some(url) => Ok(Self::Postgres(postgres::Database::connect(&url).await?)),
            None => Ok(Self::Memory(Mutex::default())),
        }
    }

    #[cfg(not(feature = "postgres"))]
    pub async fn open(url: Option<String>) -> Result<Self, &'static str> {
        match url {
            Some(_) => Err("DATABASE_URL is set, but this program was built without the `postgres` feature"),
            None => Ok(Self::Memory(Mutex::default())),
        }
    }

    pub fn describe(&self) -> &'static str {
        match self {
            Self::Memory(_) => "memory",
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => "PostgreSQL",
        }
    }

    pub async fn record(&self, movement: &Movement) -> Result<Level, StoreError> {
        match self {
            Self::Memory(ledger) => {
                Ok(ledger.lock().unwrap_or_else(PoisonError::into_inner).record(movement)?)
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(database) => database.record(movement).await,
        }
    }

    pub async fn levels(&self) -> Result<Vec<Level>, StoreError> {
        match self {
            Self::Memory(ledger) => Ok(ledger.lock().unwrap_or_else(PoisonError::into_inner).levels()),
            #[cfg(feature = "postgres")]
            Self::Postgres(database) => database.levels().await,
        }
    }
}
