//! Cargo's JSON messages, as far as the agent has to understand them. The host gets all of them as they were.
use std::path::{Path, PathBuf};

use crate::json::{self, Value};
use crate::volume::relative;

/// A line that is JSON, and when it arrived, in seconds of the machine's uptime.
pub struct Message {
    pub line: String,
    pub seconds: f64,
    pub said: Said,
}

pub enum Said {
    Artifact(Artifact),
    /// Where a build script of a package at a path has written.
    BuildScript(PathBuf),
    Other,
}

#[derive(Debug, Default)]
pub struct Artifact {
    pub name: String,
    pub kind: Vec<String>,
    pub is_fresh: bool,
    pub files: Vec<PathBuf>,
    pub executable: Option<PathBuf>,
    pub manifest: PathBuf,
    pub source: PathBuf,
    pub is_test: bool,
}

impl Artifact {
    pub fn is_kind(&self, kind: &str) -> bool {
        self.kind.iter().any(|known| known == kind)
    }

    /// Returns the folder of its package relative to the tree, None for a package from elsewhere.
    pub fn folder(&self, tree: &Path) -> Option<Vec<u8>> {
        relative(self.manifest.parent()?, tree)
    }
}

/// Reads a line of cargo's standard output; None for what is no message of cargo's, but of a macro's or a wrapper's.
pub fn read(line: &[u8], seconds: f64) -> Option<Message> {
    if !line.starts_with(b"{") {
        return None;
    }
    let value = json::parse(line)?;
    let reason = value.get("reason")?.text()?;
    let said = match reason {
        "compiler-artifact" => artifact(&value).map(Said::Artifact),
        "build-script-executed" => build_script(&value).map(Said::BuildScript),
        _ => None,
    };
    let line = String::from_utf8(line.into()).ok()?;
    // One that is not what cargo writes is the host's to complain about.
    Some(Message { line, seconds, said: said.unwrap_or(Said::Other) })
}

fn artifact(message: &Value) -> Option<Artifact> {
    let target = message.get("target")?;
    let path = |value: &Value| value.text().map(PathBuf::from);
    Some(Artifact {
        name: target.get("name")?.text()?.into(),
        kind: target.get("kind")?.texts()?,
        is_fresh: message.get("fresh")?.bool()?,
        files: message.get("filenames")?.texts()?.into_iter().map(PathBuf::from).collect(),
        executable: path(message.get("executable")?),
        manifest: path(message.get("manifest_path")?)?,
        source: path(target.get("src_path")?)?,
        is_test: message.get("profile")?.get("test")?.bool()?,
    })
}

fn build_script(message: &Value) -> Option<PathBuf> {
    // Also in the opaque form of before cargo 1.77: "app 0.1.0 (path+file:///...)".
    let is_local = message.get("package_id")?.text()?.contains("path+file:");
    message.get("out_dir")?.text().filter(|_| is_local).map(PathBuf::from)
}

/// Whether a path leads down from a folder, and nowhere else on its way.
pub fn is_below(path: &Path, folder: &Path) -> bool {
    relative(path, folder).is_some_and(|path| crate::index::leads_down(&path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_no_message_and_a_forgery_no_artifact() {
        assert!(read(b"hello", 0.0).is_none());
        assert!(read(b"{\"a\":1}", 0.0).is_none());
        assert!(read(b"{\"reason\":1}", 0.0).is_none());
        for line in ["{\"reason\":\"compiler-artifact\"}", "{\"reason\":\"from-the-future\"}"] {
            assert!(matches!(read(line.as_bytes(), 0.0).unwrap().said, Said::Other));
        }
    }

    #[test]
    fn only_what_leads_down_is_below() {
        let target = Path::new("/v/target");
        assert!(is_below(Path::new("/v/target/debug/app"), target));
        for path in ["/v/target", "/v/target/../app", "/v/targets/app", "app", "/v/target/debug/../app"] {
            assert!(!is_below(Path::new(path), target), "{path}");
        }
    }
}
