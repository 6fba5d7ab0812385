//! The kinds of collections there are. Every builder compiles them anew for each type that they hold, which takes longer
//! than all that is done with them: so texts and paths are kept as bytes.
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub type Set = BTreeSet<Vec<u8>>;
pub type Numbers = HashMap<Vec<u8>, u64>;

pub fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

pub fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}
