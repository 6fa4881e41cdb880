package main

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/rand"
	"encoding/binary"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rlp"
)

// More development accounts: the first batcher, the one it is replaced with, a user whose transactions miss the window, a stranger.
const (
	batcherKey    = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
	newBatcherKey = "4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356"
	lateKey       = "dbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97"
	strangerKey   = "2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6"
)

// trouble fills the inbox with what must be dropped, replaces the batcher's key, and lets the sequencing window expire over transactions.
// It returns the file with the new key.
func trouble(ctx context.Context, run *stack, c *chain, l1, l2 *ethclient.Client, say func(string, ...any)) (string, error) {
	var senders []*sender
	for _, key := range []string{batcherKey, strangerKey, ownerKey} {
		s, err := newSender(ctx, l1, key)
		if err != nil {
			return "", err
		}
		senders = append(senders, s)
	}
	batcher, stranger, owner := senders[0], senders[1], senders[2]
	earlier, err := inbox(ctx, c, l1)
	if err != nil {
		return "", err
	}
	var posted [][]byte
	for _, tx := range earlier {
		if len(tx.Data()) > 0 {
			posted = append(posted, tx.Data())
		}
	}
	garbage, err := garbage()
	if err != nil {
		return "", err
	}
	post := func(s *sender, data []byte) error {
		return s.send(ctx, s.dynamic(&c.inbox, 3_000_000, nothing, data))
	}
	for i, data := range garbage {
		if err := post(batcher, data); err != nil {
			return "", err
		}
		if i%4 == 3 {
			time.Sleep(time.Second)
		}
	}
	for _, data := range posted {
		// What already counted does not count again, and what a stranger says never does.
		if err := post(batcher, data); err != nil {
			return "", err
		}
		if err := post(stranger, data); err != nil {
			return "", err
		}
	}
	// The key is replaced in a later block: until then all of that counts as the batcher's.
	if _, _, err := batcher.outcomes(run); err != nil {
		return "", err
	}
	private, err := crypto.HexToECDSA(newBatcherKey)
	if err != nil {
		return "", err
	}
	replacement := crypto.PubkeyToAddress(private.PublicKey)
	var hash [32]byte
	copy(hash[12:], replacement[:])
	if err := owner.send(ctx, owner.dynamic(&c.systemConfig, 500_000, nothing, call("setBatcherHash", hash))); err != nil {
		return "", err
	}
	for _, s := range []*sender{stranger, owner} {
		if _, _, err := s.outcomes(run); err != nil {
			return "", err
		}
	}
	if err := post(batcher, posted[len(posted)-1]); err != nil {
		return "", err
	}
	late, err := newSender(ctx, l2, lateKey)
	if err != nil {
		return "", err
	}
	for range 5 {
		if err := late.send(ctx, late.dynamic(&stranger.address, 21_000, finney, nil)); err != nil {
			return "", err
		}
	}
	before, err := safeHeader(ctx, l2)
	if err != nil {
		return "", err
	}
	say("inbox: %d transactions of garbage, %d repeated ones twice; batcher's key replaced; waiting for the window to expire",
		len(garbage), len(posted))
	err = run.until("the sequencing window expires", derivePatience, func(ctx context.Context) (bool, error) {
		number, err := safeHeader(ctx, l2)
		return err == nil && number > before+5, err
	})
	if err != nil {
		return "", err
	}
	file := filepath.Join(c.folder, "keys", "replacement")
	return file, os.WriteFile(file, []byte(newBatcherKey), 0o600)
}

// inbox is everything in the inbox so far.
func inbox(ctx context.Context, c *chain, l1 *ethclient.Client) (types.Transactions, error) {
	tip, err := l1.BlockNumber(ctx)
	if err != nil {
		return nil, err
	}
	var all types.Transactions
	for number := uint64(1); number <= tip; number++ {
		block, err := l1.BlockByNumber(ctx, new(big.Int).SetUint64(number))
		if err != nil {
			return nil, err
		}
		for _, tx := range block.Transactions() {
			if to := tx.To(); to != nil && *to == c.inbox {
				all = append(all, tx)
			}
		}
	}
	return all, nil
}

// frame is one frame (docs/wire.md, "Frame").
func frame(id byte, number uint16, data []byte, last bool) []byte {
	out := bytes.Repeat([]byte{id}, 16)
	out = binary.BigEndian.AppendUint16(out, number)
	out = binary.BigEndian.AppendUint32(out, uint32(len(data)))
	out = append(out, data...)
	if last {
		return append(out, 1)
	}
	return append(out, 0)
}

// channel is a zlib stream of one RLP string for each batch.
func channel(batches ...[]byte) ([]byte, error) {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	for _, batch := range batches {
		if err := rlp.Encode(w, batch); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return out.Bytes(), err
}

// garbage is inbox data of the batcher itself that changes nothing: no version, unknown commitments, broken frames and channels, wrong batches.
// A well-formed commitment that nobody can serve is not among them: it stalls every deriver for good.
func garbage() ([][]byte, error) {
	noise := make([]byte, 100)
	if _, err := rand.Read(noise); err != nil {
		return nil, err
	}
	singular, err := rlp.EncodeToBytes([]any{common.Hash{1}, uint64(1), common.Hash{2}, uint64(time.Now().Unix()), [][]byte{{types.DepositTxType}}})
	if err != nil {
		return nil, err
	}
	wrong, err := channel(append([]byte{0}, singular...))
	if err != nil {
		return nil, err
	}
	unknown, err := channel([]byte{9, 9, 9}, nil, append([]byte{1}, noise...))
	if err != nil {
		return nil, err
	}
	with := func(version byte, parts ...[]byte) []byte { return append([]byte{version}, bytes.Join(parts, nil)...) }
	return [][]byte{
		{}, {0}, {1}, {2, 3, 4}, {1, 0}, {1, 1}, {1, 2, 3},
		with(1, []byte{0}, noise[:32]),
		with(0, noise),
		with(0, frame(1, 0, noise, true)),
		with(0, frame(2, 0, wrong, true)),
		with(0, frame(3, 0, unknown, true)),
		with(0, frame(4, 1, noise, true)),
		with(0, frame(5, 0, wrong, true), []byte{0}),
		with(0, frame(6, 0, wrong[:10], false), frame(6, 2, wrong[10:], true)),
		with(0, frame(7, 0, wrong[:10], false), frame(7, 1, wrong[10:], true)),
		with(0, frame(8, 0, wrong[:len(wrong)-6], true)),
		// Left open; the next channel replaces it.
		with(0, frame(9, 0, wrong[:10], false)),
	}, nil
}
