//! The schemas, and the one table of where they are amended.

use crate::calls::Call;
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::Path};

/// Where the Execution APIs' compiled schemas are looked for, beside the workspace; `TRIBUTARY_RPC_SCHEMAS` names another place.
const EXECUTION_APIS: &str = "../../shared/data/execution-apis-schemas.json";

/// Schemas of what the Execution APIs do not have.
const OWN: [&str; 2] = ["testdata/rpc-schemas.json", "testdata/trace-schemas.json"];

/// Where a schema is not used as it is published.
struct Amendment {
    /// JSON pointer into the schemas; created if it is not there.
    at: &'static str,
    to: fn() -> Value,
    reason: &'static str,
}

/// OP's shape of a transaction that L1 forced in.
fn deposit_transaction() -> Value {
    json!({
        "type": "object",
        "required": ["type", "hash", "from", "to", "value", "gas", "gasPrice", "nonce", "input", "sourceHash", "mint", "v", "r", "s"],
        "properties": {
            "type": {"const": "0x7e"},
            "sourceHash": {"$ref": "#/components/schemas/hash32"},
            "mint": {"$ref": "#/components/schemas/uint"},
            "isSystemTx": {"type": "boolean"},
            "depositReceiptVersion": {"$ref": "#/components/schemas/uint"},
            "nonce": {"$ref": "#/components/schemas/uint"},
            "gas": {"$ref": "#/components/schemas/uint"},
            "gasPrice": {"const": "0x0"},
            "value": {"$ref": "#/components/schemas/uint"},
            "input": {"$ref": "#/components/schemas/bytes"},
            "to": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/address"}]},
            "v": {"const": "0x0"}, "yParity": {"const": "0x0"}, "r": {"const": "0x0"}, "s": {"const": "0x0"}
        }
    })
}

fn op_receipt_field() -> Value {
    json!({"$ref": "#/components/schemas/uint"})
}

fn closed() -> Value {
    json!(false)
}

const RECEIPT: &str = "OP receipts say what was paid for L1 and under which parameters (op-geth's fields)";
const DEPOSIT_RECEIPT: &str = "OP receipts of deposits say which nonce the sender had (op-geth's fields)";
const STRICT: &str = "stricter than published: no field of our own may slip in";

const AMENDMENTS: &[Amendment] = &[
    Amendment {
        at: "/components/schemas/TransactionSigned/oneOf/-",
        to: deposit_transaction,
        reason: "deposits have OP's type 0x7e, the one documented addition to transactions",
    },
    Amendment {
        at: "/components/schemas/ReceiptInfo/properties/l1Fee",
        to: op_receipt_field,
        reason: RECEIPT,
    },
    Amendment {
        at: "/components/schemas/ReceiptInfo/properties/l1GasPrice",
        to: op_receipt_field,
        reason: RECEIPT,
    },
    Amendment {
        at: "/components/schemas/ReceiptInfo/properties/l1GasUsed",
        to: op_receipt_field,
        reason: RECEIPT,
    },
    Amendment {
        at: "/components/schemas/ReceiptInfo/properties/l1BaseFeeScalar",
        to: op_receipt_field,
        reason: RECEIPT,
    },
    Amendment {
        at: "/components/schemas/ReceiptInfo/properties/l1BlobBaseFee",
        to: op_receipt_field,
        reason: RECEIPT,
    },
    Amendment {
        at: "/components/schemas/ReceiptInfo/properties/l1BlobBaseFeeScalar",
        to: op_receipt_field,
        reason: RECEIPT,
    },
    Amendment {
        at: "/components/schemas/ReceiptInfo/properties/operatorFeeScalar",
        to: op_receipt_field,
        reason: RECEIPT,
    },
    Amendment {
        at: "/components/schemas/ReceiptInfo/properties/operatorFeeConstant",
        to: op_receipt_field,
        reason: RECEIPT,
    },
    Amendment {
        at: "/components/schemas/ReceiptInfo/properties/daFootprintGasScalar",
        to: op_receipt_field,
        reason: RECEIPT,
    },
    Amendment {
        at: "/components/schemas/ReceiptInfo/properties/depositNonce",
        to: op_receipt_field,
        reason: DEPOSIT_RECEIPT,
    },
    Amendment {
        at: "/components/schemas/ReceiptInfo/properties/depositReceiptVersion",
        to: op_receipt_field,
        reason: DEPOSIT_RECEIPT,
    },
    Amendment {
        at: "/components/schemas/FilterResults",
        to: || {
            json!({"anyOf": [
                {"type": "array", "items": {"$ref": "#/components/schemas/hash32"}},
                {"type": "array", "items": {"$ref": "#/components/schemas/Log"}}
            ]})
        },
        reason: "published as oneOf, which the empty list fails by being both",
    },
    Amendment {
        at: "/components/schemas/TransactionInfo/unevaluatedProperties",
        to: closed,
        reason: STRICT,
    },
    Amendment {
        at: "/components/schemas/PendingTransactionInfo/unevaluatedProperties",
        to: closed,
        reason: STRICT,
    },
    Amendment {
        at: "/components/schemas/Block/properties/calls",
        to: || json!({"$ref": "#/components/schemas/CallResults"}),
        reason: "a simulated block is published as a block and its calls, which the closed block below would refuse",
    },
    Amendment {
        at: "/components/schemas/Block/additionalProperties",
        to: closed,
        reason: STRICT,
    },
];

/// The schemas of all methods.
pub(crate) struct Rules {
    /// `components` and nothing else.
    components: Value,
    results: BTreeMap<String, Value>,
}

impl Rules {
    /// Loads both files. `None`, said by name, where the Execution APIs' is not at hand.
    pub(crate) fn load(test: &str) -> Option<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let path =
            std::env::var_os("TRIBUTARY_RPC_SCHEMAS").map_or_else(|| here.join(EXECUTION_APIS), Into::into);
        let Ok(text) = std::fs::read_to_string(&path) else {
            eprintln!(
                "skipped: {test} needs the Execution APIs' schemas at {} (or TRIBUTARY_RPC_SCHEMAS)",
                path.display()
            );
            return None;
        };
        let mut schemas: Value = serde_json::from_str(&text).unwrap();
        for amendment in AMENDMENTS {
            assert!(!amendment.reason.is_empty());
            put(&mut schemas, amendment.at, (amendment.to)());
        }
        let own = OWN.map(|name| -> Value {
            let text = std::fs::read_to_string(here.join(name)).unwrap();
            serde_json::from_str(&text).unwrap()
        });
        let mut results = BTreeMap::new();
        for (name, method) in own.iter().flat_map(|own| own["methods"].as_object().unwrap()) {
            results.insert(name.clone(), method["result"].clone());
        }
        for (name, method) in schemas["methods"].as_object().unwrap() {
            let ours = results.insert(name.clone(), method["result"].clone());
            assert!(
                ours.is_none(),
                "{name} has a schema at the Execution APIs: drop ours"
            );
        }
        let mut components = schemas["components"].take();
        let own = own
            .iter()
            .flat_map(|own| own["components"]["schemas"].as_object().unwrap());
        for (name, schema) in own {
            components["schemas"][name] = schema.clone();
        }
        Some(Self { components, results })
    }

    /// Whether the answer is what the schema says, and if not, where.
    pub(crate) fn check(&self, call: &Call, answer: &Value) -> Result<(), String> {
        let result = match call.schema {
            Some(name) => json!({"$ref": format!("#/components/schemas/{name}")}),
            None => self
                .results
                .get(call.method)
                .cloned()
                .ok_or("no schema: add one to testdata/rpc-schemas.json")?,
        };
        let result = found(result, answer);
        let document = json!({
            "$schema": "https://json-schema.org/draft/2019-09/schema",
            "components": self.components,
            "allOf": [result]
        });
        let validator = jsonschema::validator_for(&document).map_err(|error| error.to_string())?;
        let errors: Vec<String> = validator
            .iter_errors(answer)
            .map(|error| format!("at {}: {:.300}", error.instance_path(), error.to_string()))
            .collect();
        if errors.is_empty() {
            return Ok(());
        }
        Err(format!(
            "{}\n  the answer was {:.900}",
            errors.join("; "),
            answer.to_string()
        ))
    }
}

/// What is either nothing or something is checked as what it is, so that an error says more than "neither".
fn found(schema: Value, answer: &Value) -> Value {
    let is_nothing =
        |schema: &Value| schema["type"] == "null" || schema["$ref"] == "#/components/schemas/notFound";
    match schema["oneOf"].as_array().map(Vec::as_slice) {
        Some([first, second]) if is_nothing(first) && !answer.is_null() => second.clone(),
        _ => schema,
    }
}

/// Puts a value at a JSON pointer whose parent exists; `-` appends to a list.
fn put(document: &mut Value, at: &str, value: Value) {
    let (parent, key) = at.rsplit_once('/').unwrap();
    let parent = document
        .pointer_mut(parent)
        .unwrap_or_else(|| panic!("no {parent} in the schemas"));
    match parent {
        Value::Array(list) if key == "-" => list.push(value),
        Value::Object(map) => {
            map.insert(key.to_owned(), value);
        }
        other => panic!("{at} is inside {other}"),
    }
}
