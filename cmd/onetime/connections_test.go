package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// from is a connection from some address.
type from struct {
	net.Conn
	address string
	closed  chan struct{}
	once    sync.Once
}

func (f *from) RemoteAddr() net.Addr {
	if f.address == "" {
		return &net.UnixAddr{Net: "unix"}
	}
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(f.address))
}

func (f *from) Close() error {
	f.once.Do(func() { close(f.closed) })
	return nil
}

// callers is a listener whose peers are made up.
type callers chan *from

func (c callers) Accept() (net.Conn, error) {
	conn, ok := <-c
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (callers) Addr() net.Addr { return &net.TCPAddr{} }
func (callers) Close() error   { return nil }

func (c callers) call(address string) *from {
	conn := &from{address: address, closed: make(chan struct{})}
	c <- conn
	return conn
}

// TestConnectionsOfOneNetwork opens more than one network may have.
func TestConnectionsOfOneNetwork(t *testing.T) {
	arriving := make(callers, 1000)
	all := newConnections(40, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
	listener := all.over(arriving)
	accepted := func() *connection {
		t.Helper()
		conn, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return conn.(*connection)
	}
	var first *connection
	for i := range 10 { // whichever address of the /64
		arriving.call(fmt.Sprintf("[2001:db8::%x]:1", i))
		if conn := accepted(); first == nil {
			first = conn
		}
	}
	tooMany := arriving.call("[2001:db8::ffff]:1")
	arriving.call("[2001:db8:0:1::1]:1")
	if got := accepted(); got.RemoteAddr().String() != "[2001:db8:0:1::1]:1" {
		t.Errorf("%v is accepted", got.RemoteAddr())
	}
	<-tooMany.closed
	for _, exempt := range []string{"10.1.2.3:1", "127.0.0.1:1", ""} {
		for range 11 {
			arriving.call(exempt)
			accepted()
		}
	}
	first.Close()
	first.Close() // which gives its place back once
	arriving.call("[2001:db8::ffff]:2")
	if got := accepted(); got.RemoteAddr().String() != "[2001:db8::ffff]:2" {
		t.Errorf("%v is accepted", got.RemoteAddr())
	}
	if open, refused := all.counted(); open > 40 || refused == 0 {
		t.Errorf("%d are open, %d refused", open, refused)
	}
	close(arriving)
	if _, err := listener.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept returns %v", err)
	}
}

// bounded serves with at most most connections.
func bounded(t *testing.T, most int, handler http.Handler) (all *connections, address string) {
	t.Helper()
	all = newConnections(most, nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: all.unlessEvicted(handler), ConnState: all.state, ConnContext: withConnection}
	go s.Serve(all.over(listener))
	t.Cleanup(func() { s.Close() })
	return all, listener.Addr().String()
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// get asks on a connection that stays open, and returns the body.
func get(t *testing.T, conn net.Conn) string {
	t.Helper()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestConnectionsMakeRoom fills all places with connections that ask for nothing, before and after a request.
func TestConnectionsMakeRoom(t *testing.T) {
	all, address := bounded(t, 8, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") }))
	oldest := dial(t, address)
	get(t, oldest)
	for range 50 {
		dial(t, address)
	}
	for range 50 {
		if body := get(t, dial(t, address)); body != "ok" {
			t.Fatalf("the answer is %q", body)
		}
	}
	if _, err := oldest.Read(make([]byte, 1)); err == nil {
		t.Error("the connection that waited longest stays open")
	}
	if open, _ := all.counted(); open > 8 {
		t.Errorf("%d are open", open)
	}
}

// TestConnectionsInWork fills all places with requests. None of them loses its place, and the next one waits.
func TestConnectionsInWork(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	all, address := bounded(t, 8, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-release
		io.WriteString(w, "ok")
	}))
	var answered sync.WaitGroup
	for range 8 {
		conn := dial(t, address)
		answered.Go(func() {
			if body := get(t, conn); body != "ok" {
				t.Errorf("the answer is %q", body)
			}
		})
		<-entered
	}
	next := dial(t, address)
	fmt.Fprint(next, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	select {
	case <-entered:
		t.Error("a ninth request is in work")
	case <-time.After(50 * time.Millisecond): // it can only be too short to see the mistake
	}
	close(release)
	<-entered
	answered.Wait()
	response, err := http.ReadResponse(bufio.NewReader(next), nil)
	if err != nil || response.StatusCode != 200 {
		t.Errorf("then it is answered %v, %v", response, err)
	}
	if _, refused := all.counted(); refused > 1 { // one may have made room for the ninth when it was done
		t.Errorf("%d were refused", refused)
	}
}

// TestEvictedIsNotHandled lets a request arrive on a connection that was given up meanwhile: what it would consume could
// not be sent.
func TestEvictedIsNotHandled(t *testing.T) {
	all := newConnections(8, nil)
	conn := &connection{Conn: &from{address: "192.0.2.1:1", closed: make(chan struct{})}, all: all}
	all.take(conn)
	all.mu.Lock()
	all.evict(conn)
	all.mu.Unlock()
	all.state(conn, http.StateActive)
	r, _ := http.NewRequest("POST", "/", strings.NewReader(""))
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("it panics with %v", p)
		}
	}()
	all.unlessEvicted(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it is handled") })).
		ServeHTTP(nil, r.WithContext(withConnection(t.Context(), conn)))
}

// TestStreamsTakePlaces sends requests side by side on one connection of HTTP/2, each of which takes what a connection takes.
func TestStreamsTakePlaces(t *testing.T) {
	entered, release := make(chan struct{}, 8), make(chan struct{})
	all := newConnections(8, nil)
	s := httptest.NewUnstartedServer(all.unlessEvicted(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case entered <- struct{}{}:
			<-release
		default: // it is one too many, and answered
		}
	})))
	s.EnableHTTP2 = true
	s.Listener = all.over(s.Listener)
	s.Config.ConnState, s.Config.ConnContext = all.state, withConnection
	s.StartTLS()
	defer s.Close()
	defer close(release)
	answers := make(chan error)
	ask := func() {
		response, err := s.Client().Get(s.URL)
		if err == nil {
			response.Body.Close()
		}
		answers <- err
	}
	for range 2 { // places come back
		go ask()
		entered <- <-entered // so that there is a connection for the others
		for range 12 {
			go ask()
		}
		for range 5 {
			if err := <-answers; err == nil {
				t.Fatal("a ninth request is in work")
			}
		}
		if open, _ := all.counted(); open != 1 {
			t.Errorf("%d connections are open", open)
		}
		for range 8 {
			release <- struct{}{}
			<-entered
			if err := <-answers; err != nil {
				t.Error(err)
			}
		}
	}
	if _, refused := all.counted(); refused != 10 {
		t.Errorf("%d were refused", refused)
	}
}

// TestStreamsOfOneNetwork counts requests side by side for their network, whichever of its connections they are on.
func TestStreamsOfOneNetwork(t *testing.T) {
	all := newConnections(16, nil)
	connect := func(address string) *connection {
		t.Helper()
		conn := &connection{Conn: &from{address: address, closed: make(chan struct{})}, all: all}
		if !all.take(conn) {
			t.Fatalf("%s gets no connection", address)
		}
		all.state(conn, http.StateActive)
		return conn
	}
	one, two, other := connect("192.0.2.1:1"), connect("192.0.2.1:2"), connect("192.0.2.2:1")
	for i, step := range []struct {
		conn *connection
		want bool
	}{{one, true}, {one, true}, {two, true}, {two, true}, {one, false}, {two, false}, {other, true}, {other, true}} {
		if got := all.begin(step.conn); got != step.want {
			t.Fatalf("step %d: %v", i, got)
		}
	}
	one.Close() // its two requests go on, one of which has the place of the connection
	all.end(one)
	all.end(one)
	for _, want := range []bool{true, true, false} {
		if all.begin(two) != want {
			t.Error("the places do not come back")
		}
	}
	for range 4 {
		all.end(two)
	}
	two.Close()
	for range 2 {
		all.end(other)
	}
	other.Close()
	if len(all.networks) != 0 || all.open != 0 || all.beside != 0 {
		t.Errorf("what is left: %v, %d, %d", all.networks, all.open, all.beside)
	}
}

// TestConnectionsClose ends the waiting of one that has no room.
func TestConnectionsClose(t *testing.T) {
	arriving := make(callers, 2)
	all := newConnections(1, nil)
	listener := all.over(arriving)
	arriving.call("192.0.2.1:1")
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	all.state(conn, http.StateActive)
	refused := arriving.call("192.0.2.2:1")
	done := make(chan struct{})
	go func() {
		defer close(done)
		listener.Accept()
	}()
	listener.Close()
	<-refused.closed
	close(arriving)
	<-done
}
