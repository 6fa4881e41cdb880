package main

import (
	"context"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/ethclient"
)

// beacon is what op-node needs of a beacon node, over anvil: anvil keeps the blobs of a block under its number and has no slots. Here a
// slot is a second since 1970, so that a block's slot is its timestamp.
type beacon struct {
	anvil string
	l1    *ethclient.Client
}

// slotSecs is what op-node is told with --l1.beacon.slot-duration-override.
const slotSecs = "1"

// serveBeacon serves until the program ends and returns the URL.
func serveBeacon(anvil string, l1 *ethclient.Client) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	b := &beacon{anvil, l1}
	mux := http.NewServeMux()
	answer := func(path, body string) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, body)
		})
	}
	answer("/eth/v1/node/version", `{"data":{"version":"anvil"}}`)
	answer("/eth/v1/beacon/genesis", `{"data":{"genesis_time":"0"}}`)
	mux.HandleFunc("GET /eth/v1/beacon/blobs/{slot}", b.blobs)
	go func() { _ = http.Serve(listener, mux) }()
	return "http://" + listener.Addr().String(), nil
}

func (b *beacon) blobs(w http.ResponseWriter, r *http.Request) {
	slot, err := strconv.ParseUint(r.PathValue("slot"), 10, 64)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	number, err := b.blockAt(r.Context(), slot)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	hashes := strings.Join(r.URL.Query()["versioned_hashes"], ",")
	url := fmt.Sprintf("%s/eth/v1/beacon/blobs/%d?versioned_hashes=%s", b.anvil, number, hashes)
	request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, url, nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer response.Body.Close()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(response.StatusCode)
	_, _ = io.Copy(w, response.Body)
}

// blockAt finds the L1 block of a timestamp, newest first.
func (b *beacon) blockAt(ctx context.Context, timestamp uint64) (uint64, error) {
	number, err := b.l1.BlockNumber(ctx)
	for ; err == nil; number-- {
		header, headerErr := b.l1.HeaderByNumber(ctx, new(big.Int).SetUint64(number))
		if headerErr != nil {
			return 0, headerErr
		}
		if header.Time == timestamp {
			return number, nil
		}
		if header.Time < timestamp || number == 0 {
			return 0, fmt.Errorf("no block at %d", timestamp)
		}
	}
	return 0, err
}
