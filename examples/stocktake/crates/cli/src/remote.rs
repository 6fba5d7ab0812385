//! Records movements with a `stock-server`.

use std::{error::Error, io::BufRead};

use serde::Deserialize;
use stock_ledger::{Level, read};

#[derive(Deserialize)]
struct Problem {
    error: String,
}

/// Send movements one by one and print the levels that the server answers; the first refusal ends it.
pub fn send(server: &str, movements: impl BufRead) -> Result<(), Box<dyn Error>> {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut levels = Vec::new();
    for entry in read(movements) {
        let (line, movement) = entry?;
        let mut response = agent.post(format!("{server}/movements")).send_json(&movement)?;
        if !response.status().is_success() {
            let problem: Problem = response.body_mut().read_json()?;
            return Err(format!("line {line}: {}", problem.error).into());
        }
        levels.push(response.body_mut().read_json::<Level>()?);
    }
    crate::print(&levels)
}
