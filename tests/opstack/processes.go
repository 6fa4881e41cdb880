package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// How long a process may take to answer or to stop; both take seconds on an idle machine.
const patience = 60 * time.Second

// process is a child with a log file, ended by its own id.
type process struct {
	name  string
	cmd   *exec.Cmd
	ended chan struct{}
}

// start runs a program in the background; its output goes to <logs>/<name>.log.
func start(logs, name, program string, args ...string) (*process, error) {
	log, err := os.OpenFile(filepath.Join(logs, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	// Nothing survives us, even if we are killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// stop asks the process to end, waits, and kills it if it does not.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// stack is what runs for one chain; it ends in the reverse order of its start.
type stack struct {
	logs      string
	processes []*process
}

func (s *stack) start(name, program string, args ...string) (*process, error) {
	p, err := start(s.logs, name, program, args...)
	if err == nil {
		s.processes = append(s.processes, p)
	}
	return p, err
}

func (s *stack) stopAll() {
	for i := len(s.processes) - 1; i >= 0; i-- {
		s.processes[i].stop()
	}
	s.processes = nil
}

// check fails if a process has ended by itself; those stopped on purpose are not in the list any more.
func (s *stack) check() error {
	for _, p := range s.processes {
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended: %s; see %s/%s.log", p.name, p.cmd.ProcessState, s.logs, p.name)
		default:
		}
	}
	return nil
}

// stop ends one process and forgets it.
func (s *stack) stop(p *process) {
	p.stop()
	for i, other := range s.processes {
		if other == p {
			s.processes = append(s.processes[:i], s.processes[i+1:]...)
			return
		}
	}
}

// until asks once a quarter second until `done` says yes; what it waits for is named when time is up or a process ends.
func (s *stack) until(what string, limit time.Duration, done func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var last error
	for {
		ok, err := done(ctx)
		if ok && err == nil {
			return nil
		}
		if err != nil {
			last = err
		}
		if err := s.check(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %s (last error: %v); logs in %s", what, limit, last, s.logs)
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// untilLive waits for a role's /livez.
func (s *stack) untilLive(name, url string) error {
	return s.until(name+" answers", patience, func(ctx context.Context) (bool, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/livez", nil)
		if err != nil {
			return false, err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false, err
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK, nil
	})
}

// freePort is a loopback port nobody has now.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
