//! Unpacks the archive of a workspace's sources to where its tests look for them.
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Error, ErrorKind, Read, Seek};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{symlink, OpenOptionsExt};
use std::path::{Component, Path};

use crate::failure::{At, Outcome};
use crate::tar::{Archive, Member};

/// Unpacks files and links of an archive into `folder`.
pub fn unpack(archive: &Path, folder: &Path) -> Outcome<()> {
    let mut members = Archive::new(File::open(archive).at(archive)?);
    while let Some(member) = members.next_member().at(archive)? {
        let path = folder.join(OsStr::from_bytes(&member.name));
        confined(&member).and_then(|()| create(&mut members, &member, &path)).at(&path)?;
    }
    Ok(())
}

fn create(archive: &mut Archive<impl Read + Seek>, member: &Member, path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    if let Some(target) = &member.link {
        return symlink(OsStr::from_bytes(target), path);
    }
    let mode = if member.is_executable { 0o755 } else { 0o644 };
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    io::copy(archive, &mut file).map(|_| ())
}

fn confined(member: &Member) -> io::Result<()> {
    let is_inner = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    if Path::new(OsStr::from_bytes(&member.name)).components().all(is_inner) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidData, "leads out of its archive"))
}
