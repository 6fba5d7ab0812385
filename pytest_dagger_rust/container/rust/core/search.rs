//! Finds a text in something large.
use std::io::{self, Read};

const ROOM: usize = 1 << 20;

/// A text to look for, and how far each byte lets the search skip (Boyer, Moore and Horspool's way).
pub struct Needle<'a> {
    text: &'a [u8],
    skips: [usize; 256],
}

impl<'a> Needle<'a> {
    /// `text` must not be empty.
    pub fn new(text: &'a [u8]) -> Needle<'a> {
        let mut skips = [text.len(); 256];
        for (at, byte) in text.iter().enumerate().take(text.len() - 1) {
            skips[*byte as usize] = text.len() - 1 - at;
        }
        Needle { text, skips }
    }

    pub fn is_in(&self, text: &[u8]) -> bool {
        let last = self.text.len() - 1;
        let mut end = last;
        while end < text.len() {
            if text[end] == self.text[last] && text[end - last..=end] == *self.text {
                return true;
            }
            end += self.skips[text[end] as usize];
        }
        false
    }

    /// Reads until the text is found, or to the end.
    pub fn is_in_reader(&self, mut reader: impl Read) -> io::Result<bool> {
        let mut room = vec![0; ROOM + self.text.len()];
        let mut filled = 0;
        loop {
            match reader.read(&mut room[filled..]) {
                Ok(0) => return Ok(false),
                Ok(size) => filled += size,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            if self.is_in(&room[..filled]) {
                return Ok(true);
            }
            // It may begin at the end of what was read, and go on in what comes next.
            let kept = filled.min(self.text.len() - 1);
            room.copy_within(filled - kept..filled, 0);
            filled = kept;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a few bytes at a time.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let size = self.1.min(self.0.len()).min(room.len());
            room[..size].copy_from_slice(&self.0[..size]);
            self.0 = &self.0[size..];
            Ok(size)
        }
    }

    #[test]
    fn it_is_found_wherever_it_lies_and_however_it_is_read() {
        let needle = Needle::new(b"abcab");
        for before in 0..40 {
            for step in 1..12 {
                let mut text = vec![b'a'; before];
                text.extend(b"abcab\0\xff");
                assert!(needle.is_in_reader(Slow(&text, step)).unwrap(), "{before} {step}");
                text[before + 3] = 0;
                assert!(!needle.is_in_reader(Slow(&text, step)).unwrap(), "{before} {step}");
            }
        }
        assert!(!needle.is_in(b""));
        assert!(!needle.is_in(b"abca"));
    }
}
