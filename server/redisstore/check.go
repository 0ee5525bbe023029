package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"
)

// schemaVersion is that of the names and records in the engine.
const schemaVersion = "1"

// mostSkew is how far the engine's clock may be from this machine's.
const mostSkew = 30 * time.Second

// demands are what an engine has to meet: at first, and whenever Ping looks.
type demands struct {
	topology Topology
	fsync    bool
	volatile bool
	replicas int
}

func demandsOf(c Config) demands {
	return demands{topology: c.Topology, fsync: c.Durability == Fsync, volatile: c.Volatile, replicas: c.Replicas}
}

// prepare looks at the engine, and notes the version of what is to be in it.
func (s *Store) prepare(ctx context.Context) error {
	waitaof, err := s.inspect(ctx)
	if err != nil {
		return err
	}
	s.waitaof = waitaof && s.replicas == 0
	if waitaof && s.replicas > 0 {
		return errors.New("replicas and WAITAOF cannot be waited for together: set appendfsync always, or the durability to primary")
	}
	key := s.global().key("version")
	results := s.ask(ctx,
		s.client.B().Set().Key(key).Value(schemaVersion).Nx().Build(),
		s.client.B().Get().Key(key).Build())
	version, err := results[1].ToString()
	if err != nil {
		return errors.Join(refusal(results[0]), err)
	}
	if version != schemaVersion {
		return fmt.Errorf("what is there has version %.20q, and this program knows version %s", version, schemaVersion)
	}
	return nil
}

// Ping implements vault.Store. It writes, as durably as everything else, and looks again whether the engine is as Open
// found it: after a failover it is another one.
func (s *Store) Ping(ctx context.Context) error {
	return s.call(ctx, "ping", func() error {
		if _, err := s.write(ctx, step{pingScript, []string{s.global().key("ping")}, nil}); err != nil {
			return err
		}
		_, err := s.inspect(ctx)
		return err
	})
}

// inspect looks at every primary, and tells whether one of them needs WAITAOF.
func (s *Store) inspect(ctx context.Context) (waitaof bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	primaries := 0
	for address, node := range s.client.Nodes() {
		e, err := examine(ctx, node)
		if err != nil {
			return false, fmt.Errorf("the engine at %s: %s", address, plain(err))
		}
		if e.info["role"] != "master" {
			continue
		}
		primaries++
		needs, err := s.demands.met(e)
		if err != nil {
			return false, fmt.Errorf("the engine at %s %w", address, err)
		}
		waitaof = waitaof || needs
	}
	if primaries == 0 {
		return false, errors.New("there is no primary: the engine takes no writes")
	}
	return waitaof, nil
}

// An engine is what one of them says about itself.
type engine struct {
	info              map[string]string
	appendfsync, save string // "" where it does not tell
	clock             time.Time
	now               time.Time // here
}

func examine(ctx context.Context, node valkey.Client) (engine, error) {
	e := engine{info: map[string]string{}}
	results := node.DoMulti(ctx,
		node.B().Info().Build(),
		node.B().Time().Build(),
		node.B().ConfigGet().Parameter("appendfsync", "save").Build())
	e.now = time.Now()
	text, err := results[0].ToString()
	if err != nil {
		return e, err
	}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			e.info[name] = value
		}
	}
	clock, err := results[1].AsIntSlice()
	if err != nil || len(clock) != 2 {
		return e, errors.Join(err, errStrange)
	}
	e.clock = time.Unix(clock[0], clock[1]*1000)
	if settings, err := results[2].AsStrMap(); err == nil { // hosted engines may forbid it
		e.appendfsync, e.save = settings["appendfsync"], settings["save"]
	} else if _, refused := valkey.IsValkeyErr(err); !refused {
		return e, err
	}
	return e, nil
}

// met returns what is wrong with a primary, in words that follow its name, and whether it needs WAITAOF.
func (d demands) met(e engine) (waitaof bool, err error) {
	name, major, minor := e.version()
	cluster := e.info["cluster_enabled"] == "1"
	replicas, _ := strconv.Atoi(e.info["connected_slaves"])
	aof := e.info["aof_enabled"] == "1"
	switch {
	case major < 7:
		return false, fmt.Errorf("is %s %d.%d: it has scripts that read the clock before they write from 7.0 on", name, major, minor)
	case cluster != (d.topology == Cluster) && cluster:
		return false, errors.New("is a node of a Cluster: give its URL as redis+cluster://")
	case e.info["maxmemory_policy"] != "noeviction":
		return false, fmt.Errorf("evicts keys when its memory is full (maxmemory-policy %s): set it to noeviction", e.info["maxmemory_policy"])
	case !aof && e.save == "" && !d.volatile:
		return false, errors.New("keeps nothing on disk, or does not tell: turn appendonly on, or allow a volatile store")
	case replicas < d.replicas:
		return false, fmt.Errorf("has %d replicas, and %d must confirm each write", replicas, d.replicas)
	case e.clock.Sub(e.now).Abs() > mostSkew:
		return false, fmt.Errorf("has a clock that is %s from this machine's", e.clock.Sub(e.now).Round(time.Second))
	}
	if !d.fsync || aof && e.appendfsync == "always" {
		return false, nil
	}
	const how = "set appendonly yes and appendfsync always, or the durability to primary"
	if !aof {
		return false, errors.New("has no append-only file: " + how)
	}
	if major == 7 && minor < 2 {
		return false, fmt.Errorf("is %s %d.%d, which lacks WAITAOF, and has not appendfsync always, or does not tell: %s", name, major, minor, how)
	}
	return true, nil
}

func (e engine) version() (name string, major, minor int) {
	name, text := "Redis", e.info["redis_version"]
	if valkey, ok := e.info["valkey_version"]; ok {
		name, text = "Valkey", valkey
	}
	first, rest, _ := strings.Cut(text, ".")
	second, _, _ := strings.Cut(rest, ".")
	major, _ = strconv.Atoi(first)
	minor, _ = strconv.Atoi(second)
	return name, major, minor
}
