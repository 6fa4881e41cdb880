package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/holiman/uint256"
)

// Private keys of the well-known development accounts.
const (
	ownerKey    = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
	userKey     = "47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a"
	delegateKey = "8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba"
	depositKey  = "92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e"
)

var messagePasser = common.HexToAddress("0x4200000000000000000000000000000000000016")

const abiJSON = `[
 {"type":"function","name":"depositTransaction","inputs":[{"type":"address"},{"type":"uint256"},{"type":"uint64"},{"type":"bool"},{"type":"bytes"}]},
 {"type":"function","name":"initiateWithdrawal","inputs":[{"type":"address"},{"type":"uint256"},{"type":"bytes"}]},
 {"type":"function","name":"setGasLimit","inputs":[{"type":"uint64"}]},
 {"type":"function","name":"setEIP1559Params","inputs":[{"type":"uint32"},{"type":"uint32"}]},
 {"type":"function","name":"setGasConfigEcotone","inputs":[{"type":"uint32"},{"type":"uint32"}]},
 {"type":"function","name":"setOperatorFeeScalars","inputs":[{"type":"uint32"},{"type":"uint64"}]},
 {"type":"function","name":"setBatcherHash","inputs":[{"type":"bytes32"}]},
 {"type":"function","name":"setMinBaseFee","inputs":[{"type":"uint64"}]},
 {"type":"function","name":"setDAFootprintGasScalar","inputs":[{"type":"uint16"}]}]`

var functions = func() abi.ABI {
	parsed, err := abi.JSON(strings.NewReader(abiJSON))
	if err != nil {
		panic(err)
	}
	return parsed
}()

func call(name string, args ...any) []byte {
	data, err := functions.Pack(name, args...)
	if err != nil {
		panic(err)
	}
	return data
}

func code(text string) []byte {
	bytes, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		panic(err)
	}
	return bytes
}

// deploy is init code that returns `runtime`, of less than 256 bytes.
func deploy(runtime []byte) []byte {
	size := byte(len(runtime))
	return append([]byte{0x60, size, 0x60, 0x0c, 0x60, 0, 0x39, 0x60, size, 0x60, 0, 0xf3}, runtime...)
}

var (
	// storage[calldata word 0] = calldata word 1, and a log
	storer = code("6020 35 6000 35 55 6001 6000 6000 a1 00")
	// reverts
	reverter = code("6000 6000 fd")
	// loops until the gas is gone
	looper = code("5b 6000 56")
	// writes what the block says of itself into storage, with the answers of the EIP-4788 and EIP-2935 contracts
	observer = code("6001 43 03 40 6000 55  4a 6001 55  44 6002 55  45 6003 55  48 6004 55  41 6005 55  42 6006 55  3a 6007 55 " +
		"46 6008 55  6000 49 6009 55  47 600a 55  32 31 600b 55  7f" + strings.Repeat("07", 32) + " 6001 5d 6001 5c 600c 55 " +
		"42 6000 52 6020 6020 6020 6000 73 000f3df6d732807ef1319fb7b8bb8522d0beac02 5a fa 600d 55 6020 51 600e 55 " +
		"6001 43 03 6000 52 6020 6020 6020 6000 73 0000f90827f1c53a10cb7a02335b175320002935 5a fa 600f 55 6020 51 6010 55 00")
)

// sender signs the transactions of one account on one chain.
type sender struct {
	client  *ethclient.Client
	key     *ecdsa.PrivateKey
	address common.Address
	chainID *big.Int
	signer  types.Signer
	nonce   uint64
	sent    []common.Hash
}

func newSender(ctx context.Context, client *ethclient.Client, key string) (*sender, error) {
	private, err := crypto.HexToECDSA(key)
	if err != nil {
		return nil, err
	}
	chainID, err := client.ChainID(ctx)
	if err != nil {
		return nil, err
	}
	address := crypto.PubkeyToAddress(private.PublicKey)
	nonce, err := client.PendingNonceAt(ctx, address)
	return &sender{client, private, address, chainID, types.NewPragueSigner(chainID), nonce, nil}, err
}

func (s *sender) send(ctx context.Context, inner types.TxData) error {
	return s.sendSigned(ctx, types.MustSignNewTx(s.key, s.signer, inner))
}

func (s *sender) sendSigned(ctx context.Context, tx *types.Transaction) error {
	if err := s.client.SendTransaction(ctx, tx); err != nil {
		return fmt.Errorf("transaction of type %d, nonce %d, to %v: %w", tx.Type(), tx.Nonce(), tx.To(), err)
	}
	s.sent = append(s.sent, tx.Hash())
	s.nonce++
	return nil
}

// dynamic is an EIP-1559 transaction; `to` nil creates a contract.
func (s *sender) dynamic(to *common.Address, gas uint64, value *big.Int, data []byte) *types.DynamicFeeTx {
	return &types.DynamicFeeTx{ChainID: s.chainID, Nonce: s.nonce, GasTipCap: big.NewInt(1000), GasFeeCap: big.NewInt(5_000_000_000),
		Gas: gas, To: to, Value: value, Data: data}
}

// outcomes waits for the receipts of everything sent, and counts successes and failures.
func (s *sender) outcomes(run *stack) (succeeded, failed int, err error) {
	for _, hash := range s.sent {
		err = run.until("receipt of "+hash.Hex(), patience, func(ctx context.Context) (bool, error) {
			receipt, err := s.client.TransactionReceipt(ctx, hash)
			if err != nil {
				return false, err
			}
			if receipt.Status == types.ReceiptStatusSuccessful {
				succeeded++
			} else {
				failed++
			}
			return true, nil
		})
		if err != nil {
			return succeeded, failed, err
		}
	}
	s.sent = nil
	return succeeded, failed, nil
}

var (
	nothing = new(big.Int)
	finney  = big.NewInt(1_000_000_000_000_000)
)

// userTransactions sends every kind of transaction the pool takes, with the edges at which execution clients have differed.
// It returns the address of a contract that reverts.
func userTransactions(ctx context.Context, s *sender, delegate *ecdsa.PrivateKey) (revert common.Address, err error) {
	created := func() common.Address { return crypto.CreateAddress(s.address, s.nonce-1) }
	create := func(init []byte, gas uint64) error { return s.send(ctx, s.dynamic(nil, gas, nothing, init)) }
	to := func(address common.Address, gas uint64, data []byte) error {
		return s.send(ctx, s.dynamic(&address, gas, nothing, data))
	}
	other := common.HexToAddress("0x00000000000000000000000000000000000077aa")

	var store, loop, observe common.Address
	for _, contract := range []struct {
		runtime []byte
		address *common.Address
	}{{storer, &store}, {reverter, &revert}, {looper, &loop}, {observer, &observe}} {
		if err := create(deploy(contract.runtime), 4_000_000); err != nil {
			return revert, err
		}
		*contract.address = created()
	}
	// Init code that reverts, returns code that starts with 0xef, returns too much, destroys itself.
	for _, init := range []string{"6000 6000 fd", "60ef 6000 53 6001 6000 f3", "61 6001 6000 f3", "33 ff"} {
		if err := create(code(init), 8_000_000); err != nil {
			return revert, err
		}
	}
	word := func(n byte) []byte { return common.LeftPadBytes([]byte{n}, 32) }
	set := func(key, value byte) []byte { return append(word(key), word(value)...) }
	random := make([]byte, 20_000)
	if _, err := rand.Read(random); err != nil {
		return revert, err
	}
	precompile := func(n byte) common.Address { return common.BytesToAddress([]byte{n}) }
	p256 := common.BytesToAddress([]byte{1, 0})
	calls := []struct {
		to   common.Address
		gas  uint64
		data []byte
	}{
		{store, 100_000, set(1, 2)},
		// A refund.
		{store, 100_000, set(1, 0)},
		{revert, 100_000, nil},
		{loop, 100_000, nil},
		{observe, 2_000_000, nil},
		{other, 2_000_000, random},
		// The calldata floor of EIP-7623.
		{store, 700_000, append(set(3, 4), make([]byte, 50_000)...)},
		{precompile(1), 100_000, random[:128]},
		{precompile(5), 3_000_000, append(append(word(1), append(word(32), word(32)...)...), random[:65]...)},
		{precompile(9), 100_000, random[:213]},
		{precompile(10), 200_000, random[:192]},
		{p256, 200_000, random[:160]},
		// Curve points at infinity, up to and just over the input limits of Granite, Isthmus and Jovian.
		{precompile(8), 30_000_000, make([]byte, 81_984)},
		{precompile(8), 30_000_000, make([]byte, 82_176)},
		{precompile(8), 30_000_000, make([]byte, 112_512)},
		{precompile(8), 30_000_000, make([]byte, 112_704)},
		{precompile(0x0b), 200_000, make([]byte, 256)},
		{precompile(0x0c), 30_000_000, make([]byte, 288_960)},
		{precompile(0x0c), 30_000_000, make([]byte, 289_120)},
		{precompile(0x0e), 60_000_000, make([]byte, 278_784)},
		{precompile(0x0e), 60_000_000, make([]byte, 279_072)},
		{precompile(0x0f), 30_000_000, make([]byte, 156_672)},
		{precompile(0x0f), 30_000_000, make([]byte, 157_056)},
		{precompile(0x0f), 30_000_000, make([]byte, 235_008)},
		{precompile(0x0f), 30_000_000, make([]byte, 235_392)},
		{precompile(0x10), 200_000, make([]byte, 64)},
		{precompile(0x11), 200_000, make([]byte, 128)},
		{messagePasser, 400_000, call("initiateWithdrawal", other, big.NewInt(100_000), []byte("back"))},
	}
	for _, c := range calls {
		if err := to(c.to, c.gas, c.data); err != nil {
			return revert, err
		}
	}
	price := big.NewInt(5_000_000_000)
	list := types.AccessList{{Address: store, StorageKeys: []common.Hash{common.BytesToHash(word(1)), common.BytesToHash(word(9))}}}
	inners := []func() types.TxData{
		func() types.TxData {
			return &types.LegacyTx{Nonce: s.nonce, GasPrice: price, Gas: 21_000, To: &other, Value: finney}
		},
		func() types.TxData {
			return &types.LegacyTx{Nonce: s.nonce, GasPrice: price, Gas: 400_000, Value: nothing, Data: deploy(storer)}
		},
		func() types.TxData {
			return &types.AccessListTx{ChainID: s.chainID, Nonce: s.nonce, GasPrice: price, Gas: 100_000, To: &store, Value: nothing,
				Data: set(9, 1), AccessList: list}
		},
		func() types.TxData { return s.dynamic(&messagePasser, 400_000, finney, nil) },
	}
	for _, inner := range inners {
		if err := s.send(ctx, inner()); err != nil {
			return revert, err
		}
	}
	return revert, delegations(ctx, s, delegate, store)
}

// delegations sends an EIP-7702 transaction with a valid authorization, one for another chain, and a stale one; then calls the account.
func delegations(ctx context.Context, s *sender, delegate *ecdsa.PrivateKey, target common.Address) error {
	authority := crypto.PubkeyToAddress(delegate.PublicKey)
	nonce, err := s.client.PendingNonceAt(ctx, authority)
	if err != nil {
		return err
	}
	chainID := uint256.MustFromBig(s.chainID)
	var list []types.SetCodeAuthorization
	for _, auth := range []types.SetCodeAuthorization{
		{ChainID: *chainID, Address: target, Nonce: nonce},
		{ChainID: *uint256.NewInt(1), Address: target, Nonce: nonce + 1},
		{ChainID: *chainID, Address: target, Nonce: nonce + 7},
	} {
		signed, err := types.SignSetCode(delegate, auth)
		if err != nil {
			return err
		}
		list = append(list, signed)
	}
	data := append(common.LeftPadBytes([]byte{5}, 32), common.LeftPadBytes([]byte{6}, 32)...)
	err = s.send(ctx, &types.SetCodeTx{ChainID: chainID, Nonce: s.nonce, GasTipCap: uint256.NewInt(1000),
		GasFeeCap: uint256.NewInt(5_000_000_000), Gas: 500_000, To: authority, Value: new(uint256.Int), Data: data, AuthList: list})
	if err != nil {
		return err
	}
	return s.send(ctx, s.dynamic(&authority, 100_000, nothing, data))
}

// deposits sends transactions through the portal on L1: plain, creating, reverting, out of gas, beyond the balance, from a contract.
func deposits(ctx context.Context, l1 *sender, portal, revert common.Address) error {
	tooMuch := new(big.Int).Lsh(big.NewInt(1), 120)
	for _, d := range []struct {
		mint   *big.Int
		to     common.Address
		value  *big.Int
		gas    uint64
		create bool
		data   []byte
	}{
		{finney, l1.address, finney, 100_000, false, nil},
		{nothing, common.Address{}, nothing, 1_000_000, true, deploy(reverter)},
		{finney, common.Address{}, nothing, 1_000_000, true, deploy(looper)},
		{finney, revert, finney, 200_000, false, nil},
		{finney, common.Address{}, nothing, 100_000, true, looper},
		{finney, l1.address, tooMuch, 100_000, false, nil},
		{finney, messagePasser, finney, 500_000, false, call("initiateWithdrawal", l1.address, big.NewInt(100_000), []byte{})},
		{nothing, common.BytesToAddress([]byte{8}), nothing, 400_000, false, make([]byte, 192)},
	} {
		data := call("depositTransaction", d.to, d.value, d.gas, d.create, d.data)
		if err := l1.send(ctx, l1.dynamic(&portal, 3_000_000, d.mint, data)); err != nil {
			return err
		}
	}
	// Init code that calls the portal: the sender on L2 is the contract's alias.
	inner := call("depositTransaction", l1.address, nothing, uint64(100_000), false, []byte{1, 2, 3})
	size := fmt.Sprintf("61 %04x", len(inner))
	prefix := "%s 60 %02x 6000 39  6000 6000 %s 6000 34 73 %x 5a f1 00"
	length := len(code(fmt.Sprintf(prefix, size, 0, size, portal)))
	init := append(code(fmt.Sprintf(prefix, size, length, size, portal)), inner...)
	return l1.send(ctx, l1.dynamic(nil, 3_000_000, finney, init))
}

// configuration changes every parameter of the chain that derivation follows, but the batcher's address.
func configuration(ctx context.Context, owner *sender, systemConfig common.Address, jovian bool, round uint32) error {
	updates := [][]byte{
		call("setGasLimit", uint64(150_000_000)+uint64(round)),
		call("setEIP1559Params", uint32(200), 4+round),
		call("setGasConfigEcotone", 1000*round, 2000*round),
		call("setOperatorFeeScalars", 12_345*round, uint64(678)),
	}
	if jovian {
		updates = append(updates, call("setMinBaseFee", uint64(2_000_000)), call("setDAFootprintGasScalar", uint16(500)))
	}
	for _, data := range updates {
		if err := owner.send(ctx, owner.dynamic(&systemConfig, 500_000, nothing, data)); err != nil {
			return err
		}
		// Updates in different L1 blocks as well as in one.
		time.Sleep(700 * time.Millisecond)
	}
	return nil
}
