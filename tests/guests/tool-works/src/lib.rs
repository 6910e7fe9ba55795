//! Computes, or writes and reads a file, to be measured.

use std::fs;
use std::hint::black_box;

use catena_sdk::tools::{ToolError, ToolOutput};
use catena_sdk::{Tool, export_tool, serde, serde_json};

/// What is written and read.
const CONTENT: [u8; 4096] = [b'x'; 4096];

#[derive(serde::Deserialize)]
#[serde(crate = "catena_sdk::serde")]
struct Arguments {
    /// Up to which number primes are counted.
    #[serde(default)]
    primes: usize,
    /// A file to write and read.
    #[serde(default)]
    file: Option<String>,
}

struct Work;

impl Tool for Work {
    type Arguments = Arguments;

    const NAME: &'static str = "work";

    const DESCRIPTION: &'static str = "Computes, or writes and reads a file.";

    fn parameters() -> serde_json::Value {
        serde_json::json!({"type": "object", "properties": {
            "primes": {"type": "integer"}, "file": {"type": "string"},
        }})
    }

    fn call(arguments: Arguments) -> Result<ToolOutput, ToolError> {
        let primes = primes_below(arguments.primes);
        let mut read = 0;
        if let Some(file) = arguments.file {
            let failed = |err: std::io::Error| ToolError::Other(err.to_string());
            fs::write(&file, CONTENT).map_err(failed)?;
            read = fs::read(&file).map_err(failed)?.len();
        }
        Ok(ToolOutput::success(format!("{primes} primes, {read} bytes")))
    }
}

/// The sieve of Eratosthenes.
fn primes_below(end: usize) -> usize {
    let mut composite = vec![false; end];
    let mut count = 0;
    for number in 2..end {
        if !black_box(composite[number]) {
            count += 1;
            for multiple in (number * number..end).step_by(number) {
                composite[multiple] = true;
            }
        }
    }
    count
}

export_tool!(Work);
