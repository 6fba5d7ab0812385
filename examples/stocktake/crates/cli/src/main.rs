//! `stocktake`: counts what is in stock, from movements written as one JSON object a line.

#[cfg(feature = "remote")]
mod remote;

use std::{
    collections::BTreeMap,
    error::Error,
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use serde::Serialize;
use stock_ledger::{Ledger, read};

/// Count what is in stock.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Add movements up and print every item's level
    Levels {
        /// The file to read; `-` is standard input
        #[arg(default_value = "-")]
        movements: PathBuf,
    },
    /// Print the units that goods can be counted in
    Units,
    /// Record movements with a stock-server
    #[cfg(feature = "remote")]
    Send {
        /// The server's address, such as <http://localhost:8080>
        server: String,
        /// The file to read; `-` is standard input
        #[arg(default_value = "-")]
        movements: PathBuf,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stocktake: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Levels { movements } => levels(open(&movements)?),
        Command::Units => print(&stock_units::UNITS.iter().copied().collect::<BTreeMap<_, _>>()),
        #[cfg(feature = "remote")]
        Command::Send { server, movements } => remote::send(&server, open(&movements)?),
    }
}

fn levels(movements: impl BufRead) -> Result<(), Box<dyn Error>> {
    let mut ledger = Ledger::default();
    for entry in read(movements) {
        let (line, movement) = entry?;
        ledger.record(&movement).map_err(|refusal| format!("line {line}: {refusal}"))?;
    }
    print(&ledger.levels())
}

fn open(path: &Path) -> Result<Box<dyn BufRead>, String> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Box::new(BufReader::new(file)))
}

fn print(value: &impl Serialize) -> Result<(), Box<dyn Error>> {
    serde_json::to_writer_pretty(io::stdout().lock(), value)?;
    println!();
    Ok(())
}
