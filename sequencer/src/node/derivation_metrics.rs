//! What derivation knows, as metrics.

use tributary_derivation::driver::DerivationStatus;

/// Shows the status of the moment. The counts in it are of this process, so they only grow while it lives.
pub(super) fn show(status: &DerivationStatus) {
    metrics::counter!("derivation_contradicting_games_total").absolute(status.contradicting_games);
    metrics::counter!("derivation_resets_total").absolute(status.resets);
    for (reason, count) in status.discards.iter().filter(|(_, count)| *count > 0) {
        metrics::counter!("derivation_discards_total", "reason" => reason.label()).absolute(count);
    }
    let attempts = status.stall.as_ref().map_or(0, |stall| stall.attempts);
    metrics::gauge!("derivation_stall_attempts").set(f64::from(attempts));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contradicting_games_are_shown_to_prometheus_from_the_start() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let metrics = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            let mut status = DerivationStatus::default();
            show(&status);
            assert!(
                metrics
                    .render()
                    .contains("derivation_contradicting_games_total 0")
            );
            status.contradicting_games = 2;
            status.resets = 1;
            show(&status);
        });
        let text = metrics.render();
        for line in [
            "derivation_contradicting_games_total 2",
            "derivation_resets_total 1",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}
