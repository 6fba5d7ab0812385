//! Environment variables that programs do not get.
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Returns whether a variable is one of these; a name that ends in `_` stands for all that begin with it.
pub fn is_one_of(name: &OsStr, names: &[&str]) -> bool {
    let bytes = name.as_bytes();
    names.iter().any(|one| match one.ends_with('_') {
        true => bytes.starts_with(one.as_bytes()),
        false => bytes == one.as_bytes(),
    })
}
