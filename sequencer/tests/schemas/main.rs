//! Every method served, called on a real node with real traffic, and its answer checked against a schema.
//!
//! ```text
//!  methods::METHODS (what is served) --> calls.rs (one or more calls of each) --> node over HTTP --> rules.rs (schemas, amendments)
//! ```
//! The schemas are the Execution APIs' where they have one, and `testdata/rpc-schemas.json` where not. A method without a call here or
//! without a schema fails the test.
#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

mod calls;
#[path = "../support/chain.rs"]
mod chain;
mod node;
mod rules;
#[path = "../support/story.rs"]
mod story;
mod tracing;
#[path = "../support/whole_node.rs"]
mod whole_node;

use node::RunningNode;
use rules::Rules;
use std::collections::{BTreeMap, BTreeSet};
use tributary_sequencer::rpc::method_names;

#[test]
fn every_method_served_answers_as_its_schema_says() {
    let Some(rules) = Rules::load("every_method_served_answers_as_its_schema_says") else {
        return;
    };
    node::story(async {
        let node = RunningNode::start().await;
        let facts = node.traffic().await;
        let mut calls: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for call in calls::calls(&facts) {
            calls.entry(call.method).or_default().push(call);
        }
        let (mut served, mut valid, mut wrong) = (0, 0, Vec::new());
        for method in method_names() {
            served += 1;
            let before = wrong.len();
            let calls = calls.remove(method).unwrap_or_default();
            if calls.is_empty() {
                wrong.push(format!("{method}: no call in tests/schemas/calls.rs"));
            }
            for call in calls {
                let answer = node.answer(&call).await;
                if let Err(error) = rules.check(&call, &answer) {
                    wrong.push(format!("{method} {}: {error}", call.params));
                }
            }
            valid += usize::from(wrong.len() == before);
        }
        assert!(calls.is_empty(), "called and not served: {:?}", calls.keys());
        println!("served {served}, valid {valid}");
        assert!(
            wrong.is_empty(),
            "served {served}, valid {valid}:\n{}",
            wrong.join("\n")
        );
        node.stop().await;
    });
}

/// What the amendments let through is what they say, and no more.
#[test]
fn a_field_of_our_own_would_be_found() {
    let Some(rules) = Rules::load("a_field_of_our_own_would_be_found") else {
        return;
    };
    node::story(async {
        let node = RunningNode::start().await;
        let facts = node.traffic().await;
        let strict: BTreeSet<&str> = [
            "eth_getTransactionByHash",
            "eth_getTransactionReceipt",
            "eth_getBlockByNumber",
            "eth_getBlockByHash",
            "eth_getProof",
            "optimism_syncStatus",
        ]
        .into();
        for call in calls::calls(&facts)
            .iter()
            .filter(|call| strict.contains(call.method))
        {
            let mut answer = node.answer(call).await;
            if answer.is_object() {
                rules.check(call, &answer).unwrap();
                answer["attribution"] = "0x1".into();
                assert!(
                    rules.check(call, &answer).is_err(),
                    "{} {}",
                    call.method,
                    call.params
                );
            }
        }
        node.stop().await;
    });
}
