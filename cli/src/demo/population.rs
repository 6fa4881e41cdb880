//! Who takes part in a demo, and who stands behind each inference.
//!
//! The population is pinned so that sizes and gas can be compared between runs and versions: 64 models, 256 adapters, 1,000 payers,
//! 10,000 contributions; all drawn with Zipf's law at s = 1; weights carry at least 8 random bits.

use super::trace::Inference;
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Base models.
pub(crate) const MODELS: u32 = 64;
/// Adapters; adapter `i` belongs to model `i % MODELS`.
pub(crate) const ADAPTERS: u32 = 256;
/// Accounts that pay for inferences.
pub(crate) const PAYERS: u32 = 1_000;
/// Contributions that earn shares.
pub(crate) const CONTRIBUTIONS: u32 = 10_000;
/// Most contributions one inference credits.
pub(crate) const SHARES_MAX: u32 = 5;

/// One inference with who stood behind it; participants are counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AttributedInference {
    pub(crate) payer: u32,
    pub(crate) adapter: u32,
    pub(crate) tokens: Inference,
    /// Distinct contributions with their weights (1..=65,535), ascending.
    pub(crate) shares: Vec<(u32, u16)>,
}

/// Draws participants for `inferences`; `shares` fixes how many contributions each credits, otherwise 1 to 5.
pub(crate) fn attribute(
    seed: u64,
    inferences: &[Inference],
    shares: Option<u32>,
) -> Vec<AttributedInference> {
    // Another stream than the trace generator's, so that the same seed does not couple the two.
    let mut random = StdRng::seed_from_u64(seed ^ 0x706f_7075_6c61_7465);
    let (payers, adapters, contributions) =
        (Zipf::new(PAYERS), Zipf::new(ADAPTERS), Zipf::new(CONTRIBUTIONS));
    let attribute_one = |tokens: &Inference| {
        let count = shares.unwrap_or_else(|| random.random_range(1..=SHARES_MAX));
        let mut drawn = Vec::new();
        while drawn.len() < count as usize {
            let contribution = contributions.draw(&mut random);
            if !drawn.iter().any(|(earlier, _)| *earlier == contribution) {
                drawn.push((contribution, random.random_range(1..=u16::MAX)));
            }
        }
        drawn.sort_unstable();
        AttributedInference {
            payer: payers.draw(&mut random),
            adapter: adapters.draw(&mut random),
            tokens: *tokens,
            shares: drawn,
        }
    };
    inferences.iter().map(attribute_one).collect()
}

/// Zipf's law with s = 1 over `0..n`: item `i` is drawn with weight `1 / (i + 1)`.
struct Zipf {
    cumulative: Vec<f64>,
}

impl Zipf {
    fn new(n: u32) -> Self {
        let mut sum = 0.0;
        let weigh = |rank: u32| {
            sum += 1.0 / f64::from(rank);
            sum
        };
        Self {
            cumulative: (1..=n).map(weigh).collect(),
        }
    }

    fn draw(&self, random: &mut StdRng) -> u32 {
        let total = self.cumulative.last().copied().unwrap_or_default();
        let point = random.random::<f64>() * total;
        let index = self
            .cumulative
            .partition_point(|sum| *sum <= point)
            .min(self.cumulative.len() - 1);
        u32::try_from(index).expect("built from a u32 count")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::trace::generated;

    #[test]
    fn shares_are_distinct_in_range_and_as_many_as_asked() {
        for fixed in [None, Some(1), Some(5)] {
            for row in attribute(3, &generated(3, 2_000), fixed) {
                assert!(row.payer < PAYERS && row.adapter < ADAPTERS);
                assert!(row.shares.windows(2).all(|pair| pair[0].0 < pair[1].0));
                assert!(
                    row.shares
                        .iter()
                        .all(|(index, weight)| *index < CONTRIBUTIONS && *weight > 0)
                );
                match fixed {
                    Some(count) => assert_eq!(row.shares.len(), count as usize),
                    None => assert!((1..=5).contains(&row.shares.len())),
                }
            }
        }
    }

    #[test]
    fn the_first_item_is_drawn_about_twice_as_often_as_the_second() {
        let zipf = Zipf::new(100);
        let mut random = StdRng::seed_from_u64(1);
        let mut counts = [0_u32; 100];
        (0..100_000).for_each(|_| counts[zipf.draw(&mut random) as usize] += 1);
        let ratio = f64::from(counts[0]) / f64::from(counts[1]);
        assert!((1.9..2.1).contains(&ratio), "{ratio}");
    }
}
