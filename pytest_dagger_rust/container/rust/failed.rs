//! Cargo's messages of a failed build. A failed exec leaves no layer, and a failure must not be answered from a cache: it is
//! kept on the volume, and the next exec reads it from there.
use std::process::ExitStatus;

use crate::cargo::{signal_of, Transcript};
use crate::failure::{At, Failure, Outcome, CARGO_FAILED, OWN};
use crate::files;
use crate::json::Value;
use crate::options::Options;
use crate::volume::Volume;

const LARGEST: u64 = 1 << 30;

/// `agent failure --volume FOLDER --build-id ID --out FILE --run-id ID`
pub const OPTIONS: &[&str] = &["volume", "build-id", "out", "run-id"];

/// Keeps what cargo said, and returns the failure to end with.
pub fn keep(
    volume: &Volume,
    build_id: &str,
    transcript: &Transcript,
    status: ExitStatus,
) -> Outcome<Failure> {
    let kept = Value::object(vec![
        ("build_id", build_id.into()),
        ("signal", signal_of(status).map_or(Value::Null, |number| Value::number(number as u64))),
        ("messages", transcript.messages.iter().map(|message| Value::Raw(message.line.clone())).collect()),
        ("stderr", Value::Text(String::from_utf8_lossy(&transcript.stderr).into())),
    ]);
    let path = volume.root.join("failed.json");
    files::replace(&path, kept.to_string().as_bytes()).at(&path)?;
    Ok(Failure::new(CARGO_FAILED, "cargo failed"))
}

/// Writes what was kept of a build into a file for the host.
pub fn main(options: &Options) -> Outcome<()> {
    let (path, out) = (options.path("volume")?.join("failed.json"), options.path("out")?);
    let kept = files::read(&path, LARGEST).at(&path)?;
    let id = crate::json::parse(&kept).and_then(|kept| Some(kept.get("build_id")?.text()?.to_string()));
    if id.as_deref() != Some(options.text("build-id")?) {
        return Err(Failure::new(OWN, "what cargo said is no longer there: another build has failed since"));
    }
    files::replace(&out, &kept).at(&out)
}
