package main

import (
	"container/list"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
)

// connections bounds how many connections there are, in all and of one network, so that whoever opens many, or sends
// slowly, takes neither the memory nor the place of others:
//
//   - One network has a quarter of all at most; one more is closed. Proxies that are trusted speak for many, and so may
//     what comes from this machine: they are exempt.
//   - Where all are taken, the one that has been waiting longest for a request is closed for a new one.
//   - Where all have a request in work, a new one waits.
//   - A request beside others on a connection of HTTP/2 takes a place as another connection does, and is dropped where there is
//     none: it holds as much memory.
//
// A request on a connection that was closed for another is not handled: nobody would get its answer.
type connections struct {
	most, ofNetwork int
	exempt          []netip.Prefix

	mu       sync.Mutex
	room     *sync.Cond
	networks map[netip.Prefix]int
	waiting  *list.List // *connection, those that wait for a request, the longest first
	open     int
	beside   int // requests beside others on their connection
	refused  uint64
	closed   bool
}

func newConnections(most int, exempt []netip.Prefix) *connections {
	c := &connections{most: most, ofNetwork: max(most/4, 1), exempt: exempt, networks: map[netip.Prefix]int{}, waiting: list.New()}
	c.room = sync.NewCond(&c.mu)
	return c
}

// A connection is one of them. Its state is guarded by the mutex of all.
type connection struct {
	net.Conn
	all     *connections
	network netip.Prefix // of a peer that counts
	counts  bool
	place   *list.Element // among those that wait; nil while a request is in work
	inWork  int           // requests
	evicted bool
	gone    bool
}

// counts returns what a peer counts for, and false for one that is exempt.
func (c *connections) counts(peer net.Addr) (netip.Prefix, bool) {
	network, ok := networkOf(peer)
	ok = ok && !network.Addr().IsLoopback()
	for _, exempt := range c.exempt {
		ok = ok && !exempt.Contains(network.Addr())
	}
	return network, ok
}

// RemoteAddr is the peer's address. Peers on a unix socket have none, and count as this machine: so a proxy there is trusted
// by 127.0.0.1/32.
func (conn *connection) RemoteAddr() net.Addr {
	if peer, ok := conn.Conn.RemoteAddr().(*net.TCPAddr); ok {
		return peer
	}
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}
}

// CloseWrite lets net/http say that it has nothing more to say, so that a client that is still sending reads its answer.
func (conn *connection) CloseWrite() error {
	if half, ok := conn.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// take gives a new connection its place, or returns false if its network has too many.
func (c *connections) take(conn *connection) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	conn.network, conn.counts = c.counts(conn.Conn.RemoteAddr())
	if conn.counts && c.networks[conn.network] >= c.ofNetwork {
		c.refused++
		return false
	}
	for !c.makeRoom() && !c.closed {
		c.room.Wait()
	}
	if c.closed {
		return false
	}
	c.open++
	c.count(conn, 1)
	conn.place = c.waiting.PushBack(conn)
	return true
}

// makeRoom tells whether there is a place, for which it may close a connection that waits for a request.
func (c *connections) makeRoom() bool {
	if first := c.waiting.Front(); first != nil && c.open+c.beside >= c.most {
		c.evict(first.Value.(*connection))
	}
	return c.open+c.beside < c.most
}

// count adds to the places that the network of a connection has.
func (c *connections) count(conn *connection, n int) {
	if !conn.counts {
		return
	}
	if c.networks[conn.network] += n; c.networks[conn.network] == 0 {
		delete(c.networks, conn.network)
	}
}

// begin gives a request its place, or returns false if it is to be dropped. The first on a connection has the connection's.
func (c *connections) begin(conn *connection) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case conn.evicted:
		return false
	case conn.inWork == 0:
		conn.inWork++
		return true
	case conn.counts && c.networks[conn.network] >= c.ofNetwork, !c.makeRoom(), conn.evicted: // its client has given the others up
		c.refused++
		return false
	}
	conn.inWork++
	c.beside++
	c.count(conn, 1)
	return true
}

// end gives the place of a request back.
func (c *connections) end(conn *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if conn.inWork--; conn.inWork == 0 {
		return
	}
	c.beside--
	c.count(conn, -1)
	c.room.Signal()
}

// evict closes a connection that waits for a request.
func (c *connections) evict(conn *connection) {
	conn.evicted = true
	c.refused++
	c.leave(conn)
	go conn.Conn.Close() // which may take a while
}

// leave gives the place of a connection back, once.
func (c *connections) leave(conn *connection) {
	if conn.gone {
		return
	}
	conn.gone = true
	c.stopWaiting(conn)
	c.open--
	c.count(conn, -1)
	c.room.Signal()
}

func (c *connections) stopWaiting(conn *connection) {
	if conn.place != nil {
		c.waiting.Remove(conn.place)
		conn.place = nil
	}
}

// Close closes the connection, and gives its place to another.
func (conn *connection) Close() error {
	conn.all.mu.Lock()
	conn.all.leave(conn)
	conn.all.mu.Unlock()
	return conn.Conn.Close()
}

// state follows what net/http tells of a connection. It is the ConnState of the http.Server.
func (c *connections) state(conn net.Conn, state http.ConnState) {
	ours := connectionOf(conn)
	if ours == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case ours.gone:
	case state == http.StateActive:
		c.stopWaiting(ours)
	case state == http.StateIdle && ours.place == nil:
		ours.place = c.waiting.PushBack(ours)
		c.room.Signal() // who waits may evict it
	}
}

func connectionOf(conn net.Conn) *connection {
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	ours, _ := conn.(*connection)
	return ours
}

type connectionKey struct{}

// withConnection is the ConnContext of the http.Server.
func withConnection(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, connectionOf(conn))
}

// unlessEvicted drops requests that came too late, or for which there is no place. By the time that a handler is called,
// net/http has told of the state.
func (c *connections) unlessEvicted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, _ := r.Context().Value(connectionKey{}).(*connection); conn != nil {
			if !c.begin(conn) {
				panic(http.ErrAbortHandler)
			}
			defer c.end(conn)
		}
		next.ServeHTTP(w, r)
	})
}

// counted returns how many connections are open, and how many, or requests on them, were refused or closed for want of room so far.
func (c *connections) counted() (open int, refused uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open, c.refused
}

// over returns a listener whose connections are bounded. Several share the bounds.
func (c *connections) over(listener net.Listener) net.Listener {
	return &boundedListener{listener, c}
}

type boundedListener struct {
	net.Listener
	all *connections
}

func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		conn := &connection{Conn: accepted, all: l.all}
		if l.all.take(conn) {
			return conn, nil
		}
		accepted.Close()
	}
}

// Close ends the waiting of Accept, too.
func (l *boundedListener) Close() error {
	l.all.mu.Lock()
	l.all.closed = true
	l.all.room.Broadcast()
	l.all.mu.Unlock()
	return l.Listener.Close()
}
