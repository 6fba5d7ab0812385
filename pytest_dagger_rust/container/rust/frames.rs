//! Frames: a kind of one byte, a length of four, and as many bytes. Files of them begin with a line that says what
//! they are, in which version, and end with the frame END; `container/frames.py` is the other end.
use std::io::{self, Write};

pub const END: u8 = b'.';

/// Writes a frame whose payload is given in parts.
pub fn write(to: &mut impl Write, kind: u8, parts: &[&[u8]]) -> io::Result<()> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let length =
        u32::try_from(length).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a frame of 4 GiB"))?;
    to.write_all(&[kind])?;
    to.write_all(&length.to_be_bytes())?;
    parts.iter().try_for_each(|part| to.write_all(part))
}

/// Reads bytes from their beginning on.
pub struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { left: bytes }
    }

    /// Takes a file's first line off, which has to be `magic`.
    pub fn begin(bytes: &'a [u8], magic: &str) -> Result<Reader<'a>, String> {
        let left = bytes.strip_prefix(magic.as_bytes());
        left.map(Reader::new).ok_or_else(|| format!("does not begin with {magic:?}"))
    }

    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    pub fn number(&mut self) -> Result<u32, String> {
        let bytes = self.bytes(4)?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn bytes(&mut self, count: usize) -> Result<&'a [u8], String> {
        if count > self.left.len() {
            return Err(format!("ends {} bytes too early", count - self.left.len()));
        }
        let (taken, left) = self.left.split_at(count);
        self.left = left;
        Ok(taken)
    }

    /// Takes off a length, and as many bytes.
    pub fn string(&mut self) -> Result<&'a [u8], String> {
        let length = self.number()?;
        self.bytes(length as usize)
    }

    /// Takes off all strings that are left.
    pub fn strings(&mut self) -> Result<Vec<&'a [u8]>, String> {
        let mut strings = Vec::new();
        while !self.is_empty() {
            strings.push(self.string()?);
        }
        Ok(strings)
    }

    /// Takes off a frame; after the last one there must be no more bytes.
    pub fn frame(&mut self) -> Result<Option<(u8, Reader<'a>)>, String> {
        let kind = self.bytes(1)?[0];
        let payload = Reader::new(self.string()?);
        if kind != END {
            return Ok(Some((kind, payload)));
        }
        if self.is_empty() {
            Ok(None)
        } else {
            Err("goes on after its end".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Frame = (u8, Vec<Vec<u8>>);

    fn read(bytes: &[u8]) -> Result<Vec<Frame>, String> {
        let mut reader = Reader::begin(bytes, "test 1\n")?;
        let mut frames = Vec::new();
        while let Some((kind, mut payload)) = reader.frame()? {
            frames.push((kind, payload.strings()?.into_iter().map(Vec::from).collect()));
        }
        Ok(frames)
    }

    fn written() -> Vec<u8> {
        let mut bytes = b"test 1\n".to_vec();
        write(&mut bytes, b'a', &[&3_u32.to_be_bytes(), b"one", &0_u32.to_be_bytes()]).unwrap();
        write(&mut bytes, b'b', &[]).unwrap();
        write(&mut bytes, END, &[]).unwrap();
        bytes
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(read(&written()).unwrap(), [(b'a', vec![b"one".to_vec(), vec![]]), (b'b', vec![])]);
    }

    #[test]
    fn what_is_cut_off_or_goes_on_is_refused() {
        let bytes = written();
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "{length}");
        }
        assert_eq!(read(&[&bytes[..], b"x"].concat()).unwrap_err(), "goes on after its end");
        let too_long = [&b"test 1\na"[..], &[0xff; 4]].concat();
        assert_eq!(read(&too_long).unwrap_err(), format!("ends {} bytes too early", u32::MAX));
    }
}
