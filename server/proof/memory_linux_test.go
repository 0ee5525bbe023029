package proof

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/onetime-go/onetime/server/vault"
)

// closeEnv makes of the test program a server that is closed, and stays, when a line comes in.
const closeEnv = "ONETIME_PROOF_CLOSE"

// serveAndClose serves a folder until a line comes in, closes all, says so, and waits for the end of the input.
func serveAndClose(folder string) error {
	store, s, err := serveFolder(folder, func(s vault.Store) vault.Store { return s })
	if err != nil {
		return err
	}
	in := bufio.NewReader(os.Stdin)
	_, _ = in.ReadString('\n')
	s.Close()
	if err := store.Close(); err != nil {
		return err
	}
	for range 3 { // what is in pools goes with the second
		runtime.GC()
	}
	debug.FreeOSMemory()
	fmt.Fprintln(os.Stderr, `{"msg": "closed"}`)
	_, err = io.Copy(io.Discard, in)
	return err
}

// memory calls look with what a process has in memory, piece by piece, as it would stand in a core dump.
func memory(t testing.TB, process int, look func([]byte)) {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", process))
	if err != nil {
		t.Fatal(err)
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", process))
	if err != nil {
		t.Skipf("the memory of a process cannot be read here: %v", err)
	}
	defer mem.Close()
	const piece, overlap = 1 << 20, 1 << 10
	buffer, zeros := make([]byte, piece+overlap), make([]byte, piece+overlap)
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err != nil || mode[0] != 'r' || strings.Contains(line, "[v") {
			continue
		}
		for at := from; at < to; at += piece {
			n, _ := mem.ReadAt(buffer[:min(piece+overlap, to-at)], at) // a page that is not there ends it
			if !bytes.Equal(buffer[:n], zeros[:n]) {                   // most of it
				look(buffer[:n])
			}
		}
	}
}

// count counts markers in what a process has in memory.
func count(t testing.TB, process int, markers map[string]string) map[string]int {
	t.Helper()
	found := map[string]int{}
	memory(t, process, func(data []byte) {
		for name, marker := range markers {
			if times := bytes.Count(data, []byte(marker)); times > 0 {
				found[name] += times
			}
		}
	})
	return found
}

// TestMemoryAfterClose looks for markers in the memory of a server that was closed, where Go overwrites what it frees. It
// finds them while the server runs.
func TestMemoryAfterClose(t *testing.T) {
	cmd := exec.Command(os.Args[0], t.TempDir())
	cmd.Env = append(os.Environ(), closeEnv+"=1", "GODEBUG=clobberfree=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	p := start(t, cmd)
	wrong := fmt.Sprint("MARKER-WRONG-", rand.Uint64()) // which is not in the text of this program, which the server is, too
	markers := map[string]string{"wrong passphrase": wrong}
	for n := range 4 {
		value, passphrase := fmt.Sprintf("MARKER-VALUE-%d-", n), fmt.Sprintf("MARKER-PASSPHRASE-%d-", n)
		shared := must(t, 200)(p.share(value+strings.Repeat("v", 1200*n), passphrase))
		must(t, 404)(p.reveal(shared.SecretKey, wrong))
		if n > 0 { // the first one stays
			must(t, 200)(p.reveal(shared.SecretKey, passphrase))
		}
		markers[fmt.Sprint("value ", n)] = value
		markers[fmt.Sprint("passphrase ", n)] = passphrase
		markers[fmt.Sprint("secret key ", n)] = shared.SecretKey
		markers[fmt.Sprint("receipt key ", n)] = shared.Key
	}
	if found := count(t, cmd.Process.Pid, markers); len(found) == 0 {
		t.Error("a server that runs has no markers in memory: the test tests nothing")
	}
	fmt.Fprintln(in)
	<-p.said("closed")
	for name, times := range count(t, cmd.Process.Pid, markers) {
		t.Errorf("%s: %d copies", name, times)
	}
}
