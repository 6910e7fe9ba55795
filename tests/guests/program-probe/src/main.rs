//! Does what its arguments say, for tests of how programs are started.

use std::io::{Read as _, Write as _};
use std::{env, fs, process};

use catena_sdk::process::{Command, ProcessError, run};

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.get(1..).unwrap_or_default() {
        ["arguments", ..] => println!("{}", arguments.join("|")),
        ["variable", name] => println!("{}", env::var(name).unwrap_or_else(|_| "-".to_owned())),
        ["upper"] => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).expect("it is text");
            print!("{}", text.to_uppercase());
        }
        ["read", path] => match fs::read_to_string(path) {
            Ok(text) => print!("{text}"),
            Err(err) => exit(&format!("{path}: {}", err.kind()), 3),
        },
        ["write", path, text] => match fs::write(path, text) {
            Ok(()) => {}
            Err(err) => exit(&format!("{path}: {}", err.kind()), 3),
        },
        ["exit", status] => exit("leaving", status.parse().expect("a number")),
        ["fill", bytes] => {
            let bytes: usize = bytes.parse().expect("a number");
            let line = [b'x'; 1024];
            for _ in 0..bytes / line.len() {
                std::io::stdout().write_all(&line).expect("it is taken");
            }
        }
        ["spin"] => {
            println!("spinning");
            let mut turns = 0_u64;
            loop {
                turns = std::hint::black_box(turns.wrapping_add(1));
            }
        }
        ["hoard"] => {
            let mut kept: Vec<Vec<u8>> = Vec::new();
            loop {
                kept.push(std::hint::black_box(vec![1; 1 << 20]));
            }
        }
        ["nest", depth] => nest(depth.parse().expect("a number")),
        ["abort"] => process::abort(),
        _ => exit("what to do?", 2),
    }
}

/// Starts itself as often as it is told to, or until that is refused.
fn nest(depth: u32) {
    if depth == 0 {
        println!("at the bottom");
        return;
    }
    let arguments = vec!["nest".to_owned(), (depth - 1).to_string()];
    match run(&Command { arguments, ..Command::new("probe") }) {
        Ok(finished) => {
            print!("{}", String::from_utf8_lossy(&finished.stdout));
            process::exit(finished.status);
        }
        Err(ProcessError::LimitReached(which)) => println!("refused: {which}"),
        Err(err) => println!("{err:?}"),
    }
}

fn exit(said: &str, status: i32) {
    eprintln!("{said}");
    process::exit(status);
}
