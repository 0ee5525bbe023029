package redistest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A Fault is what a Proxy does to a command.
type Fault int

// The faults.
const (
	CutBefore Fault = iota // the command does not arrive, and the connection breaks off
	CutAfter               // the command is executed, and the connection breaks off before its answer
	Hold                   // the command arrives late: when Release is called
)

func (f Fault) String() string { return [...]string{"cut before", "cut after", "hold"}[f] }

// A Proxy stands between a client and an engine, and does harm to one command. The commands with which a connection begins,
// and pings, do not count.
type Proxy struct {
	Address string

	to       string
	listener net.Listener

	mu       sync.Mutex
	conns    map[net.Conn]bool
	left     int // commands until the fault; negative for none
	fault    Fault
	hit      string // the command that it has met
	released chan struct{}
}

// StartProxy starts one before an engine, which ends with the test.
func StartProxy(t testing.TB, e *Engine) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Address: listener.Addr().String(), to: e.Address, listener: listener, conns: map[net.Conn]bool{}, left: -1, released: make(chan struct{})}
	go p.accept()
	t.Cleanup(func() {
		_ = listener.Close()
		p.Release()
		p.CutAll()
	})
	return p
}

// Arm has the proxy do harm to a command: the next one for 1, and so on.
func (p *Proxy) Arm(number int, fault Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left, p.fault, p.hit = number, fault, ""
	p.released = make(chan struct{})
}

// Met returns the name of the command that was met, "" for none.
func (p *Proxy) Met() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hit
}

// Disarm has the proxy do no harm, and returns what Met does.
func (p *Proxy) Disarm() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = -1
	return p.hit
}

// Release lets a command through that is held.
func (p *Proxy) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.released:
	default:
		close(p.released)
	}
}

// CutAll breaks all connections off.
func (p *Proxy) CutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		_ = conn.Close()
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		engine, err := net.Dial("tcp", p.to)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.keep(client, engine)
		go p.serve(client, engine)
	}
}

func (p *Proxy) keep(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		p.conns[conn] = true
	}
}

// serve passes commands on one after the other, and answers as they come.
func (p *Proxy) serve(client, engine net.Conn) {
	defer client.Close()
	defer engine.Close()
	answers := &gate{to: client}
	go func() {
		_, _ = io.Copy(answers, engine)
		_ = client.Close()
	}()
	for commands := bufio.NewReader(client); ; {
		command, name, err := readCommand(commands)
		if err != nil {
			return
		}
		fault, released, met := p.meet(name)
		switch {
		case met && fault == CutBefore:
			return
		case met && fault == CutAfter:
			answered := answers.shut()
			if _, err := engine.Write(command); err != nil {
				return
			}
			<-answered
			return
		case met && fault == Hold:
			go func() { _, _ = io.Copy(io.Discard, commands) }() // the client may leave meanwhile, and what it has sent still arrives
			<-released
			answered := answers.shut()
			if _, err := engine.Write(command); err == nil {
				<-answered
			}
			return
		}
		if _, err := engine.Write(command); err != nil {
			return
		}
	}
}

// meet counts a command, and tells whether it is the one.
func (p *Proxy) meet(name string) (fault Fault, released <-chan struct{}, met bool) {
	switch name {
	case "HELLO", "CLIENT", "PING", "AUTH", "SELECT":
		return 0, nil, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left <= 0 {
		return 0, nil, false
	}
	if p.left--; p.left > 0 {
		return 0, nil, false
	}
	p.hit = name
	return p.fault, p.released, true
}

// A gate passes answers until it is shut.
type gate struct {
	to       io.Writer
	mu       sync.Mutex
	answered chan struct{} // not nil once it is shut, and closed by the first answer after that
	once     sync.Once
}

func (g *gate) shut() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answered = make(chan struct{})
	return g.answered
}

func (g *gate) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.answered != nil {
		g.once.Do(func() { close(g.answered) })
		return 0, io.ErrClosedPipe
	}
	return g.to.Write(b)
}

// readCommand reads an array of strings, as clients send them.
func readCommand(r *bufio.Reader) (command []byte, name string, err error) {
	var b bytes.Buffer
	length := func(kind byte) (int, error) {
		line, err := r.ReadString('\n')
		if err != nil {
			return 0, err
		}
		b.WriteString(line)
		if line[0] != kind {
			return 0, fmt.Errorf("a command begins with %q", line[0])
		}
		return strconv.Atoi(strings.TrimSpace(line[1:]))
	}
	words, err := length('*')
	if err != nil {
		return nil, "", err
	}
	for i := range words {
		size, err := length('$')
		if err != nil {
			return nil, "", err
		}
		from := b.Len()
		if _, err := io.CopyN(&b, r, int64(size)+2); err != nil {
			return nil, "", err
		}
		if i == 0 {
			name = strings.ToUpper(string(b.Bytes()[from : from+size]))
		}
	}
	return b.Bytes(), name, nil
}
