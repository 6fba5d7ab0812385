//! The named options of a subcommand: `--name value` or `--name=value`, any of them more than once, and after a `--`
//! the program to start.
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::str::FromStr;

pub struct Options {
    given: Vec<(&'static str, OsString)>,
    program: Vec<OsString>,
}

impl Options {
    /// Reads the words of a command line; `known` are the names, without dashes, that the subcommand takes.
    pub fn read(
        words: impl IntoIterator<Item = OsString>,
        known: &[&'static str],
    ) -> Result<Options, String> {
        let mut words = words.into_iter();
        let mut given = Vec::new();
        while let Some(word) = words.next() {
            if word == "--" {
                break;
            }
            let (name, value) = split(&word)?;
            let name = *known
                .iter()
                .find(|known| known.as_bytes() == name.as_bytes())
                .ok_or_else(|| format!("there is no option --{}", name.to_string_lossy()))?;
            let value = value.or_else(|| words.next()).ok_or_else(|| format!("--{name} needs a value"))?;
            given.push((name, value));
        }
        Ok(Options { given, program: words.collect() })
    }

    /// Returns the values of an option in the order they were given.
    pub fn all(&self, name: &str) -> Vec<&OsStr> {
        self.given.iter().filter(|(known, _)| *known == name).map(|(_, value)| value.as_os_str()).collect()
    }

    /// Returns the last value of an option, None where it was not given or is empty.
    pub fn optional(&self, name: &str) -> Option<&OsStr> {
        self.all(name).pop().filter(|value| !value.is_empty())
    }

    pub fn one(&self, name: &str) -> Result<&OsStr, String> {
        self.optional(name).ok_or_else(|| format!("--{name} is missing"))
    }

    pub fn path(&self, name: &str) -> Result<PathBuf, String> {
        self.one(name).map(PathBuf::from)
    }

    /// Returns an option's value as text, empty where it was not given.
    pub fn text(&self, name: &str) -> Result<&str, String> {
        let value = self.optional(name).unwrap_or_default();
        value.to_str().ok_or_else(|| format!("--{name} is not UTF-8"))
    }

    /// Returns an option's value as a number.
    pub fn number<T: FromStr>(&self, name: &str) -> Result<T, String> {
        let value = self.one(name)?;
        parsed(name, value)
    }

    /// Returns all values of an option as numbers.
    pub fn numbers<T: FromStr>(&self, name: &str) -> Result<Vec<T>, String> {
        self.all(name).into_iter().map(|value| parsed(name, value)).collect()
    }

    /// Returns the program after the `--`, and its arguments.
    pub fn program(&self) -> Result<(&OsStr, &[OsString]), String> {
        let (program, arguments) = self.program.split_first().ok_or("there is no program after --")?;
        Ok((program, arguments))
    }

    /// Returns all words after the `--`.
    pub fn rest(&self) -> &[OsString] {
        &self.program
    }
}

fn split(word: &OsStr) -> Result<(OsString, Option<OsString>), String> {
    let bytes = word.as_bytes();
    let name = bytes
        .strip_prefix(b"--")
        .ok_or_else(|| format!("{:?} is no option; a program comes after --", word.to_string_lossy()))?;
    let part = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    Ok(match name.iter().position(|byte| *byte == b'=') {
        Some(at) => (part(&name[..at]), Some(part(&name[at + 1..]))),
        None => (part(name), None),
    })
}

fn parsed<T: FromStr>(name: &str, value: &OsStr) -> Result<T, String> {
    let number = value.to_str().and_then(|text| text.parse().ok());
    number.ok_or_else(|| format!("--{name} is {:?}, which is no such number", value.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Options, String> {
        Options::read(words.iter().map(OsString::from), &["name", "port", "empty"])
    }

    #[test]
    fn both_spellings_are_read_and_repeated_options_are_kept_in_order() {
        let options = read(&["--port", "1", "--port=2", "--name=a=b", "--", "sh", "--port", "3"]).unwrap();
        assert_eq!(options.numbers::<u16>("port").unwrap(), [1, 2]);
        assert_eq!(options.one("name").unwrap(), "a=b");
        let (program, arguments) = options.program().unwrap();
        assert_eq!((program, arguments.len()), (OsStr::new("sh"), 2));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (words, complaint) in [
            (&["--other", "x"][..], "there is no option --other"),
            (&["--name"][..], "--name needs a value"),
            (&["word"][..], "\"word\" is no option; a program comes after --"),
        ] {
            assert_eq!(read(words).err().unwrap(), complaint);
        }
        let options = read(&["--port", "many", "--empty="]).unwrap();
        assert_eq!(options.number::<u16>("port").unwrap_err(), "--port is \"many\", which is no such number");
        assert_eq!(options.one("empty").unwrap_err(), "--empty is missing");
        assert_eq!(options.program().unwrap_err(), "there is no program after --");
    }
}
