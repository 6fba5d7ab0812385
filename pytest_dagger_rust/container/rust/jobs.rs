//! Jobs as the host asks for them: test binaries, and calls of them; `rust_tests/job_files.py` writes them.
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::frames::Reader;
use crate::process::variable;

const MAGIC: &str = "pytest-dagger-rust jobs 1\n";

/// One call of a test binary.
pub struct Job<'a> {
    pub folder: &'a OsStr,
    pub words: Vec<&'a OsStr>,
    pub env: &'a [(OsString, OsString)],
}

#[derive(Default)]
struct Binary<'a> {
    folder: &'a OsStr,
    words: Vec<&'a OsStr>,
    env: Vec<(OsString, OsString)>,
}

#[derive(Default)]
pub struct Jobs<'a> {
    binaries: Vec<Binary<'a>>,
    /// The number of a binary, and further arguments.
    calls: Vec<(usize, Vec<&'a OsStr>)>,
}

impl Jobs<'_> {
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    pub fn get(&self, number: usize) -> Job<'_> {
        let (binary, arguments) = &self.calls[number];
        let binary = &self.binaries[*binary];
        let words = binary.words.iter().chain(arguments).copied().collect();
        Job { folder: binary.folder, words, env: &binary.env }
    }
}

/// Reads jobs: for each binary a frame `b` with its folder, its executable and arguments, and one `e` with its
/// variables; for each job a frame `j` with the number of its binary and further arguments.
pub fn read(text: &[u8]) -> Result<Jobs<'_>, String> {
    let mut reader = Reader::begin(text, MAGIC)?;
    let mut jobs = Jobs::default();
    while let Some((kind, payload)) = reader.frame()? {
        read_frame(&mut jobs, kind, payload)?;
    }
    Ok(jobs)
}

fn read_frame<'a>(jobs: &mut Jobs<'a>, kind: u8, mut payload: Reader<'a>) -> Result<(), String> {
    match kind {
        b'b' => {
            let mut words = words(&mut payload)?.into_iter();
            let folder = words.next().ok_or("has a binary without a folder")?;
            jobs.binaries.push(Binary { folder, words: words.collect(), env: Vec::new() });
        }
        b'e' => {
            let binary = jobs.binaries.last_mut().ok_or("has variables of no binary")?;
            binary.env = words(&mut payload)?.into_iter().map(variable).collect::<Result<_, _>>()?;
        }
        b'j' => {
            let binary = payload.number()? as usize;
            jobs.binaries
                .get(binary)
                .filter(|binary| !binary.words.is_empty())
                .ok_or("has a job of no binary")?;
            jobs.calls.push((binary, words(&mut payload)?));
        }
        _ => return Err(format!("has a frame {:?}", kind as char)),
    }
    Ok(())
}

fn words<'a>(payload: &mut Reader<'a>) -> Result<Vec<&'a OsStr>, String> {
    Ok(payload.strings()?.into_iter().map(OsStr::from_bytes).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::{self, END};

    fn string(text: &str) -> Vec<u8> {
        [&(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat()
    }

    fn file(frames: &[(u8, &[&str])]) -> Vec<u8> {
        let mut bytes = MAGIC.as_bytes().to_vec();
        for (kind, words) in frames {
            let number = if *kind == b'j' { vec![0; 4] } else { vec![] };
            let words: Vec<u8> = words.iter().flat_map(|word| string(word)).collect();
            frames::write(&mut bytes, *kind, &[&number, &words]).unwrap();
        }
        frames::write(&mut bytes, END, &[]).unwrap();
        bytes
    }

    #[test]
    fn jobs_have_the_words_of_their_binary_and_their_own() {
        let bytes = file(&[(b'b', &["/f", "/bin/t", "x"]), (b'e', &["A=b=c"]), (b'j', &["--exact", "a\nb"])]);
        let jobs = read(&bytes).unwrap();
        let job = jobs.get(0);
        assert_eq!(
            (job.folder, job.words),
            (OsStr::new("/f"), ["/bin/t", "x", "--exact", "a\nb"].map(OsStr::new).to_vec())
        );
        assert_eq!(job.env, [("A".into(), "b=c".into())]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (frames, complaint) in [
            (&[(b'j', &[][..])][..], "has a job of no binary"),
            (&[(b'b', &["/folder"][..]), (b'j', &[])][..], "has a job of no binary"),
            (&[(b'e', &["A=b"][..])][..], "has variables of no binary"),
            (&[(b'b', &["/f", "/x"][..]), (b'e', &["A"])][..], "\"A\" is no NAME=value"),
            (&[(b'?', &[][..])][..], "has a frame '?'"),
        ] {
            assert_eq!(read(&file(frames)).err().unwrap(), complaint);
        }
    }
}
