//! What a judge may ask beyond the submission and its [`setting`](describe), and what
//! it may tell the judges that are heard after it.

pub use crate::bindings::imports::catena::plugin::judging::{
    Finding, Judgement, Setting, TestOutcome, TestResult, describe, heard, interface, keep, kept,
    report_tests, round, tests,
};
