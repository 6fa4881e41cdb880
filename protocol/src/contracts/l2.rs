//! Predeploys of the OP Stack.

use alloy_sol_types::sol;

sol! {
    /// What L2 knows of L1.
    #[derive(Debug, PartialEq, Eq)]
    interface IL1Block {
        error NotDepositor();
        error BadCalldataLength(uint256 found, uint256 expected);

        function setL1BlockValuesIsthmus() external;
        function setL1BlockValuesJovian() external;

        function DEPOSITOR_ACCOUNT() external pure returns (address);
        function number() external view returns (uint64);
        function timestamp() external view returns (uint64);
        function basefee() external view returns (uint256);
        function hash() external view returns (bytes32);
        function sequenceNumber() external view returns (uint64);
        function blobBaseFeeScalar() external view returns (uint32);
        function baseFeeScalar() external view returns (uint32);
        function batcherHash() external view returns (bytes32);
        function blobBaseFee() external view returns (uint256);
        function operatorFeeConstant() external view returns (uint64);
        function operatorFeeScalar() external view returns (uint32);
        function daFootprintGasScalar() external view returns (uint16);
    }
}

sol! {
    /// Messages to L1.
    #[derive(Debug, PartialEq, Eq)]
    interface IL2ToL1MessagePasser {
        event MessagePassed(
            uint256 indexed nonce,
            address indexed sender,
            address indexed target,
            uint256 value,
            uint256 gasLimit,
            bytes data,
            bytes32 withdrawalHash
        );
        event WithdrawerBalanceBurnt(uint256 indexed amount);

        function initiateWithdrawal(address target, uint256 gasLimit, bytes memory data) external payable;
        function burn() external;
        function messageNonce() external view returns (uint256);
        function sentMessages(bytes32 withdrawalHash) external view returns (bool);
    }
}

sol! {
    /// Fees as wallets and tools ask for them.
    #[derive(Debug, PartialEq, Eq)]
    interface IGasPriceOracle {
        function getL1Fee(bytes memory unsignedTransaction) external view returns (uint256);
        function getL1FeeUpperBound(uint256 unsignedTransactionSize) external view returns (uint256);
        function getOperatorFee(uint256 gasUsed) external view returns (uint256);
        function gasPrice() external view returns (uint256);
        function isEcotone() external view returns (bool);
        function isFjord() external view returns (bool);
        function isIsthmus() external view returns (bool);
        function isJovian() external view returns (bool);
    }
}

sol! {
    /// One kind of fee on its way to its recipient.
    #[derive(Debug, PartialEq, Eq)]
    interface IFeeVault {
        error BalanceBelowMinimum(uint256 balance, uint256 minimum);
        error NoRecipient();
        error TransferFailed(address recipient, uint256 value);

        event Withdrawal(uint256 value, address to, address from, uint8 withdrawalNetwork);

        function withdraw() external returns (uint256 value);
        function totalProcessed() external view returns (uint256);
        function recipient() external view returns (address);
        function minWithdrawalAmount() external view returns (uint256);
    }
}
