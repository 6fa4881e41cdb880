// viem as its documentation uses it: a chain, a wallet client, nothing set that is not needed. Ends with 1 at the first thing that is not so.
import assert from "node:assert/strict";
import { createPublicClient, createWalletClient, defineChain, getContract, http, multicall3Abi, parseEther } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const url = process.env.RPC_URL;
const account = privateKeyToAccount(process.env.PRIVATE_KEY);
const id = await createPublicClient({ transport: http(url) }).getChainId();
const chain = defineChain({
  id,
  name: "Tributary devnet",
  nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
  rpcUrls: { default: { http: [url] } },
  contracts: { multicall3: { address: "0xcA11bde05977b3631167028862bE2a173976CA11" } },
});
const reader = createPublicClient({ chain, transport: http() });
const wallet = createWalletClient({ account, chain, transport: http() });
const to = "0x00000000000000000000000000000000000071e0";

const before = await reader.getBalance({ address: to });
const sync = await wallet.sendTransactionSync({ to, value: 1n });
assert.equal(sync.status, "success", "sendTransactionSync");
const hash = await wallet.sendTransaction({ to, value: 2n });
const receipt = await reader.waitForTransactionReceipt({ hash });
assert.equal(receipt.status, "success", "sendTransaction");
assert.equal(receipt.gasUsed, 21_000n);
assert.equal(await reader.getBalance({ address: to }), before + 3n);

// What was quoted is what is charged: there is no fee beside the gas.
// The two may share a block: the first is answered before its block is sealed.
const blocks = [sync.blockNumber - 1n, receipt.blockNumber];
const balances = await Promise.all(blocks.map((blockNumber) => reader.getBalance({ address: account.address, blockNumber })));
const fees = [sync, receipt].map((one) => one.gasUsed * one.effectiveGasPrice);
assert.equal(balances[0] - balances[1], 3n + fees[0] + fees[1], "the fees charged");

// Runtime code 602a60005260206000f3 returns 42; the creation code before it copies it out.
const deployed = await reader.waitForTransactionReceipt({ hash: await wallet.deployContract({ abi: [], bytecode: "0x600a600c600039600a6000f3602a60005260206000f3" }) });
assert.equal(BigInt((await reader.call({ to: deployed.contractAddress })).data), 42n, "a call of a new contract");

const multicall = getContract({ address: chain.contracts.multicall3.address, abi: multicall3Abi, client: reader });
assert.equal(await multicall.read.getEthBalance([to]), before + 3n, "Multicall3 is in genesis");
await assert.rejects(wallet.sendTransaction({ to, value: parseEther("1000000000") }), /exceeds the balance of the account|insufficient funds/, "an error by its name");
console.log(`viem: sendTransactionSync, sendTransaction, deployContract, call, Multicall3 on chain ${id}`);
