//! A volume's state for other machines: copied out of one volume, and into another that is still empty.
//!
//! A build on the copy is one on the original that goes on: its records say which tree the target directory was made
//! from, and content decides what is compiled. Here the copy gets that tree, as far as it is the tree to build; where
//! it is not, there are stand-ins for its files, which `sync` replaces or removes as it would have the files. What is the
//! same is dated back, so that cargo finds fresh what was compiled from it; what `sync` writes is newer than all that
//! was copied.
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::failure::{At, Failure, Outcome, DEPENDENCIES_NEEDED, OWN};
use crate::files;
use crate::index::{self, difference, Index};
use crate::options::Options;
use crate::proofs;
use crate::sync::{boot_id, Inputs};
use crate::tree;
use crate::volume::{join, Records, Volume};

/// `agent state --volume FOLDER --out FOLDER --run-id ID`
pub const OPTIONS: &[&str] = &["volume", "out", "run-id"];

const LARGEST: u64 = 1 << 30;
/// Files beside the target directory, as on the volume.
const RECORDS: [&str; 4] = ["state.json", "index", "changes", "before"];

/// Copies the state out, once no build uses the volume.
pub fn copy_out(options: &Options) -> Outcome<()> {
    let (volume, out) = (Volume::open(&options.path("volume")?, "")?, options.path("out")?);
    let target = volume.target();
    let is_there = |path: &Path| matches!(files::status(path), Ok(Some(_)));
    if !target.is_dir() || is_there(&volume.running()) || is_there(&volume.syncing()) {
        return Err(Failure::new(OWN, "the target directory is not that of a build that has ended"));
    }
    files::empty(&out, "").at(&out)?;
    for path in RECORDS.map(|name| volume.root.join(name)) {
        if is_there(&path) {
            files::copy(&path, &out.join(path.file_name().unwrap_or_default())).at(&path)?;
        }
    }
    let path = out.join("proofs");
    fs::write(&path, proved(&volume)?).at(&path)?;
    let place = out.join("target");
    files::copy_tree(&target, &place, &|_| true).at(&place)
}

/// Returns the proofs by path: a copy of a file is another one.
fn proved(volume: &Volume) -> Outcome<Vec<u8>> {
    let target = volume.target();
    let mut text = Vec::new();
    for (path, found) in tree::walk(&target)? {
        let stamp = proofs::stamp(&found);
        let proof = volume.records.proofs.iter().find(|(known, _)| found.is_file() && *known == stamp);
        if let Some((_, generation)) = proof.filter(|_| !path.contains(&b'\n')) {
            text.extend([generation.to_string().as_bytes(), b" ", &path, b"\n"].concat());
        }
    }
    Ok(text)
}

/// Brings the state into a volume on which nothing was ever built, or fails and leaves it so.
pub fn copy_in(volume: &mut Volume, inputs: &Inputs, from: &Path) -> Outcome<()> {
    let is_new = volume.condition == "new" && matches!(files::status(&volume.tree()), Ok(None));
    if !is_new {
        return Ok(());
    }
    let outcome = copied(volume, inputs, from);
    if outcome.is_err() {
        volume.start_anew("new")?;
    }
    outcome.map_err(|failure| Failure::new(DEPENDENCIES_NEEDED, failure.message))
}

fn copied(volume: &mut Volume, inputs: &Inputs, from: &Path) -> Outcome<()> {
    let refuse = |message: &str| Err(Failure::new(OWN, message));
    let Some(mut records) = Records::read(from) else { return refuse("its records are damaged") };
    let differing = difference(&records.index, &inputs.index);
    if differing.values().any(|entry| entry.kind == b'l') {
        // What was seen through a link can only be told where the link still is.
        return refuse("symbolic links differ");
    }
    let target = from.join("target");
    if newest(&target)? > time_of(&volume.root.join("clock"))? {
        return refuse("the clock of the machine that it comes from is ahead");
    }
    files::copy_tree(&target, &volume.target(), &|_| true).at(&target)?;
    let before = from.join("before");
    if files::status(&before).at(&before)?.is_some() {
        files::copy(&before, &volume.root.join("before")).at(&before)?;
    }
    lay_out(volume, inputs, &records.index, &differing)?;
    records.proofs = proofs_in(from, &volume.target(), records.generation)?;
    records.boot = boot_id();
    records.cleared = std::mem::take(&mut volume.records.cleared);
    volume.records = records;
    volume.condition = "pulled".into();
    volume.write()
}

fn time_of(path: &Path) -> Outcome<(i64, i64)> {
    let found = fs::symlink_metadata(path).at(path)?;
    Ok((found.mtime(), found.mtime_nsec()))
}

fn newest(folder: &Path) -> Outcome<(i64, i64)> {
    let times = tree::walk(folder)?.into_iter().map(|(_, found)| (found.mtime(), found.mtime_nsec()));
    Ok(times.max().unwrap_or_default())
}

/// Makes the tree that the target directory was made from, dated back, with stand-ins for what differs.
fn lay_out(volume: &Volume, inputs: &Inputs, theirs: &Index, differing: &Index) -> Outcome<()> {
    let tree = volume.tree();
    fs::create_dir_all(&tree).at(&tree)?;
    inputs.extract(&tree, &difference(theirs, differing))?;
    for place in differing.keys().map(|path| join(&tree, path)) {
        let above = place.parent().unwrap_or(&tree);
        fs::create_dir_all(above).at(above)?;
        files::create(&place, 0o644).at(&place)?;
    }
    for (path, _) in tree::walk(&tree)? {
        let place = join(&tree, &path);
        files::date_back(&place).at(&place)?;
    }
    files::date_back(&tree).at(&tree)
}

fn proofs_in(from: &Path, target: &Path, last: u64) -> Outcome<Vec<(String, u64)>> {
    let path = from.join("proofs");
    let text = files::read(&path, LARGEST).at(&path)?;
    let mut found = Vec::new();
    for line in index::lines(&text).into_iter().flatten() {
        let blank = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
        let number = std::str::from_utf8(&line[..blank]).ok().and_then(|text| text.parse().ok());
        let path = line.get(blank + 1..).filter(|path| index::leads_down(path));
        let (Some(number), Some(path)) = (number.filter(|number| *number <= last), path) else {
            return Err(Failure::new(OWN, "its proofs are damaged"));
        };
        let place = join(target, path);
        if let Some(status) = files::status(&place).at(&place)?.filter(|status| status.is_file()) {
            found.push((proofs::stamp(&status), number));
        }
    }
    Ok(found)
}
