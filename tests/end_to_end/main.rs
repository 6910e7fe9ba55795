//! End-to-end tests: the `catena` program from outside, on real plugins and real
//! repositories. They look at exit statuses, at what is printed, at files, and
//! at what git says of both.
//!
//! [`environment`] is a home for one test, [`small_run`] and [`demo_run`] are
//! what is run in it, [`model_server`], [`github_server`] and [`http_server`] are what it may
//! ask, [`journal`] reads journals; the other modules are the suites.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says on stderr what guests said"
)]

mod environment;
mod journal;

mod demo_run;
mod github_server;
mod http_server;
mod model_server;
mod small_run;

mod bad_input;
mod carry;
mod chains;
mod data;
mod demo;
mod git_parity;
mod github;
mod https;
mod imports;
mod interruption;
mod judge_llm;
mod judge_tests;
mod judgements;
mod judging;
mod limits;
mod lock;
mod models;
mod native;
mod network;
mod plugins;
mod programs;
mod redteam;
mod replay;
mod rights;
mod runs;
mod scaffolds;
mod schema;
mod workspace;
mod writers;
