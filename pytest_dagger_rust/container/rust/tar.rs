//! Reads tar archives as Python's tarfile writes them: GNU's and POSIX's ways to have long names.
use std::io::{self, BufReader, Error, ErrorKind, Read, Seek};

const BLOCK: u64 = 512;
/// A longer name or link fits no path.
const LONGEST: u64 = 1 << 16;

pub struct Archive<R: Read + Seek> {
    reader: BufReader<R>,
    /// Bytes of the present member that were not read, with what fills its last block.
    left: u64,
    padding: u64,
}

#[derive(Debug, PartialEq)]
pub struct Member {
    pub name: Vec<u8>,
    /// Where a symbolic link leads.
    pub link: Option<Vec<u8>>,
    pub is_executable: bool,
    pub size: u64,
}

impl<R: Read + Seek> Archive<R> {
    pub fn new(reader: R) -> Archive<R> {
        Archive { reader: BufReader::with_capacity(1 << 16, reader), left: 0, padding: 0 }
    }

    /// Goes on to the next file or symbolic link, None at the end.
    pub fn next_member(&mut self) -> io::Result<Option<Member>> {
        let (mut long_name, mut long_link) = (None, None);
        loop {
            self.skip()?;
            let mut header = [0; BLOCK as usize];
            self.reader.read_exact(&mut header)?;
            if header == [0; BLOCK as usize] {
                return Ok(None);
            }
            self.left = number(&header[124..136])?;
            self.padding = (BLOCK - self.left % BLOCK) % BLOCK;
            match header[156] {
                b'L' => long_name = Some(without_zeros(self.small()?)),
                b'K' => long_link = Some(without_zeros(self.small()?)),
                b'x' => {
                    for (key, value) in records(&self.small()?)? {
                        match &key[..] {
                            b"path" => long_name = Some(value),
                            b"linkpath" => long_link = Some(value),
                            b"mtime" | b"atime" | b"ctime" => {}
                            _ => return Err(invalid("an unknown pax header")),
                        }
                    }
                }
                kind @ (b'0' | 0 | b'2') => {
                    let link = long_link.take().unwrap_or_else(|| text(&header[157..257]));
                    return Ok(Some(Member {
                        name: long_name.take().unwrap_or_else(|| name_of(&header)),
                        link: (kind == b'2').then_some(link),
                        is_executable: number(&header[100..108])? & 0o100 != 0,
                        size: self.left,
                    }));
                }
                _ => (long_name, long_link) = (None, None),
            }
        }
    }

    /// Reads a member whole, where it is small.
    pub fn small(&mut self) -> io::Result<Vec<u8>> {
        if self.left > LONGEST {
            return Err(invalid("a name is too long"));
        }
        let mut content = Vec::new();
        self.read_to_end(&mut content)?;
        Ok(content)
    }

    fn skip(&mut self) -> io::Result<()> {
        let distance =
            i64::try_from(self.left + self.padding).map_err(|_| invalid("a member is too large"))?;
        (self.left, self.padding) = (0, 0);
        self.reader.seek_relative(distance)
    }
}

impl<R: Read + Seek> Read for Archive<R> {
    /// Reads from the present member.
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(room.len());
        if most == 0 {
            return Ok(0);
        }
        let size = self.reader.read(&mut room[..most])?;
        if size == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.left -= size as u64;
        Ok(size)
    }
}

fn invalid(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

fn text(field: &[u8]) -> Vec<u8> {
    field.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
}

fn without_zeros(content: Vec<u8>) -> Vec<u8> {
    text(&content)
}

fn name_of(header: &[u8]) -> Vec<u8> {
    // The prefix is POSIX's; in GNU's archives, which have two blanks in their mark, times stand there.
    let prefix = if &header[257..263] == b"ustar\0" { text(&header[345..500]) } else { Vec::new() };
    let name = text(&header[..100]);
    if prefix.is_empty() {
        return name;
    }
    [&prefix[..], b"/", &name].concat()
}

/// Octal digits; or, behind a first bit that is set, a binary number.
fn number(field: &[u8]) -> io::Result<u64> {
    if field[0] & 0x80 != 0 {
        let (high, low) = field[1..].split_at(field.len() - 9);
        if field[0] != 0x80 || high.iter().any(|byte| *byte != 0) {
            return Err(invalid("a number is too large"));
        }
        return Ok(low.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
    }
    let digits = text(field);
    let digits = std::str::from_utf8(&digits).map_err(|_| invalid("no number"))?.trim();
    if digits.is_empty() {
        return Ok(0);
    }
    u64::from_str_radix(digits, 8).map_err(|_| invalid("no number"))
}

type Record = (Vec<u8>, Vec<u8>);

/// Records of a pax header: "<length of the record> <key>=<value>\n".
fn records(mut content: &[u8]) -> io::Result<Vec<Record>> {
    let mut found = Vec::new();
    while !content.is_empty() {
        let blank = content.iter().position(|byte| *byte == b' ').ok_or_else(|| invalid("a pax header"))?;
        let length = std::str::from_utf8(&content[..blank]).ok().and_then(|text| text.parse().ok());
        let record = length
            .and_then(|length: usize| content.get(blank + 1..length))
            .and_then(|record| record.strip_suffix(b"\n"))
            .ok_or_else(|| invalid("a pax header"))?;
        let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(|| invalid("a pax header"))?;
        found.push((record[..equals].to_vec(), record[equals + 1..].to_vec()));
        content = &content[blank + 1 + record.len() + 1..];
    }
    Ok(found)
}
