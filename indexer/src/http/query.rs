//! Query and path parameters, checked one by one, so that an error names the parameter, what it may be and what it was.

use super::problem::Problem;
use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};

/// Items of a list if the request does not say.
const LIMIT_DEFAULT: u32 = 50;
/// Most items of a list.
const LIMIT_MAX: u32 = 1_000;
/// Every status of a posted batch.
const STATUSES: [&str; 4] = ["submitted", "safe", "finalized", "orphaned"];

/// `?after=&limit=&status=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListQuery {
    /// Only what comes after this number.
    pub(crate) after: i64,
    /// At most this many.
    pub(crate) limit: u32,
    /// Only this status; lists of records have none.
    pub(crate) status: Option<&'static str>,
}

impl<S: Send + Sync> FromRequestParts<S> for ListQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let pairs = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(pairs) = pairs.map_err(|error| Problem::bad_request(format!("query: {error}")))?;
        Self::parse(&pairs)
    }
}

impl ListQuery {
    fn parse(pairs: &[(String, String)]) -> Result<Self, Problem> {
        let (mut after, mut limit, mut status) = (None, None, None);
        for (name, value) in pairs {
            let is_repeated = match name.as_str() {
                "after" => after.replace(number(name, value)?).is_some(),
                "limit" => limit.replace(list_limit(value)?).is_some(),
                "status" => status.replace(one_status(value)?).is_some(),
                _ => {
                    return Err(Problem::bad_request(format!(
                        "unknown parameter {name:?}; there are after, limit and status"
                    )));
                }
            };
            if is_repeated {
                return Err(Problem::bad_request(format!(
                    "parameter {name} is given more than once"
                )));
            }
        }
        Ok(Self {
            after: after.unwrap_or(0),
            limit: limit.unwrap_or(LIMIT_DEFAULT),
            status,
        })
    }
}

/// A block number, record id or batch number in a path or query.
pub(crate) fn number(name: &str, value: &str) -> Result<i64, Problem> {
    // `parse` alone would take a sign.
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = value.parse().ok().filter(|_| digits);
    parsed.ok_or_else(|| {
        Problem::bad_request(format!(
            "{name} is {value:?}, expected a whole number from 0 to {}",
            i64::MAX
        ))
    })
}

fn list_limit(value: &str) -> Result<u32, Problem> {
    let limit = number("limit", value)?;
    u32::try_from(limit)
        .ok()
        .filter(|limit| (1..=LIMIT_MAX).contains(limit))
        .ok_or_else(|| Problem::bad_request(format!("limit is {limit}, expected 1 to {LIMIT_MAX}")))
}

fn one_status(value: &str) -> Result<&'static str, Problem> {
    let known = STATUSES.into_iter().find(|status| *status == value);
    known.ok_or_else(|| {
        Problem::bad_request(format!(
            "status is {value:?}, expected one of {}",
            STATUSES.join(", ")
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<ListQuery, String> {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        ListQuery::parse(&pairs).map_err(|problem| problem.detail().to_owned())
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let expected = ListQuery {
            after: 0,
            limit: LIMIT_DEFAULT,
            status: None,
        };
        assert_eq!(parse(&[]), Ok(expected));
        let expected = ListQuery {
            after: 7,
            limit: 1_000,
            status: Some("safe"),
        };
        assert_eq!(
            parse(&[("after", "7"), ("limit", "1000"), ("status", "safe")]),
            Ok(expected)
        );
    }

    #[test]
    fn a_bad_query_names_the_parameter_and_the_value() {
        let cases = [
            ("after", "x", "after is \"x\", expected a whole number"),
            ("after", "-1", "after is \"-1\""),
            ("after", "+1", "after is \"+1\""),
            ("after", "", "after is \"\""),
            ("after", "9223372036854775808", "after is \"9223372036854775808\""),
            ("limit", "0", "limit is 0, expected 1 to 1000"),
            ("limit", "1001", "limit is 1001, expected 1 to 1000"),
            ("limit", "99999999999", "limit is 99999999999"),
            (
                "status",
                "gone",
                "status is \"gone\", expected one of submitted, safe",
            ),
            ("page", "2", "unknown parameter \"page\""),
        ];
        for (name, value, expected) in cases {
            let detail = parse(&[(name, value)]).unwrap_err();
            assert!(detail.starts_with(expected), "{name}={value}: {detail}");
        }
        assert!(
            parse(&[("limit", "1"), ("limit", "2")])
                .unwrap_err()
                .contains("more than once")
        );
    }
}
