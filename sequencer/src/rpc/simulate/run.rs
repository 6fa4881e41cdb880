//! Runs the calls of simulated blocks, all on one state.

use super::{
    error::{block_is_full, fee_below_base_fee, halted, insufficient_funds, refused, tip_above_fee_cap},
    plan::Planned,
    seal::{Call, seal},
};
use crate::{
    rpc::{
        Rpc,
        block_id::ReadState,
        convert::{self, LogPlace, RpcBlock},
        error::RpcError,
        evm::{Outcome, failed, override_error, revert_reason},
    },
    store::StoredBlock,
};
use alloy::{
    consensus::{Header, Sealed},
    primitives::{Address, B256, Bytes, TxKind, U256},
    rpc::types::{
        BlockOverrides, TransactionInput, TransactionRequest,
        simulate::{SimCallResult, SimulateError, SimulatedBlock},
        state::StateOverride,
    },
};
use alloy_evm::{
    Evm, EvmEnv, EvmFactory, block::SystemCaller, overrides::apply_state_overrides, rpc::TryIntoTxEnv,
};
use alloy_op_evm::{OpEvmFactory, OpTx, OpTxError};
use op_revm::{OpSpecId, OpTransaction};
use revm::{
    Database, DatabaseCommit,
    context::TxEnv,
    context_interface::result::{EVMError, ExecutionResult},
    database::State,
};
use revm_inspectors::transfer::TransferInspector;
use std::sync::Arc;
use tributary_protocol::{
    config::RollupConfig,
    execute::{OpenState, evm_env, next_base_fee},
};

/// What a request wants to know and which rules hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub(super) validation: bool,
    pub(super) trace_transfers: bool,
    pub(super) full_transactions: bool,
}

/// A simulation under way.
pub(super) struct Run {
    config: Arc<RollupConfig>,
    options: Options,
    pub(super) state: OpenState<ReadState>,
    /// The state the simulation started from, for its root.
    pub(super) start: ReadState,
    /// The block that is.
    pub(super) base: Arc<StoredBlock>,
    parent: Sealed<Header>,
    gas_left: u64,
    /// Storage was replaced as a whole, so the root of the state cannot be told from what changed.
    pub(super) has_replaced_storage: bool,
}

impl Run {
    pub(super) fn new(rpc: &Rpc, base: Arc<StoredBlock>, start: ReadState, options: Options) -> Self {
        let mut state = State::builder().with_database_ref(start.clone()).build();
        state.block_hashes.insert(base.block.header.number, base.hash);
        Self {
            config: rpc.chain().config().clone(),
            options,
            state,
            start,
            parent: Sealed::new_unchecked(base.block.header.clone(), base.hash),
            base,
            gas_left: rpc.settings().call_gas_max,
            has_replaced_storage: false,
        }
    }

    /// Runs one block and seals it.
    pub(super) fn block(&mut self, planned: Planned) -> Result<SimulatedBlock<RpcBlock>, RpcError> {
        let overrides = planned.wanted.block_overrides.clone().unwrap_or_default();
        let header = self.header(&planned, &overrides)?;
        let mut env = evm_env(&self.config, &header);
        self.lenience(&mut env);
        if let Some(hashes) = overrides.block_hash {
            for (number, hash) in hashes {
                self.state.block_hashes.insert(number, hash);
            }
        }
        let moves = self.override_state(planned.wanted.state_overrides)?;
        self.system_calls(&header, &env)?;
        let mut calls = Vec::new();
        let mut gas_used = 0;
        for request in planned.wanted.calls {
            let call = self.call(request, &header, &env, &moves, gas_used)?;
            gas_used += call.outcome.result.tx_gas_used();
            calls.push(call);
        }
        let stored = seal(self, header, &calls)?;
        self.parent = Sealed::new_unchecked(stored.block.header.clone(), stored.hash);
        self.state
            .block_hashes
            .insert(stored.block.header.number, stored.hash);
        Ok(SimulatedBlock {
            inner: convert::block(&stored, self.options.full_transactions),
            calls: results(&stored, calls),
        })
    }

    /// The header before anything runs.
    fn header(&self, planned: &Planned, overrides: &BlockOverrides) -> Result<Header, RpcError> {
        let parent = &self.parent;
        let base_fee = match overrides.base_fee {
            Some(fee) => fee.saturating_to(),
            None if self.options.validation => {
                next_base_fee(&self.config, parent).map_err(RpcError::internal)?
            }
            // Calls that name no price must not meet one.
            None => 0,
        };
        Ok(Header {
            parent_hash: parent.hash(),
            beneficiary: overrides.coinbase.unwrap_or(parent.beneficiary),
            number: planned.number,
            gas_limit: overrides.gas_limit.unwrap_or(parent.gas_limit),
            timestamp: planned.time,
            extra_data: parent.extra_data.clone(),
            mix_hash: overrides.random.unwrap_or_default(),
            base_fee_per_gas: Some(base_fee),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(overrides.beacon_root.unwrap_or_default()),
            requests_hash: parent.requests_hash,
            ..Header::default()
        })
    }

    const fn lenience(&self, env: &mut EvmEnv<OpSpecId>) {
        // Gas is counted here, since it is an error of its own; and whoever simulates may speak for a contract.
        env.cfg_env.disable_block_gas_limit = true;
        env.cfg_env.disable_eip3607 = true;
        env.cfg_env.disable_nonce_check = !self.options.validation;
    }

    /// Applies the overrides; the precompiles that are to be elsewhere are returned.
    fn override_state(
        &mut self,
        overrides: Option<StateOverride>,
    ) -> Result<Vec<(Address, Address)>, RpcError> {
        let overrides = overrides.unwrap_or_default();
        self.has_replaced_storage |= overrides.values().any(|account| account.state.is_some());
        let moves = overrides
            .iter()
            .filter_map(|(address, account)| Some((*address, account.move_precompile_to?)))
            .collect();
        apply_state_overrides(overrides, &mut self.state).map_err(override_error)?;
        Ok(moves)
    }

    /// What happens in a block before its first transaction: EIP-2935 and EIP-4788.
    fn system_calls(&mut self, header: &Header, env: &EvmEnv<OpSpecId>) -> Result<(), RpcError> {
        let mut evm = OpEvmFactory::<OpTx>::default().create_evm(&mut self.state, env.clone());
        let mut caller = SystemCaller::new(self.config.clone());
        caller
            .apply_blockhashes_contract_call(header.parent_hash, &mut evm)
            .map_err(RpcError::internal)?;
        caller
            .apply_beacon_root_contract_call(header.parent_beacon_block_root, &mut evm)
            .map_err(RpcError::internal)
    }

    fn call(
        &mut self,
        request: TransactionRequest,
        header: &Header,
        env: &EvmEnv<OpSpecId>,
        moves: &[(Address, Address)],
        gas_used: u64,
    ) -> Result<Call, RpcError> {
        let request = self.complete(request, header, gas_used)?;
        let transaction: TxEnv = request
            .clone()
            .try_into_tx_env(env)
            .map_err(|error| RpcError::server(error.to_string()))?;
        let mut env = env.clone();
        if !self.options.validation && transaction.gas_price == 0 {
            env.cfg_env.disable_base_fee = true;
            env.cfg_env.disable_fee_charge = true;
            // Without the charge revm does not look at the balance; the value must be there all the same.
            let balance = self.balance(transaction.caller)?;
            if transaction.value > balance {
                return Err(insufficient_funds(balance, transaction.value));
            }
        }
        let outcome = self.run(transaction, env, moves)?;
        self.gas_left = self.gas_left.saturating_sub(outcome.result.tx_gas_used());
        self.state.commit(outcome.state.clone());
        Ok(Call { request, outcome })
    }

    /// The call with everything a transaction has.
    fn complete(
        &mut self,
        mut request: TransactionRequest,
        header: &Header,
        gas_used: u64,
    ) -> Result<TransactionRequest, RpcError> {
        if request.blob_versioned_hashes.is_some() || request.sidecar.is_some() {
            return Err(RpcError::server(
                "transaction type not supported: there are no blobs on this chain",
            ));
        }
        let base_fee = header.base_fee_per_gas.unwrap_or_default();
        let from = *request.from.get_or_insert_default();
        if request.nonce.is_none() {
            let account = self.state.basic(from).map_err(failed)?;
            request.nonce = Some(account.map_or(0, |account| account.nonce));
        }
        let gas = request.gas.unwrap_or(header.gas_limit.saturating_sub(gas_used));
        let wanted = gas_used.saturating_add(gas);
        if wanted > header.gas_limit {
            return Err(block_is_full(wanted, header.gas_limit));
        }
        request.gas = Some(gas.min(self.gas_left));
        request.chain_id.get_or_insert(self.config.l2_chain_id);
        request.to.get_or_insert(TxKind::Create);
        request.value.get_or_insert_default();
        let data = request.input.input().cloned().unwrap_or_default();
        request.input = TransactionInput::new(data);
        if let Some(price) = request.gas_price {
            self.check_fee(price, price, base_fee)?;
        } else {
            let fee = *request.max_fee_per_gas.get_or_insert_default();
            let tip = *request.max_priority_fee_per_gas.get_or_insert_default();
            self.check_fee(fee, tip, base_fee)?;
        }
        Ok(request)
    }

    fn check_fee(&self, fee: u128, tip: u128, base_fee: u64) -> Result<(), RpcError> {
        if tip > fee {
            return Err(tip_above_fee_cap(tip, fee));
        }
        let is_free = !self.options.validation && fee == 0;
        if !is_free && fee < base_fee.into() {
            return Err(fee_below_base_fee(fee, base_fee));
        }
        Ok(())
    }

    fn balance(&mut self, address: Address) -> Result<U256, RpcError> {
        let account = self.state.basic(address).map_err(failed)?;
        Ok(account.map_or(U256::ZERO, |account| account.balance))
    }

    fn run(
        &mut self,
        transaction: TxEnv,
        env: EvmEnv<OpSpecId>,
        moves: &[(Address, Address)],
    ) -> Result<Outcome, RpcError> {
        let inspector = TransferInspector::new(false).with_logs(true);
        let factory = OpEvmFactory::<OpTx>::default();
        let mut evm = factory.create_evm_with_inspector(&mut self.state, env, inspector);
        evm.set_inspector_enabled(self.options.trace_transfers);
        let (_, _, precompiles) = evm.components_mut();
        precompiles
            .move_precompiles(moves.iter().copied())
            .map_err(|error| RpcError::server(error.to_string()))?;
        let transaction = OpTx(OpTransaction {
            base: transaction,
            // Nothing is posted to L1, so nothing is paid for that.
            enveloped_tx: Some(Bytes::new()),
            deposit: Default::default(),
        });
        evm.transact_raw(transaction).map_err(|error| match error {
            EVMError::Transaction(OpTxError(error)) => refused(&error),
            EVMError::Database(error) => failed(error),
            other => RpcError::internal(other),
        })
    }
}

/// What each call came to, its logs placed in the sealed block.
fn results(block: &StoredBlock, calls: Vec<Call>) -> Vec<SimCallResult> {
    let mut log_index = 0;
    let mut results = Vec::with_capacity(calls.len());
    for (index, (call, transaction)) in calls.into_iter().zip(&block.block.body.transactions).enumerate() {
        let place = LogPlace {
            number: block.block.header.number,
            timestamp: block.block.header.timestamp,
            block_hash: block.hash,
            hash: transaction.tx_hash(),
            index: index as u64,
        };
        results.push(result(call.outcome.result, place, &mut log_index));
    }
    results
}

fn result(
    result: ExecutionResult<op_revm::OpHaltReason>,
    place: LogPlace,
    log_index: &mut u64,
) -> SimCallResult {
    let logs = result.logs().iter().cloned().map(|log| {
        *log_index += 1;
        place.log(log, *log_index - 1)
    });
    let logs = if result.is_success() {
        logs.collect()
    } else {
        Vec::new()
    };
    let (gas_used, max_used_gas) = (result.tx_gas_used(), result.gas().total_gas_spent());
    let status = result.is_success();
    let (return_data, error) = match result {
        ExecutionResult::Success { output, .. } => (output.into_data(), None),
        ExecutionResult::Revert { output, .. } => {
            let reason = revert_reason(&output).map_or_else(String::new, |reason| format!(": {reason}"));
            let error = SimulateError {
                code: SimulateError::EXECUTION_REVERTED_CODE,
                message: format!("execution reverted{reason}"),
                data: Some(output.clone()),
            };
            (output, Some(error))
        }
        ExecutionResult::Halt { reason, .. } => {
            let error = SimulateError {
                code: SimulateError::VM_EXECUTION_ERROR_CODE,
                message: halted(&reason),
                data: None,
            };
            (Bytes::new(), Some(error))
        }
    };
    SimCallResult {
        return_data,
        logs,
        gas_used,
        max_used_gas: Some(max_used_gas.max(gas_used)),
        status,
        error,
    }
}

/// The root of a state that cannot be told.
pub(super) const UNKNOWN_ROOT: B256 = B256::ZERO;
