//! The contracts of a chain on L1: one transaction makes all of them, or none.

use super::l1;
use crate::{
    artifacts,
    network::{ChainSpec, Deployment, batch_inbox},
};
use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::eip2718::Encodable2718,
    network::TxSignerSync,
    primitives::{Address, B256, TxKind},
    providers::{Provider, RootProvider},
    rpc::types::TransactionReceipt,
    signers::local::PrivateKeySigner,
    sol,
    sol_types::SolValue,
};
use eyre::{Context, OptionExt, bail};
use std::time::{Duration, Instant};
use tributary_protocol::block::{L1BlockId, L1BlockNumber};

/// How long a deployment may wait for its block: a few L1 blocks.
const MINING_PATIENCE: Duration = Duration::from_secs(180);

/// Gas left on top of the estimate, per hundred.
const GAS_MARGIN_PERCENT: u64 = 10;

sol! {
    struct Config {
        address owner;
        address batcher;
        address unsafeBlockSigner;
        address batchInbox;
        address optimismPortal;
        address disputeGameFactory;
        uint64 gasLimit;
        uint32 basefeeScalar;
        uint32 blobbasefeeScalar;
        uint32 eip1559Denominator;
        uint32 eip1559Elasticity;
        uint32 operatorFeeScalar;
        uint64 operatorFeeConstant;
        uint64 minBaseFee;
        uint16 daFootprintGasScalar;
    }

    struct Proposals {
        address proposer;
        address guardian;
        uint64 challengePeriod;
    }
}

/// Deploys the contracts of `spec`. With `mine`, the L1 is an anvil that mines only when told to.
pub(crate) async fn deploy(
    l1_rpc: &str,
    signer: &PrivateKeySigner,
    spec: &ChainSpec,
    challenge_period_secs: u64,
    mine: bool,
) -> eyre::Result<Deployment> {
    let provider = l1::provider(l1_rpc)?;
    let found = provider
        .get_chain_id()
        .await
        .with_context(|| format!("the L1 at {l1_rpc} does not answer"))?;
    if found != spec.l1_chain_id {
        bail!(
            "the L1 at {l1_rpc} has chain id {found}, expected {}",
            spec.l1_chain_id
        );
    }
    let hash = send(&provider, signer, spec, challenge_period_secs).await?;
    if mine {
        l1::mine(l1_rpc).await?;
    }
    let receipt = wait_for_receipt(&provider, hash).await?;
    let deployer = receipt
        .contract_address
        .ok_or_eyre("L1's receipt of the deployment names no contract")?;
    let number = receipt
        .block_number
        .ok_or_eyre("L1's receipt of the deployment names no block")?;
    let block = provider
        .get_block_by_number(number.into())
        .await?
        .ok_or_eyre("L1 lost the deployment's block")?;
    // A contract's creations are numbered from 1, in the order of L1Deployment's constructor.
    let creation = |nonce| deployer.create(nonce);
    Ok(Deployment {
        l1_chain_id: spec.l1_chain_id,
        l1_start: L1BlockId {
            hash: block.header.hash,
            number: L1BlockNumber(number),
        },
        l1_start_time: block.header.timestamp,
        dispute_game_factory: creation(1),
        system_config: creation(3),
        optimism_portal: creation(4),
        batch_inbox: batch_inbox(spec.l2_chain_id),
        l2_genesis_hash: B256::ZERO,
    })
}

fn creation_code(spec: &ChainSpec, challenge_period_secs: u64) -> Vec<u8> {
    let config = Config {
        owner: spec.owner,
        batcher: spec.batcher,
        unsafeBlockSigner: spec.unsafe_block_signer,
        batchInbox: batch_inbox(spec.l2_chain_id),
        optimismPortal: Address::ZERO,
        disputeGameFactory: Address::ZERO,
        gasLimit: spec.gas_limit,
        basefeeScalar: 0,
        blobbasefeeScalar: 0,
        eip1559Denominator: crate::network::EIP1559_PARAMS.denominator,
        eip1559Elasticity: crate::network::EIP1559_PARAMS.elasticity,
        operatorFeeScalar: 0,
        operatorFeeConstant: 0,
        minBaseFee: spec.min_base_fee,
        daFootprintGasScalar: spec.da_footprint_gas_scalar,
    };
    let proposals = Proposals {
        proposer: spec.proposer,
        guardian: spec.owner,
        challengePeriod: challenge_period_secs,
    };
    let mut code = artifacts::l1_deployment().creation_code.to_vec();
    code.extend((config, proposals).abi_encode_params());
    code
}

async fn send(
    provider: &RootProvider,
    signer: &PrivateKeySigner,
    spec: &ChainSpec,
    challenge_period_secs: u64,
) -> eyre::Result<B256> {
    let input = creation_code(spec, challenge_period_secs);
    let fees = provider
        .estimate_eip1559_fees()
        .await
        .context("L1 does not tell its fees")?;
    let request = alloy::rpc::types::TransactionRequest::default()
        .from(signer.address())
        .input(alloy::primitives::Bytes::from(input.clone()).into());
    let request = alloy::rpc::types::TransactionRequest {
        to: Some(TxKind::Create),
        ..request
    };
    let gas = provider
        .estimate_gas(request)
        .await
        .context("L1 refuses the deployment")?;
    let mut transaction = TxEip1559 {
        chain_id: spec.l1_chain_id,
        nonce: provider.get_transaction_count(signer.address()).await?,
        gas_limit: gas + gas * GAS_MARGIN_PERCENT / 100,
        max_fee_per_gas: fees.max_fee_per_gas,
        max_priority_fee_per_gas: fees.max_priority_fee_per_gas,
        to: TxKind::Create,
        input: input.into(),
        ..Default::default()
    };
    let signature = signer.sign_transaction_sync(&mut transaction)?;
    let signed = TxEnvelope::from(transaction.into_signed(signature));
    let _ = provider
        .send_raw_transaction(&signed.encoded_2718())
        .await
        .context("L1 refuses the deployment")?;
    Ok(*signed.tx_hash())
}

async fn wait_for_receipt(provider: &RootProvider, hash: B256) -> eyre::Result<TransactionReceipt> {
    let started = Instant::now();
    while started.elapsed() < MINING_PATIENCE {
        if let Some(receipt) = provider.get_transaction_receipt(hash).await? {
            if receipt.status() {
                return Ok(receipt);
            }
            bail!("the deployment {hash} failed on L1");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("the deployment {hash} was not mined within {MINING_PATIENCE:?}")
}
