//! What the trace must have cost and paid, computed without the chain: the demo's independent model.

use super::{
    population::AttributedInference,
    setup::{account, terms},
};
use alloy::primitives::{Address, U256};
use std::collections::BTreeMap;
use tributary_protocol::attribution::{Carry, Row, Share};

/// Totals of a trace, wei.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) fees: U256,
    pub(crate) shares: U256,
    pub(crate) carry: Carry,
    /// What each account has earned as platform, gateway, or owner of a model or an adapter.
    pub(crate) earned: BTreeMap<Address, U256>,
    /// What each contribution (counted from 0) has earned.
    pub(crate) contributed: BTreeMap<u32, U256>,
    /// What each payer (counted from 0) has spent.
    pub(crate) spent: BTreeMap<u32, U256>,
}

/// The row a gateway posts for an inference; on chain, participants count from 1.
pub(crate) fn row(inference: &AttributedInference) -> Row {
    Row {
        payer: inference.payer + 1,
        adapter: inference.adapter + 1,
        tokens_in: inference.tokens.tokens_in,
        tokens_out: inference.tokens.tokens_out,
        shares: inference
            .shares
            .iter()
            .map(|(contribution, weight)| Share {
                contribution: contribution + 1,
                weight: *weight,
            })
            .collect(),
    }
}

impl Model {
    /// The totals of `inferences`, recorded in this order; the platform's part goes to `platform`.
    pub(crate) fn of(inferences: &[AttributedInference], platform: Address) -> Self {
        let mut model = Self::default();
        inferences
            .iter()
            .for_each(|inference| model.record(inference, platform));
        model
    }

    fn record(&mut self, inference: &AttributedInference, platform: Address) {
        let terms = terms(inference.adapter);
        let fee = terms
            .rates
            .fee(inference.tokens.tokens_in, inference.tokens.tokens_out);
        let split = self
            .carry
            .divide(terms.policy_index, &terms.policy, &terms.rates, &row(inference));
        self.fees += fee;
        self.shares += split.given();
        *self.spent.entry(inference.payer).or_default() += fee;
        let pools = [
            (platform, split.platform),
            (account("gateway", 0), split.gateway),
            (terms.model_owner, split.model),
            (terms.adapter_owner, split.adapter),
        ];
        for (payee, amount) in pools {
            *self.earned.entry(payee).or_default() += amount;
        }
        for ((contribution, _), amount) in inference.shares.iter().zip(split.contributors) {
            *self.contributed.entry(*contribution).or_default() += amount;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::{population::attribute, trace::generated};

    #[test]
    fn every_wei_of_a_trace_is_either_given_or_carried() {
        let model = Model::of(&attribute(5, &generated(5, 3_000), None), Address::ZERO);
        let all = model.earned.values().chain(model.contributed.values());
        let earned = all.fold(U256::ZERO, |sum, amount| sum + amount);
        let spent = model.spent.values().fold(U256::ZERO, |sum, amount| sum + amount);
        assert_eq!(model.fees, model.shares + model.carry.total());
        assert_eq!(earned, model.shares);
        assert_eq!(spent, model.fees);
        assert!(model.carry.total() > U256::ZERO);
    }
}
