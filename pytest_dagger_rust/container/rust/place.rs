//! The folder through which results leave the container: held by a descriptor from before the program starts.
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::io::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::failure::{At, Outcome};

pub const O_NOFOLLOW: i32 =
    if cfg!(any(target_arch = "arm", target_arch = "aarch64", target_arch = "powerpc64")) {
        0o100_000
    } else {
        0o400_000
    };
const O_DIRECTORY: i32 = if cfg!(any(target_arch = "arm", target_arch = "aarch64", target_arch = "powerpc64"))
{
    0o40_000
} else {
    0o200_000
};

/// The one name in the folder that the host reads.
const NAME: &str = "result";

pub struct Place {
    folder: File,
    path: PathBuf,
}

impl Place {
    pub fn open(path: &Path) -> Outcome<Place> {
        let folder =
            OpenOptions::new().read(true).custom_flags(O_NOFOLLOW | O_DIRECTORY).open(path).at(path)?;
        Ok(Place { folder, path: path.into() })
    }

    /// Returns what the folder is to the kernel, whichever path leads to it.
    pub fn id(&self) -> Outcome<(u64, u64)> {
        self.folder.metadata().map(|found| (found.dev(), found.ino())).at(&self.path)
    }

    /// Writes the result, in place of whatever is there by now. To be called when no program is left that could
    /// interfere.
    pub fn write(&self, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Outcome<()> {
        let written = self.create().and_then(|file| {
            let mut file = BufWriter::new(file);
            write(&mut file)?;
            file.flush()
        });
        written.at(&self.path.join(NAME))
    }

    fn create(&self) -> io::Result<File> {
        let path = below(&self.folder, NAME);
        self.set_aside(&path)?;
        OpenOptions::new().write(true).create_new(true).custom_flags(O_NOFOLLOW).mode(0o644).open(path)
    }

    // A folder with anything in it can be moved, and a link is moved itself.
    fn set_aside(&self, path: &Path) -> io::Result<()> {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
        match fs::rename(path, below(&self.folder, format!("not-{NAME}-{now}"))) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Returns a path to an entry of an open folder, whatever has become of the path that the folder was opened by.
pub fn below(folder: &File, name: impl AsRef<Path>) -> PathBuf {
    itself(folder).join(name)
}

/// Returns a path to an open file or folder.
pub fn itself(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}
