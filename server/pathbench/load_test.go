package pathbench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A job is what the load generator is to do: to share Count secrets through Callers connections, and to reveal them.
type job struct {
	Address string
	PID     int // of the server, whose time on the processors is measured
	Callers int
	Count   int
	// Keys are those of Count secrets that were shared already. They are only revealed.
	Keys []string
}

// A phase is what came of one half of a job.
type phase struct {
	PerSecond float64
	CPU       time.Duration // of the server, for each operation
	P50, P99  time.Duration
}

// A result is what came of a job.
type result struct {
	Share, Reveal phase
}

// load has another process do a job.
func load(b testing.TB, j job) result {
	b.Helper()
	r, err := tryLoad(j)
	if err != nil {
		b.Fatalf("the load generator: %v", err)
	}
	return r
}

func tryLoad(j job) (r result, err error) {
	text, err := json.Marshal(j)
	if err != nil {
		return r, err
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), partEnv+"=load")
	cmd.Stdin = bytes.NewReader(text)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("%w: %s", err, complaint.Bytes())
	}
	return r, json.Unmarshal(out, &r)
}

// generateLoad is what the other process does.
func generateLoad(in io.Reader, out io.Writer) error {
	var j job
	if err := json.NewDecoder(in).Decode(&j); err != nil {
		return err
	}
	callers := make([]*caller, j.Callers)
	for i := range callers {
		conn, err := net.Dial("tcp", j.Address)
		if err != nil {
			return err
		}
		defer conn.Close()
		callers[i] = &caller{conn: conn, read: bufio.NewReader(conn)}
	}
	var r result
	var err error
	if len(j.Keys) == 0 {
		j.Keys = make([]string, j.Count)
		if r.Share, err = j.run(callers, func(c *caller, i int) (err error) {
			j.Keys[i], err = c.share(i)
			return err
		}); err != nil {
			return fmt.Errorf("share: %w", err)
		}
	}
	if r.Reveal, err = j.run(callers, func(c *caller, i int) error { return c.reveal(j.Keys[i], i) }); err != nil {
		return fmt.Errorf("reveal: %w", err)
	}
	return json.NewEncoder(out).Encode(r)
}

// run has all callers do the operations, whichever is free the next one.
func (j job) run(callers []*caller, do func(*caller, int) error) (phase, error) {
	var next atomic.Int64
	var wait sync.WaitGroup
	errs := make([]error, len(callers))
	took := make([][]time.Duration, len(callers))
	before, start := cpuTime(j.PID), time.Now()
	for n, c := range callers {
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < j.Count; i = int(next.Add(1)) - 1 {
				began := time.Now()
				if errs[n] = do(c, i); errs[n] != nil {
					return
				}
				took[n] = append(took[n], time.Since(began))
			}
		})
	}
	wait.Wait()
	elapsed, cpu := time.Since(start), cpuTime(j.PID)-before
	if err := errors.Join(errs...); err != nil {
		return phase{}, err
	}
	all := slices.Sorted(slices.Values(slices.Concat(took...)))
	return phase{
		PerSecond: float64(j.Count) / elapsed.Seconds(),
		CPU:       cpu / time.Duration(j.Count),
		P50:       all[len(all)/2],
		P99:       all[len(all)*99/100],
	}, nil
}

// A caller is a connection, and speaks just enough HTTP to cost next to nothing: it runs on the processors that the server
// needs.
type caller struct {
	conn  net.Conn
	read  *bufio.Reader
	write []byte
	body  []byte
}

const secretLength = 200

// secretOf is the text of a secret, which differs from all others.
func secretOf(i int) string {
	number := strconv.Itoa(i) + " "
	return number + strings.Repeat("x", secretLength-len(number))
}

func (c *caller) share(i int) (key string, err error) {
	if err := c.post("share", "secret="+strings.Replace(secretOf(i), " ", "+", 1)); err != nil {
		return "", err
	}
	return c.field("secret_key")
}

func (c *caller) reveal(key string, i int) error {
	if err := c.post("secret/"+key, ""); err != nil {
		return err
	}
	value, err := c.field("value")
	if err == nil && value != secretOf(i) {
		err = errors.New("the value is another one")
	}
	return err
}

// post sends a form and reads the answer, which must be a 200, into c.body.
func (c *caller) post(path, form string) error {
	c.write = fmt.Appendf(c.write[:0], "POST /api/v1/%s HTTP/1.1\r\nHost: localhost\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", path, len(form), form)
	if _, err := c.conn.Write(c.write); err != nil {
		return err
	}
	status, err := c.read.ReadSlice('\n')
	if err != nil {
		return err
	}
	ok := bytes.HasPrefix(status, []byte("HTTP/1.1 200 "))
	length := -1
	for {
		line, err := c.read.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= len("\r\n") {
			break
		}
		if value, found := bytes.CutPrefix(line, []byte("Content-Length: ")); found {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return errors.New("the answer has no Content-Length")
	}
	c.body = slices.Grow(c.body[:0], length)[:length]
	if _, err := io.ReadFull(c.read, c.body); err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("the answer is no 200: %s", c.body)
	}
	return nil
}

// field returns a field of the answer, a text without escapes.
func (c *caller) field(name string) (string, error) {
	_, rest, found := bytes.Cut(c.body, []byte(`"`+name+`":"`))
	text, _, ended := bytes.Cut(rest, []byte(`"`))
	if !found || !ended {
		return "", fmt.Errorf("the answer has no %s", name)
	}
	return string(text), nil
}

// TestLoad holds that both servers give the answers that are measured, and that the load generator looks at them.
func TestLoad(t *testing.T) {
	const few = 64
	for name, server := range map[string]process{"real": startReal(t, program(t), t.TempDir()), "bare": startBare(t)} {
		j := job{Address: server.address, PID: server.pid, Callers: 4, Count: few}
		if r := load(t, j); r.Share.PerSecond <= 0 || r.Reveal.PerSecond <= 0 || r.Reveal.P99 < r.Reveal.P50 {
			t.Errorf("%s: %+v", name, r)
		}
		j.Keys = make([]string, few)
		for i := range j.Keys {
			j.Keys[i] = strings.Repeat("0", 31)
		}
		if _, err := tryLoad(j); err == nil || !strings.Contains(err.Error(), "no 200") {
			t.Errorf("%s: unknown keys are revealed: %v", name, err)
		}
	}
}
