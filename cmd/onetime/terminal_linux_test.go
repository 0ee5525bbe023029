package main

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// dialogTime bounds how long a dialog waits for what it expects.
const dialogTime = time.Minute

// cmdTerminal runs onetime on a terminal of its own: see TestScripts.
func cmdTerminal(ts *testscript.TestScript, neg bool, args []string) {
	cmd := exec.Command("onetime")
	var err error
	for ; strings.HasPrefix(args[0], "-"); args = args[2:] {
		switch args[0] {
		case "-in":
			cmd.Stdin, err = os.Open(ts.MkAbs(args[1]))
		case "-out":
			cmd.Stdout, err = os.Create(ts.MkAbs(args[1]))
		default:
			ts.Fatalf("usage: terminal [-in FILE] [-out FILE] DIALOG CODE ARG...")
		}
		ts.Check(err)
	}
	dialog, code := ts.ReadFile(args[0]), args[1]
	cmd.Args = append(cmd.Args, args[2:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(commandEnvironment(ts), "TERM=xterm")
	t := newTerminal(ts, cmd)
	defer t.close()
	ts.Check(cmd.Start())
	late := time.AfterFunc(dialogTime, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	if err := t.hold(dialog); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		ts.Fatalf("%v", err)
	}
	err = cmd.Wait()
	if !t.echoes() {
		ts.Fatalf("the terminal is left as one that shows nothing")
	}
	got := "0"
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = exitCode(exit)
	}
	shown := strings.ReplaceAll(t.shownWhenClosed(), "\r\n", "\n")
	ts.Logf("[terminal]\n%s", shown)
	ts.Check(os.WriteFile(ts.MkAbs("terminal"), []byte(shown), 0o600))
	if got != code {
		ts.Fatalf("it exits with %s", got)
	}
}

// A terminal is a pseudo-terminal with somebody in front of it.
type terminal struct {
	control, tty *os.File
	ended        chan struct{} // closed when nothing more will be shown

	mu    sync.Mutex
	shown strings.Builder
	read  int // how much of it the dialog has met
}

// newTerminal makes a terminal, which a command has for its controlling one, and for those streams that it has not.
func newTerminal(ts *testscript.TestScript, cmd *exec.Cmd) *terminal {
	control, tty, err := pty.Open()
	ts.Check(err)
	if cmd.Stdin == nil {
		cmd.Stdin = tty
	}
	if cmd.Stdout == nil {
		cmd.Stdout = tty
	}
	cmd.Stderr = tty
	cmd.ExtraFiles = []*os.File{tty} // 3
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
	t := &terminal{control: control, tty: tty, ended: make(chan struct{})}
	go t.show()
	return t
}

func (t *terminal) show() {
	defer close(t.ended)
	buffer := make([]byte, 4096)
	for {
		n, err := t.control.Read(buffer)
		t.mu.Lock()
		t.shown.Write(buffer[:n])
		t.mu.Unlock()
		if err != nil { // nobody has it open any more
			return
		}
	}
}

func (t *terminal) shownWhenClosed() string {
	t.tty.Close()
	<-t.ended
	return t.shown.String()
}

func (t *terminal) close() {
	t.tty.Close()
	t.control.Close()
}

// hold does what the lines of a dialog say:
//
//	< TEXT   wait until the text is shown
//	> TEXT   type it, and the return key
//	* TEXT   wait until what is typed is not shown, then do so
//	^C       press control and the letter
func (t *terminal) hold(dialog string) error {
	for line := range strings.Lines(dialog) {
		kind, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		var err error
		switch {
		case kind == "<":
			err = t.until(func() bool { return t.met(text) }, "shows no "+text)
		case kind == ">":
			_, err = t.control.WriteString(text + "\n")
		case kind == "*":
			if err = t.until(func() bool { return !t.echoes() }, "shows what is typed"); err == nil {
				_, err = t.control.WriteString(text + "\n")
			}
		case strings.HasPrefix(kind, "^"):
			_, err = t.control.Write([]byte{kind[1] - '@'})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *terminal) met(text string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := strings.Index(t.shown.String()[t.read:], text)
	if i >= 0 {
		t.read += i + len(text)
	}
	return i >= 0
}

func (t *terminal) echoes() bool {
	state, err := unix.IoctlGetTermios(int(t.tty.Fd()), unix.TCGETS)
	return err != nil || state.Lflag&unix.ECHO != 0
}

func (t *terminal) until(is func() bool, otherwise string) error {
	for end := time.Now().Add(dialogTime); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.mu.Lock()
			defer t.mu.Unlock()
			return errors.New("the terminal " + otherwise + ":\n" + t.shown.String())
		}
	}
	return nil
}
