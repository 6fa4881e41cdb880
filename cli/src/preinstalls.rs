//! Contracts that tools expect at the same address on every chain, in block 0 of ours: the OP Stack's list of preinstalls.
//!
//! Their code comes from packages on npm; `contracts/preinstalls` writes the file and CI checks that it gives the same bytes. Not one of
//! them is ours, none is part of the rollup, and all but Permit2 are the same on every chain.

use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::eip712_domain,
};
use serde::Deserialize;

/// One contract of the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Preinstall {
    #[cfg_attr(not(test), allow(dead_code, reason = "for the test that knows each by name"))]
    name: String,
    address: Address,
    code: Bytes,
    /// Permit2 alone: the bytes of its code that hold the chain id and the EIP-712 domain separator.
    chain_id_offset: Option<usize>,
    domain_separator_offset: Option<usize>,
}

/// Address and runtime code of every preinstall on the chain of this id.
pub(crate) fn preinstalls(chain_id: u64) -> impl Iterator<Item = (Address, Bytes)> {
    committed()
        .into_iter()
        .map(move |preinstall| (preinstall.address, preinstall.code_on(chain_id)))
}

fn committed() -> Vec<Preinstall> {
    serde_json::from_str(include_str!("../../contracts/genesis/preinstalls.json"))
        .expect("the committed file is a list of preinstalls")
}

impl Preinstall {
    fn code_on(&self, chain_id: u64) -> Bytes {
        let (Some(chain_id_offset), Some(domain_offset)) =
            (self.chain_id_offset, self.domain_separator_offset)
        else {
            return self.code.clone();
        };
        let domain =
            eip712_domain! { name: "Permit2", chain_id: chain_id, verifying_contract: self.address, };
        let mut code = self.code.to_vec();
        for (offset, word) in [
            (chain_id_offset, U256::from(chain_id).into()),
            (domain_offset, domain.separator()),
        ] {
            code[offset..offset + 32].copy_from_slice(word.as_slice());
        }
        code.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::{B256, b256, keccak256};

    /// Name, address and code hash; those of Multicall3, both proxies, CreateX and the entry points are published by their authors.
    const EXPECTED: [(&str, &str, B256); 14] = [
        (
            "Multicall3",
            "0xcA11bde05977b3631167028862bE2a173976CA11",
            b256!("d5c15df687b16f2ff992fc8d767b4216323184a2bbc6ee2f9c398c318e770891"),
        ),
        (
            "Create2Deployer",
            "0x13b0D85CcB8bf860b6b79AF3029fCA081AE9beF2",
            b256!("b0550b5b431e30d38000efb7107aaa0ade03d48a7198a140edda9d27134468b2"),
        ),
        (
            "DeterministicDeploymentProxy",
            "0x4e59b44847b379578588920cA78FbF26c0B4956C",
            b256!("2fa86add0aed31f33a762c9d88e807c475bd51d0f52bd0955754b2608f7e4989"),
        ),
        (
            "SafeSingletonFactory",
            "0x914d7Fec6aaC8cd542e72Bca78B30650d45643d7",
            b256!("2fa86add0aed31f33a762c9d88e807c475bd51d0f52bd0955754b2608f7e4989"),
        ),
        (
            "Safe",
            "0x69f4D1788e39c87893C980c06EdF4b7f686e2938",
            b256!("bba688fbdb21ad2bb58bc320638b43d94e7d100f6f3ebaab0a4e4de6304b1c2e"),
        ),
        (
            "SafeL2",
            "0xfb1bffC9d739B8D520DaF37dF666da4C687191EA",
            b256!("21842597390c4c6e3c1239e434a682b054bd9548eee5e9b1d6a4482731023c0f"),
        ),
        (
            "MultiSend",
            "0x998739BFdAAdde7C933B942a68053933098f9EDa",
            b256!("81db0e4afdf5178583537b58c5ad403bd47a4ac7f9bde2442ef3e341d433126a"),
        ),
        (
            "MultiSendCallOnly",
            "0xA1dabEF33b3B82c7814B6D82A79e50F4AC44102B",
            b256!("a9865ac2d9c7a1591619b188c4d88167b50df6cc0c5327fcbd1c8c75f7c066ad"),
        ),
        (
            "Permit2",
            "0x000000000022D473030F116dDEE9F6B43aC78BA3",
            b256!("c67d1657868aa5146eaf24fb879fb1fdec3d2d493b3683a61c9c2f4fb2851131"),
        ),
        (
            "EntryPointV06",
            "0x5FF137D4b0FDCD49DcA30c7CF57E578a026d2789",
            b256!("c93c806e738300b5357ecdc2e971d6438d34d8e4e17b99b758b1f9cac91c8e70"),
        ),
        (
            "SenderCreatorV06",
            "0x7fc98430eAEdbb6070B35B39D798725049088348",
            b256!("ae818091eaaf1b6175ee41472359a689f3823d0908a41e2e5c4ad508f2fc04a3"),
        ),
        (
            "CreateX",
            "0xba5Ed099633D3B313e4D5F7bdc1305d3c28ba5Ed",
            b256!("bd8a7ea8cfca7b4e5f5041d7d4b17bc317c5ce42cfbc42066a00cf26b43eb53f"),
        ),
        (
            "EntryPointV07",
            "0x0000000071727De22E5E9d8BAf0edAc6f37da032",
            b256!("8db5ff695839d655407cc8490bb7a5d82337a86a6b39c3f0258aa6c3b582fc58"),
        ),
        (
            "SenderCreatorV07",
            "0xEFC2c1444eBCC4Db75e7613d20C6a62fF67A167C",
            b256!("283c9d14378f5f4c4e24045b87d621d48443fa5b4af7dd7180a599b3756a7689"),
        ),
    ];

    #[test]
    fn every_preinstall_has_the_address_and_the_code_it_has_elsewhere() {
        let found: Vec<_> = committed()
            .iter()
            .map(|one| (one.name.clone(), one.address.to_string(), keccak256(&one.code)))
            .collect();
        let expected: Vec<_> = EXPECTED
            .iter()
            .map(|(name, address, hash)| ((*name).to_owned(), (*address).to_owned(), *hash))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn permit2_knows_the_chain_it_is_on() {
        let permit2 = committed().into_iter().find(|one| one.name == "Permit2").unwrap();
        let (chain_id, domain) = (
            permit2.chain_id_offset.unwrap(),
            permit2.domain_separator_offset.unwrap(),
        );
        // What the Permit2 on Ethereum answers to DOMAIN_SEPARATOR().
        let on_ethereum = b256!("866a5aba21966af95d6c7ab78eb2b2fc913915c28be3b9aa07cc04ff903e3f28");
        let code = permit2.code_on(1);
        assert_eq!(U256::from_be_slice(&code[chain_id..chain_id + 32]), U256::ONE);
        assert_eq!(code[domain..domain + 32], on_ethereum[..]);
        let elsewhere = permit2.code_on(901);
        let differing = code
            .iter()
            .zip(&elsewhere)
            .filter(|(one, other)| one != other)
            .count();
        assert_eq!(code.len(), permit2.code.len());
        assert!(
            (3..=34).contains(&differing),
            "{differing} bytes depend on the chain"
        );
        // PUSH32 stands before each: nothing but a constant is overwritten.
        assert_eq!(
            (permit2.code[chain_id - 1], permit2.code[domain - 1]),
            (0x7f, 0x7f)
        );
    }
}
