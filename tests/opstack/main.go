// Derives chains of Tributary with an unmodified op-node and op-geth, and compares every block. `run` builds the parts and starts this.
//
//	demo --keep --> folder: genesis.json, rollup.json, L1 state, payloads
//	anvil, da, sequencer, batcher on that folder --> more blocks: as calldata, as Alt-DA commitments, as blobs, after trouble
//	op-geth (genesis.json), op-node (rollup.json, L1, DA server) --> the same blocks, or a difference
package main

import (
	"context"
	"crypto/rand"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
)

// Longest time our nodes may take until what was sent is safe, and op-node until it has derived it.
const derivePatience = 5 * time.Minute

// programs are the binaries, and what the command line says of the run.
type programs struct {
	tributary, anvil, opNode, geth string
	l1ChainConfig                  string
	records                        int
	blobs                          bool
	work                           string
}

// result of one profile.
type result struct {
	blocks, differences int
}

func main() {
	var p programs
	flag.StringVar(&p.tributary, "tributary", "", "the tributary binary")
	flag.StringVar(&p.anvil, "anvil", "", "the anvil binary")
	flag.StringVar(&p.opNode, "op-node", "", "the op-node binary")
	flag.StringVar(&p.geth, "geth", "", "op-geth's geth binary")
	flag.StringVar(&p.l1ChainConfig, "l1-chain-config", "l1-chain-config.json", "L1's forks, in geth's form")
	flag.IntVar(&p.records, "records", 50, "records of the demo")
	flag.BoolVar(&p.blobs, "blobs", true, "post blobs in one round; op-node then has to trust anvil, whose root of such a block's transactions is wrong")
	keep := flag.Bool("keep", false, "keep all files, and say where they are")
	profiles := flag.String("profiles", "isthmus,jovian", "which profiles to run")
	flag.Parse()

	work, err := os.MkdirTemp("", "tributary-opstack-")
	fatal(err)
	p.work = work
	var sums []string
	failed := 0
	for _, profile := range strings.Split(*profiles, ",") {
		r, err := p.profile(profile)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\nfiles are in %s\n", profile, err, work)
			os.Exit(1)
		}
		sums = append(sums, fmt.Sprintf("%s %d blocks", profile, r.blocks))
		failed += r.differences
	}
	if *keep || failed > 0 {
		fmt.Println("files are in", work)
	} else {
		fatal(os.RemoveAll(work))
	}
	fmt.Printf("%s: %s, %d differences\n", p.versions(), strings.Join(sums, ", "), failed)
	if failed > 0 {
		os.Exit(1)
	}
}

func fatal(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// versions are what the binaries themselves say they were built from.
func (p *programs) versions() string {
	node, geth := "op-node", "op-geth"
	if info, err := buildinfo.ReadFile(p.opNode); err == nil {
		node += " " + info.Main.Version
	}
	if info, err := buildinfo.ReadFile(p.geth); err == nil && info.Main.Replace != nil {
		geth += " " + info.Main.Replace.Version
	}
	return node + " with " + geth
}

// chain is a folder that a demo kept.
type chain struct {
	folder               string
	config               string
	l1, sequencer, da    string
	portal, systemConfig common.Address
	inbox, batcher       common.Address
	jovian               bool
}

func (p *programs) profile(name string) (result, error) {
	started := time.Now()
	say := func(format string, args ...any) {
		fmt.Printf("%-8s %4ds  %s\n", name, int(time.Since(started).Seconds()), fmt.Sprintf(format, args...))
	}
	logs := filepath.Join(p.work, name+"-logs")
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return result{}, err
	}
	say("demo with %d records", p.records)
	c, err := p.demo(name, logs)
	if err != nil {
		return result{}, err
	}
	run := &stack{logs: logs}
	defer run.stopAll()
	if err := p.startChain(run, c); err != nil {
		return result{}, err
	}
	target, err := p.extend(run, c, say)
	if err != nil {
		return result{}, err
	}
	kinds, err := inboxKinds(c)
	if err != nil {
		return result{}, err
	}
	say("L2 is safe up to block %d; transactions in the inbox: %s", target, kinds)
	engine, err := p.derive(run, c, name, target)
	if err != nil {
		return result{}, err
	}
	say("op-node derived them; comparing")
	return compare(c.sequencer, engine, target, say)
}

// demo runs a demo and returns the chain it leaves behind.
func (p *programs) demo(name, logs string) (*chain, error) {
	args := []string{"demo", "--keep", "--records", strconv.Itoa(p.records)}
	if name == "isthmus" {
		args = append(args, "--isthmus")
	}
	cmd := exec.Command(p.tributary, args...)
	cmd.Env = append(os.Environ(), "TMPDIR="+p.work)
	output, err := cmd.CombinedOutput()
	if writeErr := os.WriteFile(filepath.Join(logs, "demo.log"), output, 0o644); writeErr != nil {
		return nil, writeErr
	}
	if err != nil {
		return nil, fmt.Errorf("the demo failed: %w\n%s", err, output)
	}
	found := regexp.MustCompile(`, in (\S+)`).FindSubmatch(output)
	if found == nil {
		return nil, fmt.Errorf("the demo does not say where its folder is:\n%s", output)
	}
	return readChain(string(found[1]), name == "jovian")
}

func readChain(folder string, jovian bool) (*chain, error) {
	c := &chain{folder: folder, config: filepath.Join(folder, "tributary.toml"), jovian: jovian}
	settings, err := os.ReadFile(c.config)
	if err != nil {
		return nil, err
	}
	setting := func(key string) string {
		found := regexp.MustCompile(`(?m)^` + key + ` = "(.*)"$`).FindSubmatch(settings)
		if found == nil {
			return ""
		}
		return string(found[1])
	}
	c.l1, c.sequencer, c.da = setting("l1-rpc"), setting("node-rpc"), setting("da-url")
	rollup, err := os.ReadFile(filepath.Join(folder, "rollup.json"))
	if err != nil {
		return nil, err
	}
	var config struct {
		Genesis struct {
			SystemConfig struct {
				Batcher common.Address `json:"batcherAddr"`
			} `json:"system_config"`
		} `json:"genesis"`
		Inbox        common.Address `json:"batch_inbox_address"`
		Portal       common.Address `json:"deposit_contract_address"`
		SystemConfig common.Address `json:"l1_system_config_address"`
	}
	if err := json.Unmarshal(rollup, &config); err != nil {
		return nil, err
	}
	c.inbox, c.portal, c.systemConfig = config.Inbox, config.Portal, config.SystemConfig
	c.batcher = config.Genesis.SystemConfig.Batcher
	return c, nil
}

// startChain starts L1, DA server and sequencer where the demo left them.
func (p *programs) startChain(run *stack, c *chain) error {
	port := c.l1[strings.LastIndex(c.l1, ":")+1:]
	_, err := run.start("l1", p.anvil, "--host", "127.0.0.1", "--port", port, "--chain-id", "900", "--hardfork", "prague",
		"--slots-in-an-epoch", "1", "--order", "fifo", "--quiet", "--block-time", "2", "--state", filepath.Join(c.folder, "l1-state.json"))
	if err != nil {
		return err
	}
	client, err := ethclient.Dial(c.l1)
	if err != nil {
		return err
	}
	err = run.until("L1 answers", patience, func(ctx context.Context) (bool, error) {
		_, err := client.BlockNumber(ctx)
		return err == nil, err
	})
	if err != nil {
		return err
	}
	for _, role := range []struct {
		name, url string
		args      []string
	}{{"da", c.da, nil}, {"sequencer", c.sequencer, []string{"--l1-beacon", c.l1}}} {
		args := append([]string{role.name, "--config", c.config}, role.args...)
		if _, err := run.start(role.name, p.tributary, args...); err != nil {
			return err
		}
		if err := run.untilLive(role.name, role.url); err != nil {
			return err
		}
	}
	return nil
}

// extend lets the chain go on under load: with batches in calldata because the batcher finds no DA server, with commitments, as blobs, and after trouble.
// It returns the last safe block.
func (p *programs) extend(run *stack, c *chain, say func(string, ...any)) (uint64, error) {
	ctx := context.Background()
	l1, err := ethclient.Dial(c.l1)
	if err != nil {
		return 0, err
	}
	l2, err := ethclient.Dial(c.sequencer)
	if err != nil {
		return 0, err
	}
	type batching struct {
		args   []string
		before func() ([]string, error)
	}
	rounds := []batching{
		{args: []string{"--da-url", "http://127.0.0.1:1"}},
		{},
	}
	if p.blobs {
		rounds = append(rounds, batching{args: []string{"--data-availability-type", "blobs"}})
	}
	rounds = append(rounds, batching{
		before: func() ([]string, error) {
			file, err := trouble(ctx, run, c, l1, l2, say)
			return []string{"--batcher-key-file", file, "--data-dir", filepath.Join(c.folder, "batcher-replacement")}, err
		},
	})
	for i, round := range rounds {
		if round.before != nil {
			more, err := round.before()
			if err != nil {
				return 0, err
			}
			round.args = append(round.args, more...)
		}
		batcher, err := run.start("batcher", p.tributary, append([]string{"batcher", "--config", c.config}, round.args...)...)
		if err != nil {
			return 0, err
		}
		if err := load(ctx, run, c, l1, l2, uint32(i+1), say); err != nil {
			return 0, err
		}
		run.stop(batcher)
	}
	return safeHeader(ctx, l2)
}

// load sends transactions, deposits and configuration updates, and waits until all of it is in safe blocks.
func load(ctx context.Context, run *stack, c *chain, l1, l2 *ethclient.Client, round uint32, say func(string, ...any)) error {
	delegate, err := crypto.HexToECDSA(delegateKey)
	if err != nil {
		return err
	}
	user, err := newSender(ctx, l2, userKey)
	if err != nil {
		return err
	}
	depositor, err := newSender(ctx, l1, depositKey)
	if err != nil {
		return err
	}
	owner, err := newSender(ctx, l1, ownerKey)
	if err != nil {
		return err
	}
	revert, err := userTransactions(ctx, user, delegate)
	if err != nil {
		return err
	}
	if err := deposits(ctx, depositor, c.portal, revert); err != nil {
		return err
	}
	if err := configuration(ctx, owner, c.systemConfig, c.jovian, round); err != nil {
		return err
	}
	var counts [3][2]int
	for i, s := range []*sender{user, depositor, owner} {
		if counts[i][0], counts[i][1], err = s.outcomes(run); err != nil {
			return err
		}
	}
	say("round %d: %d transactions succeeded and %d failed on L2; %d deposits and %d configuration updates made on L1 (%d failed)",
		round, counts[0][0], counts[0][1], counts[1][0], counts[2][0], counts[1][1]+counts[2][1])
	tip, err := l1.BlockNumber(ctx)
	if err != nil {
		return err
	}
	return run.until("all of it is safe", derivePatience, func(ctx context.Context) (bool, error) {
		origin, err := safeOrigin(ctx, l2)
		return err == nil && origin > tip, err
	})
}

var safe = big.NewInt(int64(rpc.SafeBlockNumber))

func safeHeader(ctx context.Context, client *ethclient.Client) (uint64, error) {
	header, err := client.HeaderByNumber(ctx, safe)
	if err != nil {
		return 0, err
	}
	return header.Number.Uint64(), nil
}

// safeOrigin is the L1 origin of the safe head: it stands in the block's first transaction (docs/wire.md, "L1 attributes").
func safeOrigin(ctx context.Context, client *ethclient.Client) (uint64, error) {
	block, err := client.BlockByNumber(ctx, safe)
	if err != nil {
		return 0, err
	}
	if block.NumberU64() == 0 {
		return 0, nil
	}
	data := block.Transactions()[0].Data()
	return new(big.Int).SetBytes(data[28:36]).Uint64(), nil
}

// inboxKinds says what is in the inbox.
func inboxKinds(c *chain) (string, error) {
	client, err := ethclient.Dial(c.l1)
	if err != nil {
		return "", err
	}
	all, err := inbox(context.Background(), c, client)
	frames, commitments, blobs := 0, 0, 0
	for _, tx := range all {
		switch data := tx.Data(); {
		case tx.Type() == types.BlobTxType:
			blobs += len(tx.BlobHashes())
		case len(data) > 0 && data[0] == 0:
			frames++
		case len(data) > 0 && data[0] == 1:
			commitments++
		}
	}
	return fmt.Sprintf("%d with frames in calldata, %d with commitments, %d blobs", frames, commitments, blobs), err
}

// derive starts op-geth and op-node on nothing but genesis.json, rollup.json, L1 and the DA server, and waits until block `target` is safe.
// It returns op-geth's URL.
func (p *programs) derive(run *stack, c *chain, name string, target uint64) (string, error) {
	folder := filepath.Join(p.work, name+"-opstack")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	var ports [3]string
	for i := range ports {
		port, err := freePort()
		if err != nil {
			return "", err
		}
		ports[i] = strconv.Itoa(port)
	}
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return "", err
	}
	jwt, data := filepath.Join(folder, "jwt"), filepath.Join(folder, "geth")
	if err := os.WriteFile(jwt, []byte(hex.EncodeToString(secret)), 0o600); err != nil {
		return "", err
	}
	init := exec.Command(p.geth, "init", "--datadir", data, "--state.scheme", "hash", filepath.Join(c.folder, "genesis.json"))
	if output, err := init.CombinedOutput(); err != nil {
		return "", fmt.Errorf("geth init: %w\n%s", err, output)
	}
	_, err := run.start("op-geth", p.geth, "--datadir", data, "--state.scheme", "hash", "--gcmode", "archive", "--syncmode", "full",
		"--networkid", "901", "--nodiscover", "--maxpeers", "0", "--port", "0", "--ipcdisable",
		"--http", "--http.port", ports[0], "--http.api", "eth,debug", "--authrpc.port", ports[1], "--authrpc.jwtsecret", jwt)
	if err != nil {
		return "", err
	}
	engine := "http://127.0.0.1:" + ports[0]
	client, err := ethclient.Dial(engine)
	if err != nil {
		return "", err
	}
	err = run.until("op-geth answers", patience, func(ctx context.Context) (bool, error) {
		_, err := client.BlockNumber(ctx)
		return err == nil, err
	})
	if err != nil {
		return "", err
	}
	l1, err := ethclient.Dial(c.l1)
	if err != nil {
		return "", err
	}
	beaconURL, err := serveBeacon(c.l1, l1)
	if err != nil {
		return "", err
	}
	opNode := []string{"--l1", c.l1, "--l1.beacon", beaconURL, "--l1.beacon.slot-duration-override", slotSecs,
		"--l1.rpckind", "basic", "--l1.http-poll-interval", "1s", "--rollup.l1-chain-config", p.l1ChainConfig,
		"--l2", "http://127.0.0.1:" + ports[1], "--l2.jwt-secret", jwt, "--l2.enginekind", "geth",
		"--rollup.config", filepath.Join(c.folder, "rollup.json"), "--syncmode", "consensus-layer", "--p2p.disable",
		"--rpc.addr", "127.0.0.1", "--rpc.port", ports[2],
		"--altda.enabled", "--altda.da-service", "--altda.da-server", c.da}
	if p.blobs {
		opNode = append(opNode, "--l1.trustrpc")
	}
	_, err = run.start("op-node", p.opNode, opNode...)
	if err != nil {
		return "", err
	}
	return engine, run.until(fmt.Sprintf("op-node derives block %d", target), derivePatience, func(ctx context.Context) (bool, error) {
		number, err := safeHeader(ctx, client)
		return err == nil && number >= target, err
	})
}

// compare asks both nodes for every block from 0 to `target`. The first block that differs is shown in full.
func compare(ours, theirs string, target uint64, say func(string, ...any)) (result, error) {
	a, err := rpc.Dial(ours)
	if err != nil {
		return result{}, err
	}
	b, err := rpc.Dial(theirs)
	if err != nil {
		return result{}, err
	}
	r := result{blocks: int(target) + 1}
	transactions := 0
	for number := uint64(0); number <= target; number++ {
		var left, right map[string]any
		for _, ask := range []struct {
			client *rpc.Client
			block  *map[string]any
		}{{a, &left}, {b, &right}} {
			if err := ask.client.Call(ask.block, "eth_getBlockByNumber", hexutil.EncodeUint64(number), false); err != nil {
				return r, err
			}
		}
		if list, ok := left["transactions"].([]any); ok {
			transactions += len(list)
		}
		if left["hash"] != nil && left["hash"] == right["hash"] {
			continue
		}
		r.differences++
		if r.differences == 1 {
			for key, value := range left {
				if other := fmt.Sprint(right[key]); other != fmt.Sprint(value) {
					say("block %d: %s is %v, op-geth says %v", number, key, value, other)
				}
			}
		}
	}
	say("%d blocks with %d transactions compared, %d differences", r.blocks, transactions, r.differences)
	return r, nil
}
