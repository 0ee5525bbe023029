// Package redisstore keeps a vault's records in Redis or Valkey, for more than one server: alone, with replicas under
// Sentinel, or as a Cluster.
//
// One machine is served better by package sqlitestore, which needs no engine beside it, and erases what it deletes.
//
//	config, err := redisstore.ParseURL("redis+sentinel://10.0.0.1,10.0.0.2,10.0.0.3/main")
//	if err != nil {
//		return err
//	}
//	config.Password = password
//	store, err := redisstore.Open(ctx, config)
//	if err != nil {
//		return err
//	}
//	defer store.Close()
//
// # Steps
//
// Everything that changes a secret is one script on the engine, which does all of it or nothing. The ids of a secret and
// its receipt begin with the same two characters, which are the hash tag of all that the script touches, so that it is in
// one slot of a Cluster. Nothing is ever searched for: each of the 1,296 tags has indexes of what expires in it. The list
// of an account's receipts and the quota of an owner are in other slots, and written before the secret; what they say of a
// secret that was not stored after all means nothing.
//
// Of the time that a server gives and the engine's own, the later one decides whether a secret has expired. A sweep goes by
// the server's. Open refuses an engine whose clock is more than 30 seconds from this machine's.
//
// # What is durable
//
// Config.Durability says what a write that returned nil has survived. With Primary it is in the memory of one engine, and
// gone if that one fails before it has written it to disk or to a replica: a secret that was shared is lost, and one that
// was revealed can be there again. The page docs/stores.md has numbers for each setting, and what a failover does.
//
// A write whose answer is lost is not made again. The store reads back what became of it, by the claim's id or the receipt,
// for as long as a call may take. What it cannot find out it returns as vault.ErrInDoubt.
//
// # What is erased
//
// A value that is deleted is freed in the engine's memory, and not overwritten. Its append-only file holds it until it is
// next rewritten, snapshots until they are replaced, and so do those of replicas. All of it is sealed: it opens only with
// the server key and the secret's link, receipt or account, see package vault.
//
// # The client
//
// It is valkey-go. Its connections pipeline the commands of many callers, which halves what a command costs, and it repeats
// commands on its own only if they read, and with DisableRetry not even those; it follows MOVED and ASK, which mean that a
// command was not executed, in either case. The other well-kept client, go-redis, repeats in a Cluster any command whose
// connection broke off, executed or not, and to switch that off (MaxRedirects) stops it from following MOVED and ASK.
package redisstore

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

// A Topology is how engines work together.
type Topology int

// The ways in which they do.
const (
	Single   Topology = iota // one primary at a known address
	Sentinel                 // one primary, which Sentinels know
	Cluster                  // several primaries, each with some of the slots
)

// A Durability is what a write has survived when it returns nil.
type Durability int

// From the most that needs no replicas to the least; Config.Replicas adds to each of them.
const (
	// Fsync is on the primary's disk: it has appendfsync always or, from Redis and Valkey 7.2 on, an append-only file, for
	// which WAITAOF waits.
	Fsync Durability = iota
	// Primary is in the primary's memory. It writes it to disk, and sends it to replicas, afterwards.
	Primary
)

// DefaultTimeout is how long an engine has to answer, unless configured otherwise.
const DefaultTimeout = 3 * time.Second

// DefaultPrefix is what the names of all keys begin with, unless configured otherwise.
const DefaultPrefix = "onetime:"

// Config says where the engine is, and how it is to keep records. ParseURL makes one.
type Config struct {
	Topology Topology
	// Addresses are host:port: of the engine; of Sentinels; or of some nodes of a Cluster.
	Addresses []string
	// Master is the name that the Sentinels have for the primary and its replicas.
	Master string
	// Username and Password are the engine's; empty for none.
	Username string
	Password onetime.Sensitive
	// SentinelUsername and SentinelPassword are those of Sentinels.
	SentinelUsername string
	SentinelPassword onetime.Sensitive
	// Database is the number of a database, which a Cluster does not have.
	Database int
	// TLS encrypts connections, those to Sentinels too. Nil stands for none.
	TLS *tls.Config

	// Prefix is what the names of all keys begin with, so that vaults can share an engine; empty stands for DefaultPrefix.
	// It must not contain braces.
	Prefix string
	// Durability is what a write survives on the primary; the zero value is Fsync.
	Durability Durability
	// Replicas is how many replicas must have a write, in memory, before it returns nil; 0 stands for none.
	Replicas int
	// Volatile allows an engine that keeps nothing on disk, or does not tell: when it restarts, everything is gone.
	Volatile bool
	// Timeout is how long the engine has for an answer; 0 stands for DefaultTimeout. A call that makes several steps, or
	// has to find out what became of one, takes a few times as long at most.
	Timeout time.Duration
}

// Store is a vault.Store on an engine. Open makes one.
type Store struct {
	client   valkey.Client
	prefix   string
	timeout  time.Duration
	replicas int
	waitaof  bool
	demands  demands
	turns    chan struct{}

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup // under way
}

var _ vault.Store = (*Store)(nil)

// Open connects to the engine, and refuses one that would lose records: one that evicts keys, keeps nothing on disk, or
// cannot do what Config asks for. The context bounds the opening only.
func Open(ctx context.Context, config Config) (*Store, error) {
	config.Timeout = cmp.Or(config.Timeout, DefaultTimeout)
	config.Prefix = cmp.Or(config.Prefix, DefaultPrefix)
	if err := config.check(); err != nil {
		return nil, opaque("open", err)
	}
	client, err := connect(config)
	if err != nil {
		return nil, opaque("open", err)
	}
	s := &Store{
		client:   client,
		prefix:   config.Prefix,
		timeout:  config.Timeout,
		replicas: config.Replicas,
		turns:    make(chan struct{}, most),
		demands:  demandsOf(config),
	}
	err = s.prepare(ctx)
	if err != nil {
		client.Close()
		return nil, opaque("open", err)
	}
	return s, nil
}

func (c Config) check() error {
	switch {
	case len(c.Addresses) == 0:
		return errors.New("Config needs an address")
	case c.Topology == Sentinel && c.Master == "":
		return errors.New("Config needs the name that the Sentinels have for the primary")
	case c.Topology == Cluster && c.Database != 0:
		return errors.New("a Cluster has no databases")
	case c.Replicas < 0 || c.Timeout < 0 || c.Database < 0:
		return errors.New("Config has a negative number")
	}
	for _, c := range c.Prefix {
		if c == '{' || c == '}' {
			return errors.New("the prefix contains a brace")
		}
	}
	return nil
}

// connect makes a client that repeats nothing. Its errors do not hold the password.
func connect(config Config) (valkey.Client, error) {
	option := valkey.ClientOption{
		InitAddress:       config.Addresses,
		Username:          config.Username,
		Password:          config.Password.Expose(),
		SelectDB:          config.Database,
		TLSConfig:         config.TLS,
		ClientName:        "onetime",
		Dialer:            net.Dialer{Timeout: config.Timeout, KeepAlive: time.Second},
		ConnWriteTimeout:  config.Timeout, // a connection that does not answer a ping in this time is given up
		DisableRetry:      true,
		AlwaysPipelining:  true, // else a connection that is not in use does not see its end, and fails the next call
		DisableCache:      true,
		BlockingPoolSize:  2 * most, // each call uses one at most, and Ping one more
		ForceSingleClient: config.Topology == Single,
	}
	const buffer = 64 << 10 // the default is half a megabyte for each connection
	option.ReadBufferEachConn, option.WriteBufferEachConn = buffer, buffer
	switch config.Topology {
	case Sentinel:
		option.Sentinel = valkey.SentinelOption{
			Dialer:    option.Dialer,
			TLSConfig: config.TLS,
			MasterSet: config.Master,
			Username:  config.SentinelUsername,
			Password:  config.SentinelPassword.Expose(),
			// A demoted primary closes no connection: without looking again, one lost message binds a server to it.
			TopologyRefreshInterval: 2 * time.Second,
		}
	case Cluster:
		option.ClusterOption.ShardsRefreshInterval = 10 * time.Second
		option.ClusterOption.MaxMovedRedirections = 8
	}
	client, err := valkey.NewClient(option)
	if err != nil {
		if client != nil {
			client.Close()
		}
		return nil, fmt.Errorf("connect: %s", plain(err))
	}
	if config.Topology == Cluster && client.Mode() != valkey.ClientModeCluster {
		client.Close()
		return nil, errors.New("the engine is not a Cluster: give its URL as redis://")
	}
	return client, nil
}

// Close waits for the calls under way and closes the connections. Closing again does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	s.calls.Wait()
	s.client.Close()
	return nil
}
