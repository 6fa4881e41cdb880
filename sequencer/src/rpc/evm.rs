//! Running a call that changes nothing: `eth_call`, `eth_estimateGas`, `eth_createAccessList`.
//!
//! A call pays no L1 and no operator fee, needs no nonce and may come from a contract; with a gas price it must be able to pay for its
//! gas, without one gas is free. Everything else is what a transaction would meet.

use super::{Rpc, block_id::ReadState, bounds::Bounds, error::RpcError};
use crate::store::StoreError;
use alloy::{
    consensus::Header,
    eips::BlockId,
    primitives::{Address, B256, Bytes, U256},
    rpc::types::{BlockOverrides, TransactionRequest, state::StateOverride},
    sol_types::{Panic, Revert, SolError},
};
use alloy_evm::{
    Evm, EvmEnv, EvmFactory,
    overrides::{StateOverrideError, apply_block_overrides, apply_state_overrides},
    rpc::TryIntoTxEnv,
};
use alloy_op_evm::{OpEvmContext, OpEvmFactory, OpTx, OpTxError};
use op_revm::{OpHaltReason, OpSpecId, OpTransaction, OpTransactionError};
use revm::{
    Database, DatabaseCommit,
    context::{BlockEnv, TxEnv},
    context_interface::result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction, ResultAndState},
    database::State,
    database_interface::bal::EvmDatabaseError,
    inspector::Inspector,
};
use tributary_protocol::execute::{OpenState, evm_env};

/// What a run did.
pub(super) type Outcome = ResultAndState<OpHaltReason>;

/// A state to run calls on. Each run starts from the same state.
pub(super) struct Simulation {
    env: EvmEnv<OpSpecId>,
    state: OpenState<ReadState>,
    /// What calls may take; none where an inspector of the caller's counts.
    bounds: Option<Bounds>,
}

/// How revm's state says that a read failed.
pub(super) type Failed = EvmDatabaseError<StoreError>;

pub(super) fn failed(error: Failed) -> RpcError {
    match error {
        EvmDatabaseError::Database(error) => error.into(),
        EvmDatabaseError::Bal(error) => RpcError::internal(error),
    }
}

/// Why a run did not happen.
#[derive(Debug)]
pub(super) enum Refused {
    /// The gas limit is below what the call costs before it runs.
    TooLittleGas,
    /// Anything else.
    Other(RpcError),
}

impl From<Refused> for RpcError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::TooLittleGas => Self::server("intrinsic gas too low"),
            Refused::Other(error) => error,
        }
    }
}

impl Simulation {
    /// The state `id` names (latest if none), changed as the caller wishes.
    pub(super) fn new(
        rpc: &Rpc,
        id: Option<BlockId>,
        state_overrides: Option<StateOverride>,
        block_overrides: Option<BlockOverrides>,
    ) -> Result<Self, RpcError> {
        let (state, env) = rpc.state_and_env(id)?;
        let mut simulation = Self::lenient(env, State::builder().with_database_ref(state).build());
        let settings = rpc.settings();
        simulation.bounds = Some(match rpc.on_the_spot {
            true => Bounds::brief(settings.call_timeout, settings.call_memory_bytes_max),
            false => Bounds::new(settings.call_timeout, settings.call_memory_bytes_max),
        });
        simulation.apply(state_overrides, block_overrides)?;
        Ok(simulation)
    }

    /// A state within the block with this header.
    pub(super) fn on(rpc: &Rpc, header: &Header, state: OpenState<ReadState>) -> Self {
        Self::lenient(evm_env(rpc.chain().config(), header), state)
    }

    const fn lenient(mut env: EvmEnv<OpSpecId>, state: OpenState<ReadState>) -> Self {
        env.cfg_env.disable_block_gas_limit = true;
        env.cfg_env.disable_eip3607 = true;
        env.cfg_env.disable_nonce_check = true;
        Self {
            env,
            state,
            bounds: None,
        }
    }

    /// Changes what the calls run in.
    pub(super) fn apply(
        &mut self,
        state_overrides: Option<StateOverride>,
        block_overrides: Option<BlockOverrides>,
    ) -> Result<(), RpcError> {
        if let Some(overrides) = block_overrides {
            apply_block_overrides(overrides, &mut self.state, &mut self.env.block_env);
        }
        if let Some(overrides) = state_overrides {
            apply_state_overrides(overrides, &mut self.state).map_err(override_error)?;
        }
        Ok(())
    }

    /// What the calls are told about the block.
    pub(super) const fn block_env(&self) -> &BlockEnv {
        &self.env.block_env
    }

    /// The state calls start from.
    pub(super) const fn state(&mut self) -> &mut OpenState<ReadState> {
        &mut self.state
    }

    /// Lets the next call start from where this run ended.
    pub(super) fn commit(&mut self, outcome: Outcome) {
        self.state.commit(outcome.state);
    }

    /// Gas limit of the block the calls run in.
    pub(super) const fn block_gas_limit(&self) -> u64 {
        self.env.block_env.gas_limit
    }

    /// The call as the EVM takes it, with at most `gas_max` gas.
    pub(super) fn transaction(&self, request: TransactionRequest, gas_max: u64) -> Result<TxEnv, RpcError> {
        if request.blob_versioned_hashes.is_some() || request.sidecar.is_some() {
            return Err(RpcError::server(
                "transaction type not supported: there are no blobs on this chain",
            ));
        }
        let gas = request.gas.unwrap_or(gas_max).min(gas_max);
        let request = TransactionRequest {
            gas: Some(gas),
            ..request
        };
        request
            .try_into_tx_env(&self.env)
            .map_err(|error| RpcError::server(error.to_string()))
    }

    /// The account as the calls see it: balance in wei and whether it has code.
    pub(super) fn balance(&mut self, address: Address) -> Result<U256, RpcError> {
        Ok(self
            .state
            .basic(address)
            .map_err(failed)?
            .map_or(U256::ZERO, |account| account.balance))
    }

    /// True if the account has code.
    pub(super) fn has_code(&mut self, address: Address) -> Result<bool, RpcError> {
        Ok(self
            .state
            .basic(address)
            .map_err(failed)?
            .is_some_and(|account| !account.is_empty_code_hash()))
    }

    /// Runs the call, within the bounds of the request.
    pub(super) fn run(&mut self, call: TxEnv) -> Result<Outcome, Refused> {
        let Some(bounds) = self.bounds else {
            return self.run_unbounded(call);
        };
        let mut watch = bounds.watch();
        let outcome = self.inspect(call, &mut watch)?;
        match watch.exceeded() {
            Some(exceeded) => Err(Refused::Other(exceeded.into())),
            None => Ok(outcome),
        }
    }

    fn run_unbounded(&mut self, call: TxEnv) -> Result<Outcome, Refused> {
        let (transaction, env) = self.prepare(call)?;
        let caller = transaction.0.base.caller;
        let mut evm = OpEvmFactory::<OpTx>::default().create_evm(&mut self.state, env);
        evm.transact_raw(transaction)
            .map_err(|error| refused(error, caller))
    }

    /// Runs the call under an inspector.
    pub(super) fn inspect<'a, I>(&'a mut self, call: TxEnv, inspector: I) -> Result<Outcome, Refused>
    where
        I: Inspector<OpEvmContext<&'a mut OpenState<ReadState>>>,
    {
        let (transaction, env) = self.prepare(call)?;
        let caller = transaction.0.base.caller;
        let factory = OpEvmFactory::<OpTx>::default();
        let mut evm = factory.create_evm_with_inspector(&mut self.state, env, inspector);
        evm.transact_raw(transaction)
            .map_err(|error| refused(error, caller))
    }

    fn prepare(&mut self, call: TxEnv) -> Result<(OpTx, EvmEnv<OpSpecId>), Refused> {
        let is_free = call.gas_price == 0;
        let mut env = self.env.clone();
        env.cfg_env.disable_base_fee = is_free;
        env.cfg_env.disable_fee_charge = is_free;
        if is_free {
            // Without the charge revm does not look at the balance; the value must be there all the same.
            let balance = self.balance(call.caller).map_err(Refused::Other)?;
            if call.value > balance {
                return Err(Refused::Other(insufficient(call.caller, balance, call.value)));
            }
        }
        let transaction = OpTx(OpTransaction {
            base: call,
            // Nothing is posted to L1, so nothing is paid for that.
            enveloped_tx: Some(Bytes::new()),
            deposit: Default::default(),
        });
        Ok((transaction, env))
    }
}

/// The output of a run that succeeded; geth's error for one that did not.
pub(super) fn output(result: ExecutionResult<OpHaltReason>) -> Result<Bytes, RpcError> {
    match result {
        ExecutionResult::Success { output, .. } => Ok(output.into_data()),
        ExecutionResult::Revert { output, .. } => Err(RpcError::reverted(&output, revert_reason(&output))),
        ExecutionResult::Halt { reason, .. } => Err(RpcError::server(halt_text(&reason))),
    }
}

/// What Solidity put into a revert, in words.
pub(super) fn revert_reason(output: &[u8]) -> Option<String> {
    if let Ok(revert) = Revert::abi_decode(output) {
        return Some(revert.reason);
    }
    let panic = Panic::abi_decode(output).ok()?;
    Some(match panic.kind() {
        Some(kind) => kind.as_str().into(),
        None => format!("unknown panic code: {:#x}", panic.code),
    })
}

fn halt_text(reason: &OpHaltReason) -> String {
    match reason {
        OpHaltReason::Base(HaltReason::OutOfGas(_)) => "out of gas".into(),
        OpHaltReason::Base(HaltReason::OpcodeNotFound) => "invalid opcode".into(),
        OpHaltReason::Base(HaltReason::InvalidFEOpcode) => "invalid opcode: INVALID".into(),
        OpHaltReason::Base(HaltReason::InvalidJump) => "invalid jump destination".into(),
        OpHaltReason::Base(HaltReason::StackUnderflow) => "stack underflow".into(),
        OpHaltReason::Base(HaltReason::StackOverflow) => "stack limit reached 1024 (1023)".into(),
        OpHaltReason::Base(HaltReason::CreateContractSizeLimit) => "max code size exceeded".into(),
        OpHaltReason::Base(HaltReason::CreateCollision) => "contract address collision".into(),
        other => format!("vm execution error: {other:?}"),
    }
}

fn refused(error: EVMError<Failed, OpTxError>, caller: Address) -> Refused {
    let invalid = match error {
        EVMError::Transaction(OpTxError(OpTransactionError::Base(invalid))) => invalid,
        EVMError::Transaction(other) => return Refused::Other(RpcError::server(other.to_string())),
        EVMError::Database(error) => return Refused::Other(failed(error)),
        other => return Refused::Other(RpcError::internal(other)),
    };
    let text = match invalid {
        InvalidTransaction::CallGasCostMoreThanGasLimit { .. }
        | InvalidTransaction::GasFloorMoreThanGasLimit { .. } => return Refused::TooLittleGas,
        InvalidTransaction::LackOfFundForMaxFee { fee, balance } => {
            return Refused::Other(insufficient(caller, *balance, *fee));
        }
        InvalidTransaction::GasPriceLessThanBasefee => "max fee per gas less than block base fee".into(),
        InvalidTransaction::PriorityFeeGreaterThanMaxFee => {
            "max priority fee per gas higher than max fee per gas".into()
        }
        InvalidTransaction::InvalidChainId => "invalid chain id for signer".into(),
        InvalidTransaction::CreateInitCodeSizeLimit => "max initcode size exceeded".into(),
        other => other.to_string(),
    };
    Refused::Other(RpcError::server(text))
}

/// Not enough wei for gas and value.
pub(super) fn insufficient(address: Address, have: U256, want: U256) -> RpcError {
    RpcError::server(format!(
        "insufficient funds for gas * price + value: address {address} have {have} want {want}"
    ))
}

pub(super) fn override_error(error: StateOverrideError<Failed>) -> RpcError {
    match error {
        StateOverrideError::Database(error) => failed(error),
        StateOverrideError::BothStateAndStateDiff(address) => {
            RpcError::params(format!("account {address} has both 'state' and 'stateDiff'"))
        }
        StateOverrideError::InvalidBytecode(error) => RpcError::params(error.to_string()),
    }
}

/// Slots of a run's state, by account, as an access list has them.
pub(super) fn touched_slots(outcome: &Outcome) -> Vec<(Address, Vec<B256>)> {
    let mut touched: Vec<_> = outcome
        .state
        .iter()
        .map(|(address, account)| {
            let mut slots: Vec<B256> = account.storage.keys().map(|slot| B256::from(*slot)).collect();
            slots.sort_unstable();
            (*address, slots)
        })
        .collect();
    touched.sort_unstable();
    touched
}
