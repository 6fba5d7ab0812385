//! Answers git, and cargo's own git, with the user's credentials for a server: from a file as git's helper `store` has it.
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::build::agent;
use crate::failure::{At, Failure, Outcome, OWN};
use crate::files;
use crate::options::Options;

/// `agent credential --file FILE -- get`
///
/// What is asked for comes on standard input, a `name=value` on each line.
pub const OPTIONS: &[&str] = &["file"];

const LARGEST: u64 = 1 << 20;

/// Writes a configuration of git that has this program answer, and returns the folder to name by XDG_CONFIG_HOME.
pub fn configure(folder: &Path, credentials: &OsStr) -> Outcome<PathBuf> {
    let (place, program) = (folder.join("git"), agent()?);
    files::fresh_folder(&place).at(&place)?;
    let (program, file) = (program.display(), Path::new(credentials).display());
    let text = format!("[credential]\n\thelper = {program} credential --file={file} --\n");
    let path = place.join("config");
    files::replace(&path, text.as_bytes()).at(&path)?;
    Ok(folder.into())
}

pub fn main(options: &Options) -> Outcome<()> {
    if options.rest().first().map_or(true, |word| word != "get") {
        return Ok(());
    }
    let path = options.path("file")?;
    let credentials = files::read(&path, LARGEST).at(&path)?;
    let mut asked = String::new();
    std::io::stdin().read_to_string(&mut asked).map_err(|error| Failure::new(OWN, error.to_string()))?;
    if let Some((user, password)) = answer(&String::from_utf8_lossy(&credentials), &asked) {
        println!("username={user}\npassword={password}");
    }
    Ok(())
}

/// Returns the user and the password of the first line that is for the server.
fn answer(credentials: &str, asked: &str) -> Option<(String, String)> {
    let value = |name: &str| {
        let mut pairs = asked.lines().filter_map(|line| line.split_once('='));
        pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
    };
    let (protocol, host, user) = (value("protocol")?, value("host")?, value("username"));
    credentials.lines().find_map(|line| {
        let (of_protocol, rest) = line.trim().split_once("://")?;
        let (login, server) = rest.split_once('/').map_or(rest, |(server, _)| server).rsplit_once('@')?;
        let (name, password) = login.split_once(':')?;
        let (name, password) = (decoded(name)?, decoded(password)?);
        let is_meant = of_protocol == protocol && server == host && user.map_or(true, |user| user == name);
        is_meant.then_some((name, password))
    })
}

/// Puts characters in the place of their numbers, as in `%40`; a line break is none that may be there.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let number = (*byte == b'%').then(|| after.get(..2)).flatten();
        let number = number.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(number.unwrap_or(*byte));
        rest = if number.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains(['\n', '\0']))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str =
        "https://me:one@example.org\nhttps://a%40b:t%3Aw%2fo@example.org:8443/path\nhttps://x:y@other.org\n";

    fn for_host(host: &str, more: &str) -> Option<(String, String)> {
        answer(FILE, &format!("protocol=https\nhost={host}\n{more}"))
    }

    #[test]
    fn a_server_gets_what_is_its_own() {
        let pair = |user: &str, password: &str| Some((user.to_string(), password.to_string()));
        assert_eq!(for_host("example.org", ""), pair("me", "one"));
        assert_eq!(for_host("example.org:8443", ""), pair("a@b", "t:w/o"));
        assert_eq!(for_host("other.org", "username=x\n"), pair("x", "y"));
    }

    #[test]
    fn no_other_server_gets_anything() {
        for (host, more) in [("evil.org", ""), ("example.org.evil.org", ""), ("other.org", "username=me\n")] {
            assert_eq!(for_host(host, more), None, "{host}");
        }
        assert_eq!(answer(FILE, "protocol=http\nhost=example.org\n"), None);
        assert_eq!(
            answer("https://no-password@example.org\n%%\n", "protocol=https\nhost=example.org\n"),
            None
        );
        assert_eq!(answer("https://a:b%0ahost=x@example.org\n", "protocol=https\nhost=example.org\n"), None);
    }
}
