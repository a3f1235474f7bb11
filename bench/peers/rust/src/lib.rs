//! What every subject needs, whatever runtime it uses: its arguments, its one line of output, and how much anonymous
//! memory the process has.

use std::process::exit;
use std::time::Duration;

/// The line `VALUE UNIT CHECKSUM` of a subject.
pub struct Outcome {
    pub value: f64,
    pub unit: &'static str,
    pub checksum: u64,
}

/// The usual value: nanoseconds for each of `count` things.
pub fn ns_each((time, checksum): (Duration, u64), count: u64, unit: &'static str) -> Outcome {
    Outcome { value: time.as_nanos() as f64 / count as f64, unit, checksum }
}

pub fn result(i: u64) -> u64 {
    i.wrapping_mul(2654435761).wrapping_add(1)
}

fn number(text: &str, what: &str) -> u64 {
    match text.parse() {
        Ok(number) if number > 0 => number,
        _ => fail(2, &format!("{what} must be a number from 1 up, and not '{text}'")),
    }
}

/// Says in one line why there is no figure, and ends the program.
pub fn fail(code: i32, why: &str) -> ! {
    let program = std::env::args().next().unwrap_or_default();
    eprintln!("{}: {why}", program.rsplit('/').next().unwrap());
    exit(code);
}

/// The three arguments of every subject: WORKLOAD N [WORKERS].
pub fn arguments() -> (String, u64, usize) {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help") {
        println!("usage: PROGRAM WORKLOAD N [WORKERS]\nfor example: tokio-mt spawn_join 100000 2\nsee bench/README.md");
        exit(0);
    }
    if arguments.len() < 2 || arguments.len() > 3 {
        fail(2, "usage: PROGRAM WORKLOAD N [WORKERS]");
    }
    let workers = arguments.get(2).map_or(1, |text| number(text, "WORKERS"));
    (arguments[0].clone(), number(&arguments[1], "N"), workers as usize)
}

/// Does the workload that the command line names, and prints its figure. `run` gives None if it has no such workload.
pub fn run(run: impl FnOnce(&str, u64, usize) -> Option<Outcome>) -> ! {
    let (workload, n, workers) = arguments();
    match run(&workload, n, workers) {
        Some(outcome) => println!("{:.3} {} {}", outcome.value, outcome.unit, outcome.checksum),
        None => fail(3, &format!("no workload '{workload}' here")),
    }
    exit(0);
}

/// Bytes of anonymous memory that this process has.
pub fn anonymous_memory() -> u64 {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").expect("/proc/self/smaps_rollup");
    let line = rollup.lines().find_map(|line| line.strip_prefix("Anonymous:")).expect("a line Anonymous:");
    1024 * line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kB")
}
