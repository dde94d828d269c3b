//! The API does what its OpenAPI document says: asked by schemathesis, which makes up requests from the document, right ones and
//! wrong ones, and compares every answer with it.

use std::path::Path;
use std::process::Command;

use evenkeel_testkit::{Evenkeel, Origin, Setup};
use serde_json::Value;

/// Where `cargo xtask setup` puts it.
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/python/bin/st");

/// What it is not to ask: the first three would end the process that is asked; what a stream says has no end. That they are told of
/// right is for tests of their own (`control.rs`, `handover.rs`).
const EXCLUDED: [&str; 4] = ["drain", "stop", "upgrade", "liveFeed"];

/// So many requests of each kind for each operation are made up; with the fixed ones there are some hundreds in all.
const EXAMPLES: &str = "--max-examples=8";

#[test]
fn every_answer_is_one_that_the_document_tells_of() {
    if !Path::new(PROGRAM).exists() {
        eprintln!(
            "SKIPPED: schemathesis is not installed; `cargo xtask setup` gets it where there is a network"
        );
        return;
    }
    let origin = Origin::saying("here");
    let setup = Setup::to([&origin]).sections("[admin]\nbind = \"127.0.0.1:0\"\n");
    let proxy = Evenkeel::start(&setup);
    // A reload that went well might be on trial for minutes: each of these finds a mistake.
    proxy.write_config("version = 2\n");
    let mut ask = Command::new(PROGRAM);
    ask.arg("run")
        .arg(format!("http://{}/api/v1/openapi.json", proxy.admin()));
    // No seed, and what one run finds the next one might not.
    ask.args(["--seed=1", "--workers=1", "--no-shrink", EXAMPLES]);
    ask.args([
        "--phases=examples,coverage,fuzzing",
        "--suppress-health-check=all",
    ]);
    ask.args(["--checks", CHECKS, "--max-failures=5", "--no-color"]);
    ask.args(["--header", "X-Evenkeel: 1", "--request-timeout=30"]);
    for id in EXCLUDED {
        ask.arg(format!("--exclude-operation-id={id}"));
    }
    ask.current_dir(proxy.folder());
    let output = ask.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    let status: Value = proxy.status();
    assert_eq!(status["state"], "serving");
    assert!(!proxy.log().stderr().contains("panic"));
}

/// What is compared.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
    response_schema_conformance,negative_data_rejection,unsupported_method,allow_header_conformance";
