// ethers 6 as its documentation uses it: a provider, a wallet, a contract factory. Ends with 1 at the first thing that is not so.
import assert from "node:assert/strict";
import { ContractFactory, JsonRpcProvider, Wallet, parseEther } from "ethers";

const provider = new JsonRpcProvider(process.env.RPC_URL);
const wallet = new Wallet(process.env.PRIVATE_KEY, provider);
const to = "0x00000000000000000000000000000000000071e1";

const before = await provider.getBalance(to);
const sent = await wallet.sendTransaction({ to, value: 1n });
const receipt = await sent.wait();
assert.equal(receipt.status, 1, "sendTransaction");
assert.equal(receipt.gasUsed, 21_000n);
assert.equal(await provider.getBalance(to), before + 1n);
const found = await provider.getTransaction(sent.hash);
assert.equal(found.blockNumber, receipt.blockNumber);
assert.equal((await provider.getBlock(receipt.blockNumber)).transactions.includes(sent.hash), true);

// Runtime code 602a60005260206000f3 returns 42.
const factory = new ContractFactory(["function answer() view returns (uint256)"], "0x600a600c600039600a6000f3602a60005260206000f3", wallet);
const contract = await factory.deploy();
await contract.waitForDeployment();
assert.equal(await contract.answer(), 42n, "a call of a new contract");

await assert.rejects(wallet.sendTransaction({ to, value: parseEther("1000000000") }), { code: "INSUFFICIENT_FUNDS" }, "an error by its name");
await assert.rejects(provider.send("eth_nonsense", []), { code: "UNSUPPORTED_OPERATION" }, "a method that is not there");
const { chainId } = await provider.getNetwork();
provider.destroy();
console.log(`ethers: sendTransaction, getTransaction, getBlock, ContractFactory, errors on chain ${chainId}`);
