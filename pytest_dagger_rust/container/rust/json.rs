//! JSON, as cargo and rustc write it: read strictly, so that a reader on the other side cannot stumble over what is
//! passed on unread.
use std::fmt::{self, Display, Formatter, Write};

/// What cargo writes has five levels. Deeper, or a longer number, is somebody's attempt at something else.
const DEEPEST: usize = 64;
const LONGEST_NUMBER: usize = 40;

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    /// As it was written.
    Number(String),
    Text(String),
    List(Vec<Value>),
    Object(Vec<(String, Value)>),
    /// To be written as it is: JSON that was read before.
    Raw(String),
}

impl Value {
    /// Returns a member of an object; of two of the same name the last one, as other readers do.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Object(members) => {
                members.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn bool(&self) -> Option<bool> {
        match self {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub fn integer(&self) -> Option<u64> {
        match self {
            Value::Number(text) => text.parse().ok(),
            _ => None,
        }
    }

    pub fn list(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// Returns a list's texts, None where one of its items is none.
    pub fn texts(&self) -> Option<Vec<String>> {
        self.list()?.iter().map(|item| item.text().map(String::from)).collect()
    }

    /// Returns text for bytes of any encoding: each byte that is not UTF-8 as half a surrogate, as Python's
    /// surrogateescape has it.
    pub fn from_bytes(bytes: &[u8]) -> Value {
        match std::str::from_utf8(bytes) {
            Ok(text) => Value::Text(text.into()),
            Err(_) => Value::Raw(escaped(bytes)),
        }
    }

    pub fn seconds(value: f64) -> Value {
        Value::Number(format!("{value:.3}"))
    }

    pub fn number(value: u64) -> Value {
        Value::Number(value.to_string())
    }

    pub fn object(members: Vec<(&str, Value)>) -> Value {
        Value::Object(members.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.into())
    }
}

impl FromIterator<Value> for Value {
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Value {
        Value::List(items.into_iter().collect())
    }
}

impl Display for Value {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => out.write_str("null"),
            Value::Bool(value) => write!(out, "{value}"),
            Value::Number(text) | Value::Raw(text) => out.write_str(text),
            Value::Text(text) => write_text(out, text),
            Value::List(items) => {
                let mut separator = '[';
                for item in items {
                    write!(out, "{separator}{item}")?;
                    separator = ',';
                }
                out.write_str(if items.is_empty() { "[]" } else { "]" })
            }
            Value::Object(members) => {
                let mut separator = '{';
                for (name, value) in members {
                    out.write_char(separator)?;
                    write_text(out, name)?;
                    write!(out, ":{value}")?;
                    separator = ',';
                }
                out.write_str(if members.is_empty() { "{}" } else { "}" })
            }
        }
    }
}

fn write_text(out: &mut impl Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    write_inside(out, text)?;
    out.write_char('"')
}

fn write_inside(out: &mut impl Write, text: &str) -> fmt::Result {
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c < ' ' || c == '"' || c == '\\') {
        out.write_str(&rest[..at])?;
        match rest.as_bytes()[at] {
            b'\n' => out.write_str("\\n")?,
            byte @ (b'"' | b'\\') => write!(out, "\\{}", char::from(byte))?,
            byte => write!(out, "\\u{byte:04x}")?,
        }
        rest = &rest[at + 1..];
    }
    out.write_str(rest)
}

fn escaped(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    let mut rest = bytes;
    loop {
        let (good, bad) = match std::str::from_utf8(rest) {
            Ok(text) => (text, 0),
            Err(error) => {
                let good = std::str::from_utf8(&rest[..error.valid_up_to()]).unwrap_or_default();
                (good, error.error_len().unwrap_or(rest.len() - good.len()))
            }
        };
        // Writing into a String does not fail.
        let _ = write_inside(&mut out, good);
        for byte in &rest[good.len()..good.len() + bad] {
            let _ = write!(out, "\\udc{byte:02x}");
        }
        rest = &rest[good.len() + bad..];
        if rest.is_empty() {
            break;
        }
    }
    out.push('"');
    out
}

/// Returns a document of the agent's own as it is, which may have halves of surrogates for bytes that are no text.
pub fn lenient(text: &[u8]) -> Option<String> {
    let mut bare = text.to_vec();
    let is_half = |at: usize| text[at..].len() >= 6 && text[at..].starts_with(b"\\udc");
    for at in (0..text.len()).filter(|at| is_half(*at)) {
        bare[at + 2..at + 6].copy_from_slice(b"0000");
    }
    parse(&bare)?;
    String::from_utf8(text.into()).ok()
}

/// Reads one document, None where it is none.
pub fn parse(text: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(text).ok()?;
    let mut reader = Reader { bytes: text.as_bytes(), text, at: 0 };
    let value = reader.value(0)?;
    reader.skip_blanks();
    (reader.at == text.len()).then_some(value)
}

struct Reader<'a> {
    bytes: &'a [u8],
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn skip_blanks(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn next(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn expect(&mut self, word: &str) -> Option<()> {
        self.bytes[self.at..].starts_with(word.as_bytes()).then(|| self.at += word.len())
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth == DEEPEST {
            return None;
        }
        self.skip_blanks();
        match self.bytes.get(self.at)? {
            b'n' => self.expect("null").map(|()| Value::Null),
            b't' => self.expect("true").map(|()| Value::Bool(true)),
            b'f' => self.expect("false").map(|()| Value::Bool(false)),
            b'"' => self.string().map(Value::Text),
            b'[' => self.list(depth),
            b'{' => self.object(depth),
            _ => self.number(),
        }
    }

    fn list(&mut self, depth: usize) -> Option<Value> {
        self.at += 1;
        let mut items = Vec::new();
        self.skip_blanks();
        if self.expect("]").is_some() {
            return Some(Value::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.skip_blanks();
            match self.next()? {
                b',' => {}
                b']' => return Some(Value::List(items)),
                _ => return None,
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        self.at += 1;
        let mut members = Vec::new();
        self.skip_blanks();
        if self.expect("}").is_some() {
            return Some(Value::Object(members));
        }
        loop {
            self.skip_blanks();
            let name = self.string()?;
            self.skip_blanks();
            self.expect(":")?;
            members.push((name, self.value(depth + 1)?));
            self.skip_blanks();
            match self.next()? {
                b',' => {}
                b'}' => return Some(Value::Object(members)),
                _ => return None,
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        self.expect("\"")?;
        let mut text = String::new();
        loop {
            let start = self.at;
            while !matches!(self.bytes.get(self.at)?, b'"' | b'\\' | 0..=31) {
                self.at += 1;
            }
            text.push_str(&self.text[start..self.at]);
            match self.next()? {
                b'"' => return Some(text),
                b'\\' => text.push(self.escape()?),
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        Some(match self.next()? {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return None,
        })
    }

    fn unicode(&mut self) -> Option<char> {
        let first = self.four()?;
        if !(0xd800..0xdc00).contains(&first) {
            // Half a surrogate is no character.
            return char::from_u32(first);
        }
        self.expect("\\u")?;
        let second = self.four()?;
        if !(0xdc00..0xe000).contains(&second) {
            return None;
        }
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
    }

    fn four(&mut self) -> Option<u32> {
        let digits = self.bytes.get(self.at..self.at + 4)?;
        self.at += 4;
        digits.iter().try_fold(0, |sum, digit| Some(sum * 16 + char::from(*digit).to_digit(16)?))
    }

    fn number(&mut self) -> Option<Value> {
        let start = self.at;
        let _ = self.expect("-");
        if self.expect("0").is_none() {
            self.digits()?;
        }
        if self.expect(".").is_some() {
            self.digits()?;
        }
        if self.expect("e").or_else(|| self.expect("E")).is_some() {
            let _ = self.expect("+").or_else(|| self.expect("-"));
            self.digits()?;
        }
        let text = &self.text[start..self.at];
        (text.len() <= LONGEST_NUMBER).then(|| Value::Number(text.into()))
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while matches!(self.bytes.get(self.at), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_again() {
        for text in [r#"{"a":[1,-2.5e3,true,null,"x\"\\\n\u0001"],"b":{}}"#, "[]", "\"\u{2028}ä\""] {
            assert_eq!(parse(text.as_bytes()).unwrap().to_string(), text);
        }
        assert_eq!(parse(br#""\ud83d\ude00\/""#), Some(Value::Text("😀/".into())));
    }

    #[test]
    fn what_is_no_json_or_a_trap_is_none() {
        let deep = "[".repeat(100_000);
        let long = "1".repeat(5000);
        for text in [
            "",
            "{",
            "01",
            "1.",
            "+1",
            "[1,]",
            "{\"a\"}",
            "\"\t\"",
            r#""\ud800""#,
            r#""\ud800\u0041""#,
            "nul",
            "1 2",
            &deep,
            &long,
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text:.20}");
        }
        assert_eq!(parse(b"\"\xff\""), None);
    }

    #[test]
    fn bytes_of_any_encoding_can_be_written() {
        assert_eq!(Value::from_bytes(b"a\xff\xc3\xa4\"\xc3").to_string(), "\"a\\udcffä\\\"\\udcc3\"");
    }

    #[test]
    fn of_two_members_of_one_name_the_last_one_counts() {
        let value = parse(br#"{"a":1,"a":2}"#).unwrap();
        assert_eq!(value.get("a").and_then(Value::integer), Some(2));
    }
}
