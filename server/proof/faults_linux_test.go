package proof

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A fault is an error that strace makes of system calls: of those of its kind, the nth or, with "1+", all.
type fault struct {
	call, errno string
	when        string
}

// inject makes calls of a server fail that write to its database, or sync it, until stop is called, which tells how many did.
func (p *process) inject(t testing.TB, folder string, f fault) (stop func() (injected int)) {
	t.Helper()
	needTool(t, "strace")
	file := filepath.Join(t.TempDir(), "trace")
	database := filepath.Join(folder, databaseFile)
	tracer := exec.Command("strace", "-f", "-p", strconv.Itoa(p.cmd.Process.Pid), "-o", file,
		"-P", database, "-P", database+"-wal", "-e", "trace="+f.call,
		"-e", fmt.Sprintf("inject=%s:error=%s:when=%s", f.call, f.errno, f.when))
	stderr, err := tracer.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := tracer.Start(); err != nil {
		t.Fatal(err)
	}
	attached := make(chan bool, 1)
	said := make(chan string, 1)
	go func() {
		var all strings.Builder
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			all.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), "attached") {
				select {
				case attached <- true:
				default:
				}
			}
		}
		select {
		case attached <- false:
		default:
		}
		said <- all.String()
	}()
	if !<-attached {
		_ = tracer.Wait()
		t.Fatalf("strace does not attach: %s", <-said)
	}
	return func() int {
		if err := tracer.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		<-said
		_ = tracer.Wait() // it ends with the signal
		trace, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(trace), "(INJECTED)")
	}
}

// steady is a command for the real server in which a goroutine that comes back from a system call finds a processor, and so
// stays in its thread: strace counts the calls of each thread.
func steady(t testing.TB, folder string) *exec.Cmd {
	cmd := real(t, folder)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=16")
	return cmd
}

// TestFaults has each write and each sync of a share, a reveal and a burn fail in turn. The caller gets 500, or what the answer
// says has happened; a value comes once, or not at all where that was in doubt; and the same process goes on, as does
// one that is started after it was killed.
func TestFaults(t *testing.T) {
	folder := t.TempDir()
	p := start(t, steady(t, folder))
	j := &journal{faults: true, longest: 1500}
	fresh := func() *entry {
		t.Helper()
		before := len(j.entries)
		if err := j.share(p.api, random()); err != nil || len(j.entries) == before {
			t.Fatalf("it does not heal: %v %v\n%s", err, j.problems, p.logged())
		}
		return j.entries[before]
	}
	operations := []struct {
		name string
		do   func(*entry) error
	}{
		{"share", func(*entry) error { return j.share(p.api, random()) }},
		{"reveal", func(e *entry) error { return j.reveal(p.api, e) }},
		{"burn", func(e *entry) error { return j.burn(p.api, e) }},
	}
	hits := map[string]int{}
	for _, operation := range operations {
		try := func(f fault) (hit bool) {
			t.Helper()
			e := fresh()
			failed := j.failed
			stop := p.inject(t, folder, f)
			err := operation.do(e)
			hit = stop() > 0
			if err != nil {
				t.Fatalf("%s, %v: %v\n%s", operation.name, f, err, p.logged())
			}
			if hit {
				hits[operation.name+" "+f.call]++
			}
			if !hit && j.failed > failed {
				t.Errorf("%s failed without a fault", operation.name)
			}
			if f.when == "1+" && hit && j.failed == failed {
				t.Errorf("%s, %v: it was answered as if nothing had happened", operation.name, f)
			}
			j.faults = false
			if err := j.settle(p.api, e.number); err != nil {
				t.Fatal(err)
			}
			j.faults = true
			return hit
		}
		for _, f := range []fault{{"pwrite64", "EIO", ""}, {"pwrite64", "ENOSPC", ""}, {"fsync", "EIO", ""}} {
			for n, misses := 1, 0; misses < 2; n += scale(7, 1) {
				f.when = strconv.Itoa(n)
				if !try(f) {
					misses++
				}
			}
			f.when = "1+"
			try(f)
		}
	}
	t.Logf("faults: %v; %d requests were answered 500", hits, j.failed)
	for _, operation := range operations {
		for _, call := range []string{"pwrite64", "fsync"} {
			if hits[operation.name+" "+call] == 0 {
				t.Errorf("no %s of a %s has failed: the test tests nothing", call, operation.name)
			}
		}
	}
	p.kill()
	p = start(t, real(t, folder))
	j.faults = false
	if err := j.settle(p.api, 0); err != nil {
		t.Fatal(err)
	}
	j.wantHeld(t)
}

// TestFaultsOfAFirstStart has calls of a first start fail. The server ends with a message, or serves; and the next one makes
// up for what is missing.
func TestFaultsOfAFirstStart(t *testing.T) {
	kinds := []string{"pwrite64", "write", "fsync", "mkdirat", "linkat", "unlinkat", "ftruncate", "openat"}
	refused := 0
	for _, kind := range kinds {
		for n, misses := 1, 0; misses < 1; n += scale(11, 1) {
			folder := filepath.Join(t.TempDir(), "data")
			trace := filepath.Join(t.TempDir(), "trace")
			cmd := traced(t, real(t, folder), "-o", trace, "-e", "trace="+kind,
				"-e", fmt.Sprintf("inject=%s:error=EIO:when=%d", kind, n))
			p, serving := launch(t, cmd)
			select {
			case <-p.ended:
				if refused++; p.err == nil || p.logged() == "" && kind != "write" { // which is how it would say so
					t.Errorf("%s %d: it ended with %v: %q", kind, n, p.err, p.logged())
				}
			case <-serving:
			}
			p.kill()
			data, err := os.ReadFile(trace)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(data), "(INJECTED)") {
				misses++
			}
			p = start(t, real(t, folder))
			shared := must(t, 200)(p.share("the value", ""))
			p.kill()
			p = start(t, real(t, folder))
			if r := must(t, 200)(p.reveal(shared.SecretKey, "")); r.Value != "the value" {
				t.Errorf("%s %d: another value came", kind, n)
			}
			p.kill()
		}
	}
	if refused == 0 {
		t.Error("no start has failed: the test tests nothing")
	}
	t.Logf("%d starts ended with an error", refused)
}
