//! The index of a source tree: what belongs to it, by path.
use std::collections::BTreeMap;

use agent_core::sha256::{from_hex, hex, Digest};

/// A file: `-`, an executable one: `x`, or a symbolic link: `l`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Entry {
    pub kind: u8,
    /// That of the content; of a link, of where it leads.
    pub digest: Digest,
}

pub type Index = BTreeMap<Vec<u8>, Entry>;

/// Reads lines of "<sha256> <kind> <path>"; None where one is something else, or a path leads anywhere but down.
pub fn parse(text: &[u8]) -> Option<Index> {
    let mut index = Index::new();
    for line in lines(text)? {
        let digest = from_hex(line.get(..64)?)?;
        let [b' ', kind @ (b'-' | b'x' | b'l'), b' ', path @ ..] = &line[64..] else { return None };
        if !leads_down(path) || index.insert(path.to_vec(), Entry { kind: *kind, digest }).is_some() {
            return None;
        }
    }
    Some(index)
}

/// Splits a text in which every line has its end.
pub fn lines(text: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    let text = if text.is_empty() { None } else { Some(text.strip_suffix(b"\n")?) };
    Some(text.into_iter().flat_map(|text| text.split(|byte| *byte == b'\n')))
}

/// Whether a path is one that can be followed below a folder, and nowhere else.
pub fn leads_down(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').all(|part| !matches!(part, b"" | b"." | b"..") && !part.contains(&0))
}

pub fn render(index: &Index) -> Vec<u8> {
    let mut text = Vec::new();
    for (path, entry) in index {
        text.extend(hex(&entry.digest).as_bytes());
        text.extend([b' ', entry.kind, b' ']);
        text.extend(path);
        text.push(b'\n');
    }
    text
}

/// What is in `these` and, the same, not in `others`.
pub fn difference(these: &Index, others: &Index) -> Index {
    these
        .iter()
        .filter(|(path, entry)| others.get(*path) != Some(entry))
        .map(|(path, entry)| (path.clone(), *entry))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_read_as_it_was_written() {
        let digest = "0".repeat(64);
        let text = format!("{digest} - a file\n{digest} l link\n{digest} x src/it\n");
        let index = parse(text.as_bytes()).unwrap();
        assert_eq!(render(&index), text.as_bytes());
        assert_eq!(parse(b"").unwrap().len(), 0);
        assert_eq!(difference(&index, &parse(b"").unwrap()), index);
        assert_eq!(difference(&index, &index).len(), 0);
    }

    #[test]
    fn what_leads_elsewhere_or_is_cut_off_is_none() {
        let digest = "0".repeat(64);
        for path in ["../up", "/etc/passwd", "a//b", "./a", "a/", "", "a\0b"] {
            assert_eq!(parse(format!("{digest} - {path}\n").as_bytes()), None, "{path}");
        }
        assert_eq!(parse(format!("{digest} - cut").as_bytes()), None);
        assert_eq!(parse(format!("{digest} d folder\n").as_bytes()), None);
        assert_eq!(parse(format!("{digest} - twice\n{digest} - twice\n").as_bytes()), None);
    }
}
