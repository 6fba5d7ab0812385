//! Movements of goods, and the levels of stock that they add up to.

mod reader;

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

pub use reader::{ReadError, read};

/// Goods that came in (a positive quantity) or went out (a negative one).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Movement {
    pub item: String,
    pub quantity: i64,
    #[serde(default = "piece")]
    pub unit: String,
}

fn piece() -> String {
    "piece".into()
}

/// How many pieces of an item are in stock.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Level {
    pub item: String,
    pub pieces: i64,
}

/// Why a movement cannot be recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    UnknownUnit { unit: String },
    TooMany { item: String },
    NotInStock { item: String },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownUnit { unit } => write!(f, "there is no unit `{unit}`"),
            Self::TooMany { item } => write!(f, "`{item}` cannot be counted that high"),
            Self::NotInStock { item } => write!(f, "there is not enough of `{item}` in stock"),
        }
    }
}

impl std::error::Error for Refusal {}

impl Movement {
    /// The quantity in pieces, whatever unit it was given in.
    pub fn pieces(&self) -> Result<i64, Refusal> {
        let size = stock_units::pieces(&self.unit)
            .ok_or_else(|| Refusal::UnknownUnit { unit: self.unit.clone() })?;
        self.quantity.checked_mul(size.into()).ok_or_else(|| Refusal::TooMany { item: self.item.clone() })
    }
}

/// The stock of every item that was ever moved.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    stock: BTreeMap<String, i64>,
}

impl Ledger {
    /// Record one movement and return the item's new level; a refused movement changes nothing.
    pub fn record(&mut self, movement: &Movement) -> Result<Level, Refusal> {
        let item = &movement.item;
        let before = self.stock.get(item).copied().unwrap_or_default();
        let pieces =
            before.checked_add(movement.pieces()?).ok_or_else(|| Refusal::TooMany { item: item.clone() })?;
        if pieces < 0 {
            return Err(Refusal::NotInStock { item: item.clone() });
        }
        self.stock.insert(item.clone(), pieces);
        Ok(Level { item: item.clone(), pieces })
    }

    /// Every item's level, by name.
    pub fn levels(&self) -> Vec<Level> {
        self.stock.iter().map(|(item, &pieces)| Level { item: item.clone(), pieces }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn movement(item: &str, quantity: i64, unit: &str) -> Movement {
        Movement { item: item.into(), quantity, unit: unit.into() }
    }

    #[test]
    fn movements_add_up_in_pieces() {
        let mut ledger = Ledger::default();
        ledger.record(&movement("egg", 2, "dozen")).unwrap();
        let level = ledger.record(&movement("egg", -5, "piece")).unwrap();
        assert_eq!(level, Level { item: "egg".into(), pieces: 19 });
    }

    #[test]
    fn a_refused_movement_changes_nothing() {
        let mut ledger = Ledger::default();
        ledger.record(&movement("egg", 1, "piece")).unwrap();
        let refusal = ledger.record(&movement("egg", -2, "piece")).unwrap_err();
        assert_eq!(refusal, Refusal::NotInStock { item: "egg".into() });
        assert_eq!(ledger.levels(), [Level { item: "egg".into(), pieces: 1 }]);
    }

    #[test]
    fn quantities_do_not_wrap_around() {
        let refusal = movement("sand", i64::MAX, "gross").pieces().unwrap_err();
        assert_eq!(refusal, Refusal::TooMany { item: "sand".into() });
    }
}
