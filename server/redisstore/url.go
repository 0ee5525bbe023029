package redisstore

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/onetime-go/onetime"
)

// ParseURL reads where an engine is:
//
//	redis://[user[:password]@]host[:port][/database]
//	redis+sentinel://[user[:password]@]host[:port][,host[:port]…]/master[/database]
//	redis+cluster://[user[:password]@]host[:port][,host[:port]…]
//
// With rediss in the place of redis, connections are encrypted: Config.TLS is then not nil, and trusts the certificates
// that the system does. What in a user or a password is not a letter or a digit may be written as %40 or the like. Errors
// do not repeat the URL. One that holds a password belongs in no process argument, which everybody can see.
func ParseURL(text string) (Config, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return Config{}, errURL
	}
	var c Config
	kind, encrypted := schemeOf(scheme)
	c.Topology = kind
	if kind < 0 {
		return Config{}, errURL
	}
	hosts, path, _ := strings.Cut(rest, "/")
	if strings.ContainsAny(rest, "?#") {
		return Config{}, errors.New("the URL of a store has no query")
	}
	if err := c.parseUser(&hosts); err != nil {
		return Config{}, err
	}
	var err error
	if c.Addresses, err = parseAddresses(hosts, c.Topology); err != nil {
		return Config{}, err
	}
	if err := c.parsePath(path); err != nil {
		return Config{}, err
	}
	if encrypted {
		c.TLS = newTLS()
	}
	return c, nil
}

var errURL = errors.New("that is not the URL of a store, such as redis://host:6379, " +
	"redis+sentinel://host1,host2,host3/master or redis+cluster://host1,host2")

// schemeOf returns a topology, -1 for none.
func schemeOf(scheme string) (topology Topology, encrypted bool) {
	base, kind, _ := strings.Cut(scheme, "+")
	if base != "redis" && base != "rediss" {
		return -1, false
	}
	topology, ok := map[string]Topology{"": Single, "sentinel": Sentinel, "cluster": Cluster}[kind]
	if !ok || strings.HasSuffix(scheme, "+") {
		return -1, false
	}
	return topology, base == "rediss"
}

// parseUser takes the user and the password from what stands before the hosts.
func (c *Config) parseUser(hosts *string) error {
	at := strings.LastIndex(*hosts, "@")
	if at < 0 {
		return nil
	}
	user, password, _ := strings.Cut((*hosts)[:at], ":")
	*hosts = (*hosts)[at+1:]
	var err error
	c.Username, err = url.PathUnescape(user)
	password, passwordErr := url.PathUnescape(password)
	c.Password = onetime.Sensitive(password)
	if err != nil || passwordErr != nil {
		return errURL
	}
	return nil
}

func parseAddresses(hosts string, topology Topology) ([]string, error) {
	port := "6379"
	if topology == Sentinel {
		port = "26379"
	}
	var addresses []string
	for host := range strings.SplitSeq(hosts, ",") {
		address, err := parseAddress(host, port)
		if err != nil {
			return nil, err
		}
		addresses = append(addresses, address)
	}
	if topology == Single && len(addresses) > 1 {
		return nil, errors.New("redis:// has one address; several are those of redis+sentinel:// or redis+cluster://")
	}
	return addresses, nil
}

func parseAddress(text, port string) (string, error) {
	u, err := url.Parse("redis://" + text)
	if err != nil || u.Hostname() == "" || u.User != nil {
		return "", errURL
	}
	if u.Port() != "" {
		port = u.Port()
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", errURL
	}
	return net.JoinHostPort(u.Hostname(), port), nil
}

// parsePath reads what stands after the addresses: the master's name for Sentinels, and the number of a database.
func (c *Config) parsePath(path string) error {
	if c.Topology == Sentinel {
		c.Master, path, _ = strings.Cut(path, "/")
		if c.Master == "" {
			return errors.New("redis+sentinel:// needs the name of the master that the Sentinels watch, as redis+sentinel://host/name")
		}
	}
	if path == "" {
		return nil
	}
	if c.Topology == Cluster {
		return errors.New("redis+cluster:// has no path: a Cluster has no databases")
	}
	number, err := strconv.ParseUint(path, 10, 16)
	if err != nil {
		return errors.New("the path of the store's URL is the number of a database")
	}
	c.Database = int(number)
	return nil
}
