// Runs one program inside a runtime container, as a test's run, as its service or as a shell for the user, and tells
// the host what it did.
//
//   agent run RESULT LIMIT TIMEOUT FOLDER STDIN COUNT [outputs...] program [arguments...]
//   agent serve SOCKET FOLDER HEALTH GRACE COUNT [ports...] program [arguments...]
//   agent shell SOCKET FOLDER program [arguments...]
//
// Compiled by the builder's own rustc, from the standard library alone, so it runs wherever the programs do: in an
// image without a shell too, and as any user.
mod host;
mod process;
mod pty;
mod run;
mod serve;
mod shell;
mod tunnel;

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use process::{command, grouped};
use run::Run;
use serve::serve;
use shell::shell;

fn main() {
    let mut words = env::args().skip(1);
    let mut word = || words.next().expect("the agent is called with too few arguments");
    match word().as_str() {
        "run" => {
            let (result, limit, timeout) = (word(), word(), word());
            let (folder, stdin, count) = (word(), word(), word());
            let outputs = (0..count.parse().unwrap()).map(|_| word()).collect();
            let program = word();
            let run = Run {
                result: PathBuf::from(result),
                limit: limit.parse().unwrap(),
                timeout: timeout.parse().ok().filter(|seconds| *seconds > 0.0).map(Duration::from_secs_f64),
                outputs,
            };
            run.write(run.outcome(grouped(command(&program, words.collect(), &folder)), &stdin));
        }
        "shell" => {
            let (socket, folder, program) = (word(), word(), word());
            shell(&socket, command(&program, words.collect(), &folder));
        }
        _ => {
            let (socket, folder, health, grace, count) = (word(), word(), word(), word(), word());
            let ports = (0..count.parse().unwrap()).map(|_| word().parse().unwrap()).collect();
            let program = word();
            let grace = Duration::from_secs_f64(grace.parse().unwrap());
            serve(&socket, grouped(command(&program, words.collect(), &folder)), health, ports, grace);
        }
    }
}
