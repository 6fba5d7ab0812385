//! Reads movements written as one JSON object a line.

use std::{fmt, io::BufRead};

use crate::Movement;

/// What is wrong with a line of input; lines count from 1.
#[derive(Debug)]
pub struct ReadError {
    pub line: usize,
    pub reason: String,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl std::error::Error for ReadError {}

/// The movements in `input` with their line numbers; empty lines are skipped.
pub fn read(input: impl BufRead) -> impl Iterator<Item = Result<(usize, Movement), ReadError>> {
    input.lines().zip(1..).filter_map(|(text, line)| match text {
        Ok(text) if text.trim().is_empty() => None,
        Ok(text) => Some(parse(&text, line).map(|movement| (line, movement))),
        Err(error) => Some(Err(ReadError { line, reason: error.to_string() })),
    })
}

fn parse(text: &str, line: usize) -> Result<Movement, ReadError> {
    serde_json::from_str(text).map_err(|error| ReadError { line, reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_movement_without_a_unit_counts_pieces() {
        let (line, movement) =
            read(&b"\n{\"item\": \"egg\", \"quantity\": 6}\n"[..]).next().unwrap().unwrap();
        assert_eq!((line, movement.unit.as_str()), (2, "piece"));
    }

    #[test]
    fn a_broken_line_is_named() {
        let error = read(&b"{\"item\": \"egg\", \"quantity\": 6}\n{}\n"[..]).nth(1).unwrap().unwrap_err();
        assert_eq!(error.line, 2);
        assert!(error.to_string().contains("missing field `item`"), "{error}");
    }
}
