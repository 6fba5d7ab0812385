//! The units that goods are counted in.

/// Every unit's name and the number of pieces in it, in the order of `units.txt`.
pub const UNITS: &[(&str, u32)] = include!(concat!(env!("OUT_DIR"), "/units.rs"));

/// The number of pieces in a unit, if there is one of that name.
///
/// ```
/// assert_eq!(stock_units::pieces("dozen"), Some(12));
/// ```
pub fn pieces(unit: &str) -> Option<u32> {
    UNITS.iter().find(|(name, _)| *name == unit).map(|&(_, pieces)| pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gross_is_a_dozen_dozens() {
        let dozen = pieces("dozen").unwrap();
        assert_eq!(pieces("gross"), Some(dozen * dozen));
    }

    #[test]
    fn unknown_units_have_no_size() {
        assert_eq!(pieces("barrel"), None);
    }
}
