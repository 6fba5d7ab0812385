//! What a lock file names that comes from elsewhere: packages of registries with their checksums, repositories of git.
use std::ffi::OsStr;

use agent_core::sha256::from_hex;

/// What cargo writes of the registry that everybody can read.
const PUBLIC: [&str; 2] =
    ["registry+https://github.com/rust-lang/crates.io-index", "sparse+https://index.crates.io/"];

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Package {
    pub name: String,
    pub version: String,
    /// Of each registry that has it, as the lock file says.
    pub checksums: Vec<[u8; 32]>,
    /// Whether it is of crates.io, and of no other registry.
    pub is_public: bool,
}

impl Package {
    /// Returns what cargo calls the file that it downloads.
    pub fn file_name(&self) -> String {
        format!("{}-{}.crate", self.name, self.version)
    }
}

#[derive(Default)]
pub struct Locked {
    pub packages: Vec<Package>,
    pub repositories: Vec<String>,
}

impl Locked {
    /// A folder of cargo's for a repository has the last part of its address, and a hash. For some servers cargo takes
    /// the name in lower case.
    pub fn has_repository(&self, folder: &OsStr) -> bool {
        let folder = folder.to_string_lossy();
        folder
            .rsplit_once('-')
            .is_some_and(|(name, _)| self.repositories.iter().any(|known| known.eq_ignore_ascii_case(name)))
    }

    fn add(&mut self, package: Package) {
        let is_same =
            |known: &&mut Package| (&known.name, &known.version) == (&package.name, &package.version);
        match self.packages.iter_mut().find(is_same) {
            // Two registries may have it.
            Some(known) => {
                known.checksums.extend(package.checksums);
                known.is_public &= package.is_public;
            }
            None => self.packages.push(package),
        }
    }
}

/// Reads a lock file; what cannot be a package's name or version is left out.
pub fn read(lock: &str) -> Locked {
    let mut locked = Locked::default();
    for section in lock.split("[[package]]").skip(1) {
        let value = |key: &str| {
            let lines = section.lines().filter_map(|line| line.split_once(" = "));
            lines
                .filter(|(name, _)| *name == key)
                .map(|(_, value)| value.trim_matches('"').to_string())
                .next()
        };
        let (Some(name), Some(version), Some(source)) = (value("name"), value("version"), value("source"))
        else {
            continue;
        };
        if let Some(address) = source.strip_prefix("git+") {
            let path = address.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
            let last = path.rsplit('/').next().unwrap_or_default();
            let name = last.trim_end_matches(".git");
            // As cargo calls the folder for an address such as https://example.org/tool/.git
            locked.repositories.push(if name.is_empty() { "_empty" } else { name }.into());
        } else if is_plain(&name) && is_plain(&version) {
            let checksum = value("checksum").or_else(|| checksum_at_the_end(lock, &name, &version, &source));
            let checksums = checksum.and_then(|text| from_hex(text.as_bytes())).into_iter().collect();
            let is_public = PUBLIC.contains(&source.as_str());
            locked.add(Package { name, version, checksums, is_public });
        }
    }
    locked
}

fn is_plain(text: &str) -> bool {
    text.is_ascii() && !text.contains(['/', '\\']) && !text.starts_with('.')
}

/// In lock files of the first version, checksums are in the table `[metadata]`.
fn checksum_at_the_end(lock: &str, name: &str, version: &str, source: &str) -> Option<String> {
    let start = format!("\"checksum {name} {version} ({source})\" = ");
    let value = lock.lines().find_map(|line| line.strip_prefix(&*start))?;
    Some(value.trim_matches('"').into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "version = 4\n\n[[package]]\nname = \"own\"\nversion = \"0.1.0\"\n\n\
        [[package]]\nname = \"serde\"\nversion = \"1.0.2\"\nsource = \"registry+https://example.org/index\"\n\n\
        [[package]]\nname = \"../up\"\nversion = \"1.0.0\"\nsource = \"registry+https://example.org/index\"\n\n\
        [[package]]\nname = \"g\"\nversion = \"1.0.0\"\nsource = \"git+https://example.org/some/tool.git?rev=1#ab\"\n";

    fn with_checksum(source: &str, digit: &str) -> String {
        let checksum = digit.repeat(64);
        format!("[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"{source}\"\nchecksum = \"{checksum}\"\n")
    }

    #[test]
    fn only_what_comes_from_elsewhere_is_taken() {
        let locked = read(LOCK);
        let serde = Package { name: "serde".into(), version: "1.0.2".into(), ..Package::default() };
        assert_eq!(locked.packages, [serde]);
        assert!(locked.has_repository(OsStr::new("tool-0123abc")));
        assert!(!locked.has_repository(OsStr::new("own-0123abc")));
    }

    #[test]
    fn folders_of_repositories_are_named_as_cargo_does() {
        let of = |address: &str| {
            read(&format!("[[package]]\nname = \"g\"\nversion = \"1.0.0\"\nsource = \"git+{address}#ab\"\n"))
        };
        assert!(of("https://github.com/Some/Tool").has_repository(OsStr::new("tool-0123abc")));
        assert!(of("https://example.org/tool/.git").has_repository(OsStr::new("_empty-0123abc")));
        assert!(!of("https://example.org/tool/.git").has_repository(OsStr::new("tool-0123abc")));
    }

    #[test]
    fn a_package_of_two_registries_has_two_checksums_and_is_not_public() {
        let public = with_checksum(PUBLIC[0], "a");
        assert!(read(&public).packages[0].is_public);
        let locked = read(&[public, with_checksum("registry+https://example.org/index", "b")].concat());
        assert_eq!(locked.packages[0].checksums, [[0xaa; 32], [0xbb; 32]]);
        assert!(!locked.packages[0].is_public);
    }

    #[test]
    fn the_first_version_has_checksums_at_its_end() {
        let source = PUBLIC[0];
        let package = format!("[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"{source}\"\n");
        let end = format!("[metadata]\n\"checksum a 1.0.0 ({source})\" = \"{}\"\n", "c".repeat(64));
        assert_eq!(read(&[package, end].concat()).packages[0].checksums, [[0xcc; 32]]);
    }
}
