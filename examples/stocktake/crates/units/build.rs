//! Turns `units.txt` into a Rust table, so that a mistake in it fails the build and not a sale.

use std::{env, fmt::Write as _, fs, path::Path};

fn main() {
    println!("cargo::rerun-if-changed=units.txt");
    let text = fs::read_to_string("units.txt").expect("units.txt lies beside this script");
    let mut table = String::from("&[\n");
    for (number, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, pieces) = parse(line)
            .unwrap_or_else(|| panic!("units.txt:{}: expected `name pieces`, got `{line}`", number + 1));
        writeln!(table, "    ({name:?}, {pieces}),").expect("a string takes every write");
    }
    table.push(']');
    let folder = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&folder).join("units.rs"), table).expect("OUT_DIR can be written");
}

fn parse(line: &str) -> Option<(&str, u32)> {
    let (name, pieces) = line.split_once(' ')?;
    let pieces = pieces.parse().ok().filter(|&pieces| pieces > 0)?;
    Some((name, pieces))
}
