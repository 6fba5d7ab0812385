//! What a program writes to its standard output and standard error, kept where the program cannot reach it.
use std::collections::VecDeque;
use std::io::Read;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use crate::process::LEFTOVER;

/// How many bytes of a stream's beginning and of its end are kept; those in between are only counted.
#[derive(Clone, Copy)]
pub struct Keep {
    pub head: usize,
    pub tail: usize,
}

/// A stream as it was kept.
#[derive(Default)]
pub struct Kept {
    pub head: Vec<u8>,
    pub tail: VecDeque<u8>,
    pub dropped: u64,
    has_ended: bool,
}

impl Kept {
    fn add(&mut self, keep: Keep, data: &[u8]) {
        let room = keep.head - self.head.len();
        let (first, rest) = data.split_at(room.min(data.len()));
        self.head.extend(first);
        self.tail.extend(&rest[rest.len().saturating_sub(keep.tail)..]);
        let excess = self.tail.len().saturating_sub(keep.tail);
        self.tail.drain(..excess);
        self.dropped += (rest.len().saturating_sub(keep.tail) + excess) as u64;
    }
}

/// A stream that is being read.
pub struct Capture {
    shared: Arc<(Mutex<Kept>, Condvar)>,
}

impl Capture {
    pub fn start(mut stream: impl Read + Send + 'static, keep: Keep) -> Capture {
        let shared = Arc::new((Mutex::new(Kept::default()), Condvar::new()));
        let sharing = Arc::clone(&shared);
        thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(size) = stream.read(&mut buffer) {
                if size == 0 {
                    break;
                }
                sharing.0.lock().unwrap().add(keep, &buffer[..size]);
            }
            sharing.0.lock().unwrap().has_ended = true;
            sharing.1.notify_all();
        });
        Capture { shared }
    }

    /// Returns what was kept, once the stream has ended; with nobody left to write it ends at once.
    pub fn finish(self) -> Kept {
        let (kept, ended) = &*self.shared;
        let (mut kept, _) =
            ended.wait_timeout_while(kept.lock().unwrap(), LEFTOVER, |kept| !kept.has_ended).unwrap();
        std::mem::take(&mut *kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginning_and_end_are_kept_however_the_bytes_arrive() {
        let data: Vec<u8> = (0..100).collect();
        for size in [1, 3, 7, 40, 100] {
            let mut kept = Kept::default();
            data.chunks(size).for_each(|chunk| kept.add(Keep { head: 10, tail: 5 }, chunk));
            assert_eq!((kept.head, kept.dropped), (data[..10].to_vec(), 85), "{size}");
            assert_eq!(kept.tail, &data[95..]);
        }
    }

    #[test]
    fn a_short_stream_is_kept_whole() {
        let mut kept = Kept::default();
        kept.add(Keep { head: 3, tail: 5 }, b"abcdefgh");
        assert_eq!((&kept.head[..], kept.dropped), (&b"abc"[..], 0));
        assert_eq!(kept.tail, b"defgh");
    }
}
