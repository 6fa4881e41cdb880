//! What a node counts, read from its `/metrics`.

use super::client::{ClientError, Connection};

/// The node's metrics at one moment.
#[derive(Debug)]
pub(crate) struct Metrics(String);

impl Metrics {
    pub(crate) fn scrape(connection: &mut Connection) -> Result<Self, ClientError> {
        connection.fetch("/metrics").map(Self)
    }

    /// The value of a line that begins with `name`, labels included; `None` if there is no such line.
    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.0.lines().find_map(|line| {
            let value = line.strip_prefix(name)?.strip_prefix(' ')?;
            value.trim().parse().ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_whole_name() {
        let text = "# TYPE a counter\na_total 3\na 4\nb{quantile=\"0.5\"} 0.25\n";
        let metrics = Metrics(text.to_owned());
        assert_eq!(metrics.get("a"), Some(4.0));
        assert_eq!(metrics.get("a_total"), Some(3.0));
        assert_eq!(metrics.get("b{quantile=\"0.5\"}"), Some(0.25));
        assert_eq!(metrics.get("b"), None);
    }
}
