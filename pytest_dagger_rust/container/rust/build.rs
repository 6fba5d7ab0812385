//! Builds the workspace's dependencies, or the workspace itself, from an archive of its sources.
//!
//! The volume keeps, between builds, the source tree, the target directory, and proofs of what each artifact was made
//! from. The report for the host is one file, report.json.
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::index::{self, Index};
use agent_core::sha256::{digest_of, hex};

use crate::cargo::{self, Transcript};
use crate::descendants::protect;
use crate::failure::{At, Failure, Outcome, DEPENDENCIES_NEEDED, NOT_PROVED, OWN};
use crate::files;
use crate::json::{self, Value};
use crate::messages::{self, Artifact, Said};
use crate::network::Network;
use crate::options::Options;
use crate::outputs;
use crate::proofs::{self, prove, Places};
use crate::record;
use crate::sets::{self, bytes, Set};
use crate::sync::{apply, sync, Inputs};
use crate::tree;
use crate::volume::{join, relative, started, Volume, MOST_DEPENDENCIES};
use crate::{failed, fetch, offline, packages, state, toolchain};

/// To be raised when the format of the report changes.
const FORMAT: u64 = 1;
const LOCK_VARIABLE: &str = "CARGO_RESOLVER_LOCKFILE_PATH";
const LARGEST: u64 = 1 << 30;

/// `agent dependencies OPTIONS -- build [flags...]` and `agent build OPTIONS -- build|test [flags...]`
///
/// --volume, --packages, --out   the cache volume, the fetched packages, and the folder for what leaves
/// --archive, --digest, --base   the sources
/// --root                        the workspace's root, relative to the tree
/// --lock                        the lock file, relative to the tree: it may lie elsewhere than in the root
/// --build-id, --run-id          what names the build, and a file with what names this run of it
/// --variables                   names the variables that are set for cargo
/// --clear                       empties the volume, unless it was emptied for the same word before
/// --restored                    what the dependency build copied out
/// --state                       what another volume had, for one that is still empty
/// --skipped                     names the dependency build that is skipped
/// --marker                      what every stub has in it
/// --network                     "refused" takes the network from cargo and all it starts
/// --timeout                     how many seconds a call of cargo may take
/// --toolchain                   a file with the name of rustup's toolchain to use
/// --toolchain-folder            a toolchain in the tree
pub const OPTIONS: &[&str] = &[
    "volume",
    "packages",
    "out",
    "archive",
    "digest",
    "base",
    "root",
    "lock",
    "build-id",
    "run-id",
    "variables",
    "clear",
    "restored",
    "state",
    "skipped",
    "marker",
    "network",
    "timeout",
    "toolchain",
    "toolchain-folder",
];

pub fn dependencies(options: &Options) -> Outcome<()> {
    let mut build = Build::begin(options)?;
    if !build.volume.has_dependencies(&build.id) {
        build.make_room()?;
    }
    build.restore_lock()?;
    build.call_cargo()?;
    build.put_right()?;
    build.copy_out_dependencies()
}

pub fn build(options: &Options) -> Outcome<()> {
    let mut build = Build::begin(options)?;
    let before = build.messages_before()?;
    build.restore_dependencies()?;
    build.steps.end("restore");
    build.restore_lock()?;
    build.call_cargo()?;
    build.steps.end("cargo");
    build.prove_or_repeat()?;
    outputs::open(&build.out)?;
    if build.is_test() {
        build.copy_out_tree()?;
    }
    build.put_right()?;
    build.steps.end("verify");
    build.copy_out(before)
}

/// Seconds of each step, one after the other.
struct Steps {
    last: Instant,
    taken: Vec<(&'static str, f64)>,
}

impl Steps {
    fn end(&mut self, name: &'static str) {
        self.taken.push((name, self.last.elapsed().as_secs_f64()));
        self.last = Instant::now();
    }
}

struct Build<'a> {
    options: &'a Options,
    id: String,
    out: PathBuf,
    /// The workspace's root, absolute, and its lock file relative to the tree.
    root: PathBuf,
    lock: Vec<u8>,
    restored: Option<PathBuf>,
    volume: Volume,
    inputs: Inputs,
    /// Whether cargo had been interrupted when it was called last.
    was_interrupted: bool,
    steps: Steps,
    transcript: Transcript,
    /// The sources that build scripts changed, and that were restored.
    rewritten: Set,
}

impl<'a> Build<'a> {
    /// Waits for the volume, and brings its tree up to date.
    fn begin(options: &'a Options) -> Outcome<Build<'a>> {
        protect()?;
        let mut steps = Steps { last: Instant::now(), taken: Vec::new() };
        packages::share(&options.path("packages")?)?;
        let mut volume = Volume::open(&options.path("volume")?, options.text("clear")?)?;
        steps.end("lock");
        let inputs = Inputs::read(options)?;
        if let Some(folder) = options.optional("state") {
            state::copy_in(&mut volume, &inputs, Path::new(folder))?;
            steps.end("copy in");
        }
        toolchain::choose(options, &volume.tree())?;
        let root = volume.tree().join(options.one("root")?);
        let root: PathBuf = root.components().collect();
        let lock = match options.optional("lock") {
            Some(path) => path.as_bytes().to_vec(),
            None => relative(&root.join("Cargo.lock"), &volume.tree())
                .ok_or("--root leads out of the tree".to_string())?,
        };
        let mut build = Build {
            options,
            id: options.text("build-id")?.into(),
            out: options.path("out")?,
            root,
            lock,
            restored: options.optional("restored").map(PathBuf::from),
            was_interrupted: started(&volume).is_some(),
            inputs,
            volume,
            steps,
            transcript: Transcript::default(),
            rewritten: Set::new(),
        };
        build.check_skipped(options.text("skipped")?)?;
        sync(&mut build.volume, &build.inputs, &build.lock)?;
        build.check_surroundings(options.text("variables")?)?;
        build.steps.end("update");
        Ok(build)
    }

    /// A target directory with other dependencies needs no dependency build for these: cargo compiles what is missing.
    /// Where it has none, a dependency build is worth making.
    fn check_skipped(&mut self, name: &str) -> Outcome<()> {
        if name.is_empty() || self.volume.has_dependencies(name) && self.volume.target().is_dir() {
            return Ok(());
        }
        let refuse = |message: &str| Err(Failure::new(DEPENDENCIES_NEEDED, message));
        if !self.volume.target().is_dir() {
            return refuse("there are no compiled dependencies to start from");
        }
        if self.was_interrupted || !self.volume.has_room() {
            return refuse("the target directory does not take these dependencies");
        }
        self.volume.add_dependencies(name);
        Ok(())
    }

    /// What cargo does not look at again: variables for build scripts that do not name them, and configuration, which
    /// older versions miss.
    fn check_surroundings(&mut self, variables: &str) -> Outcome<()> {
        let tree = self.volume.tree();
        let is_configuration = |path: &[u8]| {
            [&b".cargo/config"[..], b".cargo/config.toml"].iter().any(|name| {
                path.strip_suffix(*name).is_some_and(|above| above.is_empty() || above.ends_with(b"/"))
            })
        };
        let lines = self.volume.records.index.iter().filter(|(path, _)| is_configuration(path));
        let text: Vec<u8> =
            lines.flat_map(|(path, entry)| [&path[..], &entry.digest, b"\n"].concat()).collect();
        let configuration = hex(&digest_of(&text));
        let records = &mut self.volume.records;
        if !records.configuration.is_empty() && records.configuration != configuration {
            tree::touch_all(&tree)?;
        }
        if records.variables != variables {
            for path in &records.build_scripts {
                tree::touch(&tree, path)?;
            }
        }
        records.configuration = configuration;
        records.variables = variables.into();
        self.volume.write()
    }

    fn make_room(&mut self) -> Outcome<()> {
        if self.volume.has_room() {
            return Ok(());
        }
        self.volume.forget_outputs(&format!("emptied: it held {MOST_DEPENDENCIES} sets of dependencies"))
    }

    /// Copies the compiled dependencies that the volume lacks; overwrites nothing.
    fn restore_dependencies(&mut self) -> Outcome<()> {
        let Some(folder) = self.restored.clone() else { return Ok(()) };
        let path = folder.join("build-id");
        let name = String::from_utf8_lossy(&files::read(&path, 1 << 10).at(&path)?).into_owned();
        if self.volume.has_dependencies(&name) {
            return Ok(());
        }
        let from = folder.join("target");
        self.make_room()?;
        if self.was_interrupted {
            self.volume.forget_outputs("emptied: a build had been interrupted")?;
        }
        // Until cargo has ended well.
        let (running, target) = (self.volume.running(), self.volume.target());
        let is_first = !target.is_dir();
        files::replace(&running, b"").at(&running)?;
        let is_missing = |place: &Path| matches!(files::status(place), Ok(None));
        files::copy_tree(&from, &target, &is_missing).at(&target)?;
        self.volume.add_dependencies(&name);
        if is_first {
            self.adopt(&folder)?;
        }
        self.volume.write()
    }

    /// Has cargo find fresh what the dependency build compiled of packages in the tree, where their sources are the same:
    /// they were written into this tree later than they were compiled. Nothing else has been compiled from them yet.
    fn adopt(&mut self, restored: &Path) -> Outcome<()> {
        let (path, tree, target) = (restored.join("index"), self.volume.tree(), self.volume.target());
        let theirs = files::read_if_there(&path, LARGEST).at(&path)?.unwrap_or_default();
        let theirs = index::parse(&theirs).ok_or("is no index").at(&path)?;
        let report = restored.join("report.json");
        let report = json::parse(&files::read(&report, LARGEST).at(&report)?).unwrap_or(Value::Null);
        let lines = report.get("messages").and_then(Value::list).unwrap_or_default().iter();
        let messages = lines.filter_map(|line| messages::read(line.to_string().as_bytes(), 0.0));
        let artifacts: Vec<Artifact> = messages
            .filter_map(|message| match message.said {
                Said::Artifact(artifact) => Some(artifact),
                _ => None,
            })
            .collect();
        let root = relative(&self.root, &tree).unwrap_or_default();
        let places = Places { tree: &tree, target: &target, root: &root, started: (0, 0) };
        for path in proofs::adopt(&artifacts, &mut self.volume.records, &places, &theirs) {
            let place = join(&tree, &path);
            files::date_back(&place).at(&place)?;
        }
        Ok(())
    }

    /// Returns the report of the dependency build as it is: the agent has written it, where nothing else could.
    fn dependency_report(&self) -> Outcome<Value> {
        let Some(folder) = &self.restored else { return Ok(Value::Null) };
        let path = folder.join("report.json");
        let text = files::read(&path, LARGEST).at(&path)?;
        String::from_utf8(text).map(Value::Raw).at(&path)
    }

    /// Cargo itself may have changed the lock file: a build begins with the user's, or where there is none with the one
    /// that the packages were fetched for.
    fn restore_lock(&mut self) -> Outcome<()> {
        let tree = self.volume.tree();
        if let Some(entry) = self.inputs.index.get(&self.lock).copied() {
            if !tree::has(&tree, &self.lock, &entry)? {
                let mut wanted = Index::new();
                wanted.insert(self.lock.clone(), entry);
                self.inputs.extract(&tree, &wanted)?;
            }
            return Ok(());
        }
        let there = |path: &Path| files::read_if_there(path, LARGEST);
        let (fetched, to) = (self.options.path("packages")?.join(fetch::LOCK), self.lock_path());
        let from = self.restored.as_ref().map_or(fetched, |folder| folder.join("Cargo.lock"));
        match there(&from).at(&from)? {
            Some(text) if there(&to).ok().flatten().as_ref() != Some(&text) => {
                let above = to.parent().unwrap_or(&self.root);
                fs::create_dir_all(above).at(above)?;
                files::replace(&to, &text).at(&to)
            }
            _ => Ok(()),
        }
    }

    fn lock_path(&self) -> PathBuf {
        join(&self.volume.tree(), &self.lock)
    }

    /// Runs cargo, and ends the build where it fails.
    fn call_cargo(&mut self) -> Outcome<()> {
        let (running, work) = (self.volume.running(), self.volume.work());
        files::fresh_folder(&work).at(&work)?;
        files::replace(&running, b"").at(&running)?;
        let words = self.options.rest().to_vec();
        let mut variables = Vec::new();
        if self.is_test() {
            variables = self.rustdoc("")?;
            variables.extend(self.recorders(&words)?);
        }
        let limit = cargo::limit(self.options)?;
        let mut status = cargo::run(self.cargo(&words, variables)?, &mut self.transcript, limit)?;
        if status.success() && self.is_test() {
            // Once more without recorders, which rustdoc would run doctests with.
            if let Some(words) = self.doctest_words(&words)? {
                let command = self.cargo(&words, self.rustdoc("doctests")?)?;
                status = cargo::run(command, &mut self.transcript, limit)?;
            }
        }
        self.volume.strike_clock()?;
        if status.success() {
            return Ok(());
        }
        self.put_right()?;
        Err(failed::keep(&self.volume, &self.id, &self.transcript, status)?)
    }

    fn cargo(&self, words: &[OsString], more: Vec<(OsString, OsString)>) -> Outcome<Command> {
        let mut command = cargo::command(OsStr::new("cargo"));
        let (subcommand, flags) =
            words.split_first().map_or((OsString::new(), &[][..]), |(word, rest)| (word.clone(), rest));
        command
            .arg(subcommand)
            .args(["--verbose", "--message-format=json-diagnostic-rendered-ansi"])
            .args(flags);
        command.envs(cargo::variables(&self.volume.target(), &self.volume.tree()));
        command.envs(cargo::incremental(words)).envs(more).current_dir(&self.root);
        if std::env::var_os(LOCK_VARIABLE).is_some() {
            // Of a path on the host's machine, it has been found out where it is here.
            command.env(LOCK_VARIABLE, self.lock_path());
        }
        Network::of(self.options)?.limit(&mut command)?;
        Ok(command)
    }

    fn is_test(&self) -> bool {
        self.options.rest().first().is_some_and(|word| word == "test")
    }

    /// Returns the variables that make cargo hand its test binaries to the agent, for whichever target it builds them:
    /// options, variables and configuration files choose one or several, and those of a file are not known here.
    fn recorders(&self, words: &[OsString]) -> Outcome<Vec<(OsString, OsString)>> {
        let given = words.iter().zip(words.iter().skip(1)).filter(|(word, _)| *word == "--target");
        let mut triples: Vec<String> = given.map(|(_, value)| triple_of(value)).collect();
        triples.extend(std::env::var_os("CARGO_BUILD_TARGET").map(|value| triple_of(&value)));
        triples.extend(self.known_triples()?);
        let (program, into) = (agent()?, self.volume.work().join("tests"));
        let named = triples.iter().map(|triple| {
            let name = format!("CARGO_TARGET_{}_RUNNER", triple.to_uppercase().replace(['-', '.'], "_"));
            let mut runner = program.clone().into_os_string();
            runner.push(" record --into ");
            runner.push(&into);
            runner.push(format!(" --triple {triple} --"));
            (name.into(), runner)
        });
        Ok(named.collect())
    }

    fn known_triples(&self) -> Outcome<Vec<String>> {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let mut command = cargo::command(&rustc);
        let output = command
            .args(["--print", "target-list"])
            .current_dir(&self.root)
            .output()
            .at(Path::new(&rustc))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let triples: Vec<String> = text.lines().map(String::from).collect();
        if triples.is_empty() {
            return Err(Failure::new(OWN, "rustc --print target-list names no target"));
        }
        Ok(triples)
    }

    /// Returns the flags that make cargo hand doctests to rustdoc alone, where it has handed over some.
    fn doctest_words(&self, words: &[OsString]) -> Outcome<Option<Vec<OsString>>> {
        let asked = self.volume.work().join("asked");
        let Some((subcommand, flags)) = words.split_first() else { return Ok(None) };
        let is_any = files::status(&asked).at(&asked)?.is_some();
        Ok(is_any.then(|| [&[subcommand.clone(), "--doc".into()], flags].concat()))
    }

    /// Returns the variables that make cargo take the agent for rustdoc; without a file for records it lists nothing,
    /// and says in another one that it was asked.
    fn rustdoc(&self, records: &str) -> Outcome<Vec<(OsString, OsString)>> {
        let link = self.volume.work().join("rustdoc");
        if files::status(&link).at(&link)?.is_none() {
            std::os::unix::fs::symlink(agent()?, &link).at(&link)?;
        }
        let rustdoc = std::env::var_os("RUSTDOC").unwrap_or_else(|| "rustdoc".into());
        let into = if records.is_empty() { PathBuf::new() } else { self.volume.work().join(records) };
        Ok(vec![
            ("RUSTDOC".into(), link.into()),
            (record::RUSTDOC.into(), rustdoc),
            (record::DOCTESTS.into(), into.into()),
            (record::ASKED.into(), self.volume.work().join("asked").into()),
        ])
    }

    fn artifacts(&self) -> impl Iterator<Item = &Artifact> {
        self.transcript.messages.iter().filter_map(|message| match &message.said {
            Said::Artifact(artifact) => Some(artifact),
            _ => None,
        })
    }

    /// Proves all artifacts; where cargo calls one fresh that is not, has everything compiled once more.
    fn prove_or_repeat(&mut self) -> Outcome<()> {
        let Err(complaints) = self.prove()? else { return Ok(()) };
        for complaint in complaints {
            eprintln!("pytest-dagger-rust: {complaint}");
        }
        self.put_right()?;
        tree::touch_all(&self.volume.tree())?;
        self.transcript = Transcript::default();
        self.call_cargo()?;
        let Err(complaints) = self.prove()? else { return Ok(()) };
        let message = "a binary could not be proved to come from the current sources";
        Err(Failure::new(NOT_PROVED, format!("{message}: {}", complaints.join("; "))))
    }

    fn prove(&mut self) -> Outcome<Result<(), Vec<String>>> {
        let (tree, target) = (self.volume.tree(), self.volume.target());
        let started =
            started(&self.volume).ok_or_else(|| Failure::new(OWN, "the time of cargo's start is lost"))?;
        let root = relative(&self.root, &tree).unwrap_or_default();
        let places = Places { tree: &tree, target: &target, root: &root, started };
        let artifacts = self.transcript.messages.iter().filter_map(|message| match &message.said {
            Said::Artifact(artifact) => Some(artifact),
            _ => None,
        });
        let outcome = prove(artifacts, &mut self.volume.records, &places);
        if outcome.is_ok() {
            let own = self.artifacts().filter(|artifact| artifact.is_kind("custom-build"));
            let scripts = own.filter_map(|artifact| relative(&artifact.source, &tree));
            let scripts = scripts.filter(|path| crate::index::leads_down(path)).collect::<Set>();
            self.volume.records.build_scripts = scripts.into_iter().collect();
        }
        Ok(outcome)
    }

    /// Restores the sources that build scripts changed, so that no later build is made from the change.
    fn put_right(&mut self) -> Outcome<()> {
        let running = self.volume.running();
        let since = started(&self.volume);
        let foreign = tree::remove_foreign(&mut self.volume, since, &self.lock)?;
        if !foreign.is_empty() {
            // Those build scripts must run again, or their changes are missing the next time.
            for path in &self.volume.records.build_scripts {
                tree::touch(&self.volume.tree(), path)?;
            }
            self.rewritten.extend(foreign.iter().cloned());
            self.volume.note_changes(foreign);
        }
        apply(&mut self.volume, &self.inputs)?;
        self.volume.write()?;
        files::remove(&running).at(&running)
    }

    /// Returns the messages of the previous build, for the host to compare.
    fn messages_before(&self) -> Outcome<Value> {
        // Only messages that nobody changed since: the host reads them as they are.
        let path = self.volume.root.join("before");
        let text = files::read_if_there(&path, LARGEST).ok().flatten().unwrap_or_default();
        if hex(&digest_of(&text)) != self.volume.records.before {
            return Ok(Value::List(Vec::new()));
        }
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        Ok(lines.map(|line| Value::Raw(String::from_utf8_lossy(line).into())).collect())
    }

    fn keep_messages(&mut self) -> Outcome<()> {
        let messages =
            self.transcript.messages.iter().filter(|message| matches!(message.said, Said::Artifact(_)));
        let text: Vec<u8> = messages.flat_map(|message| [message.line.as_bytes(), b"\n"].concat()).collect();
        let path = self.volume.root.join("before");
        files::replace(&path, &text).at(&path)?;
        self.volume.records.before = hex(&digest_of(&text));
        self.volume.write()
    }

    /// Copies the sources out as cargo has left them: tests look for what build scripts have written there, too.
    fn copy_out_tree(&self) -> Outcome<()> {
        let (tree, target) = (self.volume.tree(), self.volume.target());
        let root = relative(&self.root, &tree).ok_or("--root leads out of the tree".to_string())?;
        outputs::copy_out_tree(&tree, &root, &target, &self.out)
    }

    fn copy_out(&mut self, before: Value) -> Outcome<()> {
        let (tree, target) = (self.volume.tree(), self.volume.target());
        let wanted = outputs::wanted(self.artifacts(), &tree, &target)?;
        let measured = target.clone();
        let size = std::thread::spawn(move || files::size_of(&measured));
        let marker = self.options.text("marker")?;
        let mut members = Vec::new();
        let mut sizes = Vec::new();
        if self.is_test() {
            let tests = record::read(&self.volume.work().join("tests"))?;
            let doctests = record::read(&self.volume.work().join("doctests"))?;
            let paths = self.needed_by_tests(&doctests);
            let found: Set = self.executables().map(|path| bytes(path)).collect();
            outputs::refuse_stubs(found.iter().map(|path| sets::path(path)), marker)?;
            outputs::copy_out_tests(&paths, &target, &self.out)?;
            let lock = fs::read_to_string(join(&self.out.join("files"), &self.lock));
            let packages = self.options.path("packages")?;
            offline::copy_out(&packages, &lock.unwrap_or_default(), &self.out.join("packages"))?;
            members.push(("home", record::text(packages::home().as_os_str())));
            members.extend([("tests", Value::List(tests)), ("doctests", Value::List(doctests))]);
        } else {
            sizes = outputs::copy_out(&wanted, &self.out, marker)?;
        }
        self.keep_messages()?;
        let paths = self.rewritten.iter().map(|path| Value::from_bytes(path));
        members.extend([
            ("before", before),
            ("rewritten", paths.collect()),
            ("dependencies", self.dependency_report()?),
            (
                "sizes",
                Value::Object(sizes.into_iter().map(|(name, size)| (name, Value::number(size))).collect()),
            ),
            ("target_size", Value::number(size.join().unwrap_or_default())),
        ]);
        self.steps.end("copy");
        self.report(members)
    }

    fn executables(&self) -> impl Iterator<Item = &PathBuf> {
        let tree = self.volume.tree();
        self.artifacts()
            .filter(move |artifact| artifact.folder(&tree).is_some())
            .filter_map(|artifact| artifact.executable.as_ref())
    }

    fn needed_by_tests(&self, doctests: &[Value]) -> Set {
        let mut paths: Set = self.executables().map(|path| bytes(path)).collect();
        let ends_with = |path: &Path, end: &str| path.extension().is_some_and(|found| found == end);
        for artifact in self.artifacts().filter(|artifact| !artifact.is_kind("proc-macro")) {
            paths.extend(artifact.files.iter().filter(|path| ends_with(path, "so")).map(|path| bytes(path)));
        }
        paths.extend(self.transcript.messages.iter().filter_map(|message| match &message.said {
            Said::BuildScript(folder) => Some(bytes(folder)),
            _ => None,
        }));
        if !doctests.is_empty() {
            paths.extend(self.needed_by_doctests(doctests));
        }
        paths
    }

    /// Doctests are compiled when they run, with all that their library was compiled with. Of what cargo puts in place
    /// under a plain name, it is the file with a hash in its name that others are compiled with.
    fn needed_by_doctests(&self, doctests: &[Value]) -> Set {
        let mut paths = Set::new();
        for path in self.artifacts().flat_map(|artifact| &artifact.files) {
            match path.extension().and_then(OsStr::to_str) {
                Some("rlib" | "so") => drop(paths.insert(bytes(path))),
                Some("rmeta") => drop(paths.insert(bytes(&path.with_extension("rlib")))),
                _ => {}
            }
        }
        for record in doctests {
            let Value::Raw(text) = record else { continue };
            let record = json::parse(text.as_bytes());
            for word in
                record.as_ref().and_then(|record| record.get("arguments")?.texts()).unwrap_or_default()
            {
                // "--extern name=/path/libname-hash.rlib"
                let path = word.split_once('=').map(|(_, path)| path);
                paths
                    .extend(path.filter(|path| path.ends_with(".rlib")).map(|path| path.as_bytes().to_vec()));
            }
        }
        paths
    }

    fn copy_out_dependencies(&mut self) -> Outcome<()> {
        let target = self.volume.target();
        outputs::open(&self.out)?;
        let packages = self.options.path("packages")?;
        let size = std::thread::spawn(move || files::size_of(&packages));
        let place = self.out.join("target");
        files::copy_tree(&target, &place, &|_| true).at(&place)?;
        let (from, to) = (self.lock_path(), self.out.join("Cargo.lock"));
        files::copy(&from, &to).at(&from)?;
        let (id, path) = (self.id.clone(), self.out.join("build-id"));
        fs::write(&path, &id).at(&path)?;
        let path = self.out.join("index");
        fs::write(&path, index::render(&self.volume.records.index)).at(&path)?;
        self.volume.add_dependencies(&id);
        self.volume.write()?;
        let members = vec![
            ("target_size", Value::number(files::size_of(&place))),
            ("packages_size", Value::number(size.join().unwrap_or_default())),
        ];
        self.steps.end("dependencies");
        self.report(members)
    }

    fn report(&self, more: Vec<(&str, Value)>) -> Outcome<()> {
        let run_id = self.options.path("run-id")?;
        let run_id = files::read(&run_id, 1 << 10).at(&run_id)?;
        let pair =
            |name: &str, seconds: f64| [Value::from(name), Value::seconds(seconds)].into_iter().collect();
        let messages = &self.transcript.messages;
        let lock = fs::read(self.lock_path()).unwrap_or_default();
        let mut members = vec![
            ("format", Value::number(FORMAT)),
            ("build_id", self.id.as_str().into()),
            ("run_id", Value::from(String::from_utf8_lossy(&run_id).trim())),
            ("volume", self.volume.condition.as_str().into()),
            ("root", record::text(self.root.as_os_str())),
            ("target", record::text(self.volume.target().as_os_str())),
            ("lock", Value::from_bytes(&lock)),
            ("steps", self.steps.taken.iter().map(|(name, seconds)| pair(name, *seconds)).collect()),
            ("messages", messages.iter().map(|message| Value::Raw(message.line.clone())).collect()),
            ("ends", messages.iter().map(|message| Value::seconds(message.seconds)).collect()),
            ("starts", self.transcript.starts.iter().map(|(name, seconds)| pair(name, *seconds)).collect()),
            ("dirty", self.transcript.dirty().iter().map(|line| Value::from(line.as_str())).collect()),
        ];
        members.extend(more);
        outputs::write_report(&self.out, &Value::object(members))
    }
}

/// A target's own specification is a file, and cargo calls the target by the file's name.
fn triple_of(target: &OsStr) -> String {
    let path = Path::new(target);
    let is_file = path.extension().is_some_and(|end| end == "json");
    let name = if is_file { path.file_stem().unwrap_or(target) } else { target };
    name.to_string_lossy().into_owned()
}

/// Returns the path of this program.
pub fn agent() -> Outcome<PathBuf> {
    std::env::current_exe().at(Path::new("/proc/self/exe"))
}
