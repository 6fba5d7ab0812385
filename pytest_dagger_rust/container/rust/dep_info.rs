//! Dep-info: the rules of a makefile in which rustc and cargo write down what they have read.
use crate::sets::Set;

/// What an artifact was made from, as far as one dep-info file knows it.
#[derive(Debug, Default, PartialEq)]
pub struct DepInfo {
    /// Whether its rules make a library: a program and a library of one package mostly have the same name, and so
    /// have their dep-info files.
    pub is_library: bool,
    pub inputs: Set,
}

/// Reads a dep-info file, None where it has no rules.
pub fn parse(text: &[u8]) -> Option<DepInfo> {
    let mut info = DepInfo::default();
    let mut has_rules = false;
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"#")) {
        let words = words(line);
        let colon = words.iter().position(|word| word.ends_with(b":"));
        // A rule without inputs is that of an input.
        if let Some(colon) = colon.filter(|colon| colon + 1 < words.len()) {
            info.is_library |= words[..=colon].iter().any(|word| is_library(strip_colon(word)));
        }
        has_rules |= !words.is_empty();
        info.inputs.extend(words.into_iter().map(|word| strip_colon(&word).to_vec()));
    }
    has_rules.then_some(info)
}

fn strip_colon(word: &[u8]) -> &[u8] {
    word.strip_suffix(b":").unwrap_or(word)
}

/// Splits at blanks; one behind a backslash belongs to a word.
fn words(line: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut word = Vec::new();
    let mut at = 0;
    while let Some(byte) = line.get(at) {
        match byte {
            b'\\' if line.get(at + 1) == Some(&b' ') => {
                word.push(b' ');
                at += 1;
            }
            b' ' | b'\r' => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            byte => word.push(*byte),
        }
        at += 1;
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

pub fn is_library(path: &[u8]) -> bool {
    [&b".rlib"[..], b".rmeta", b".so", b".dylib", b".a", b".dll", b".lib"]
        .iter()
        .any(|end| path.ends_with(end))
}

/// Returns a path relative to a folder, as far as text goes, without "." and ".."; None for one outside of it.
pub fn below(path: &[u8], folder: &[u8]) -> Option<Vec<u8>> {
    let path = match path.strip_prefix(b"/") {
        Some(_) => path.strip_prefix(folder)?.strip_prefix(b"/")?,
        None => path,
    };
    let mut kept: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                kept.pop();
            }
            part => kept.push(part),
        }
    }
    Some(kept.join(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_blanks_are_read() {
        let text =
            b"/t/debug/libapp.rlib: src/lib.rs data\\ file.txt /x/a:b\n\nsrc/lib.rs:\n# env-dep:X=Y z\n";
        let info = parse(text).unwrap();
        assert!(info.is_library);
        let inputs: Vec<_> =
            info.inputs.iter().map(|path| String::from_utf8_lossy(path).into_owned()).collect();
        assert_eq!(inputs, ["/t/debug/libapp.rlib", "/x/a:b", "data file.txt", "src/lib.rs"]);
    }

    #[test]
    fn a_program_whose_input_is_called_like_a_library_is_none() {
        let info = parse(b"/t/debug/app: src/main.rs data.a\n\ndata.a:\n").unwrap();
        assert!(!info.is_library);
        assert_eq!(parse(b"# env-dep:X\n"), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn paths_are_taken_apart_as_text() {
        let below =
            |path: &str| below(path.as_bytes(), b"/v/files").map(|found| String::from_utf8(found).unwrap());
        assert_eq!(below("/v/files/a/../b/./c").unwrap(), "b/c");
        assert_eq!(below("app/../shared data/x").unwrap(), "shared data/x");
        assert_eq!(below("/v/files-of-others/a"), None);
        assert_eq!(below("/usr/include/x.h"), None);
        assert_eq!(below("../../x").unwrap(), "x");
    }
}
