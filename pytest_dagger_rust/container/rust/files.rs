//! Files that somebody else may have had a hand in: read and written without following links, and regular ones only.
use std::ffi::CString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::io::AsRawFd;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

pub const O_NOFOLLOW: i32 =
    if cfg!(any(target_arch = "aarch64", target_arch = "arm")) { 0o100_000 } else { 0o400_000 };
const O_NONBLOCK: i32 = 0o4000;
const FICLONE: usize = 0x4004_9409;
const AT_FDCWD: i32 = -100;

#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: std::os::raw::c_long,
}

extern "C" {
    fn ioctl(file: i32, request: usize, ...) -> i32;
    fn utimensat(folder: i32, path: *const std::os::raw::c_char, times: *const Timespec, flags: i32) -> i32;
}

/// Opens a regular file, and nothing else.
pub fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(O_NOFOLLOW | O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "is no regular file"));
    }
    Ok(file)
}

/// Reads a regular file of no more than so many bytes.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    open(path)?.take(most + 1).read_to_end(&mut content)?;
    if content.len() as u64 > most {
        return Err(io::Error::new(ErrorKind::InvalidData, "is too large"));
    }
    Ok(content)
}

/// Reads as `read` does; None for a file that is not there.
pub fn read_if_there(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    match read(path, most) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        content => content.map(Some),
    }
}

/// Creates a file that must not be there yet.
pub fn create(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).custom_flags(O_NOFOLLOW).mode(mode).open(path)
}

/// Writes a file whole or not at all, whatever is in its place.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_os_string();
    name.push(".part");
    let unfinished = Path::new(&name);
    remove(unfinished)?;
    create(unfinished, 0o644)?.write_all(content)?;
    if status(path)?.is_some_and(|found| found.is_dir()) {
        remove(path)?;
    }
    fs::rename(unfinished, path)
}

/// Looks at a file itself, not at where it leads; None where there is none.
pub fn status(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        // A part of its path may be a file.
        Err(error) if error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(20) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes whatever is there: a file, a link, or a folder with all in it.
pub fn remove(path: &Path) -> io::Result<()> {
    match status(path)? {
        None => Ok(()),
        Some(found) if found.is_dir() => fs::remove_dir_all(path),
        Some(_) => fs::remove_file(path),
    }
}

/// Empties a folder, but for the entry of one name.
pub fn empty(folder: &Path, kept: &str) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name() != kept {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Makes a folder anew, whatever was in its place.
pub fn fresh_folder(path: &Path) -> io::Result<()> {
    remove(path)?;
    fs::create_dir_all(path)
}

/// Copies a regular file with its mode and time: as a reference to the same blocks where the file system can, and in
/// the kernel otherwise.
pub fn copy(from: &Path, to: &Path) -> io::Result<u64> {
    let mut source = open(from)?;
    let found = source.metadata()?;
    let mut target = create(to, 0o600)?;
    if unsafe { ioctl(target.as_raw_fd(), FICLONE, source.as_raw_fd()) } != 0 {
        io::copy(&mut source, &mut target)?;
    }
    target.set_permissions(fs::Permissions::from_mode(found.mode() & 0o777))?;
    drop(target);
    set_time(to, Some((found.mtime(), found.mtime_nsec())))?;
    Ok(found.len())
}

/// Copies a folder with all in it, but for what `is_wanted` says no to and what is neither file, link nor folder.
pub fn copy_tree(from: &Path, to: &Path, is_wanted: &dyn Fn(&Path) -> bool) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, place) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&path, &place, is_wanted)?;
        } else if !is_wanted(&place) {
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&path)?, &place)?;
        } else if kind.is_file() {
            copy(&path, &place)?;
        }
    }
    let found = fs::symlink_metadata(from)?;
    set_time(to, Some((found.mtime(), found.mtime_nsec())))
}

/// Dates a file to now, a link itself too.
pub fn touch(path: &Path) -> io::Result<()> {
    set_time(path, None)
}

/// Dates a file to a time before anything was compiled.
pub fn date_back(path: &Path) -> io::Result<()> {
    set_time(path, Some((1, 0)))
}

fn set_time(path: &Path, time: Option<(i64, i64)>) -> io::Result<()> {
    const NOW: i64 = 0x3fff_ffff;
    const SYMLINK_NOFOLLOW: i32 = 0x100;
    let (seconds, nanoseconds) = time.unwrap_or((0, NOW));
    let path = CString::new(path.as_os_str().as_bytes())?;
    let times = [0, 1].map(|_| Timespec { seconds, nanoseconds: nanoseconds as std::os::raw::c_long });
    if unsafe { utimensat(AT_FDCWD, path.as_ptr(), times.as_ptr(), SYMLINK_NOFOLLOW) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The time of a file's last change of any kind, which nobody can set.
pub fn changed(found: &Metadata) -> (i64, i64) {
    (found.ctime(), found.ctime_nsec())
}

/// Bytes on disk of all in a folder, a file of several names counted once.
pub fn size_of(folder: &Path) -> u64 {
    let mut seen = crate::sets::Set::new();
    let mut size = 0;
    let mut pending = vec![folder.to_path_buf()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            // What is gone by now takes no room.
            let Ok(found) = entry.metadata() else { continue };
            if found.nlink() < 2 || found.is_dir() || seen.insert(found.ino().to_be_bytes().to_vec()) {
                size += found.blocks() * 512;
            }
            if found.is_dir() {
                pending.push(entry.path());
            }
        }
    }
    size
}

/// Seconds since the machine was started, which steps of the clock do not change.
pub fn uptime() -> f64 {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = text.split(' ').next().and_then(|word| word.parse().ok());
    seconds.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64())
}
