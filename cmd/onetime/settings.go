package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/onetime-go/onetime/server"
	"github.com/onetime-go/onetime/server/telemetry"
	"github.com/onetime-go/onetime/server/vault"
)

// settings are what serve is told. Which there are, and what they mean, says their table.
type settings struct {
	listen         string
	socketMode     fs.FileMode
	privateListen  string
	baseURL        string
	tlsCert        string
	tlsKey         string
	trustedProxies []netip.Prefix
	maxConnections int

	place
	maxSecret     int
	minPassphrase int
	shareDomains  []string
	strict        bool

	rateLimit        server.Rate
	accountsOnly     bool
	anonymousSecrets int
	anonymousBytes   int

	pages bool

	logFormat string
	logLevel  slog.Level

	unknown []string // variables of the environment that look like settings
}

// table declares the settings. The one place to add one: see config.go for what comes of it.
func (s *settings) table() table {
	return append(table{
		{group: "Network", name: "listen", value: newValue(&s.listen, "127.0.0.1:3000", "address", addressWanted, parseListen),
			usage: "where to listen: an address, unix:/PATH, or systemd for the sockets that it opens"},
		{group: "Network", name: "socket-mode", value: newValue(&s.socketMode, "0660", "mode", "the mode of a file, such as 0660", parseMode),
			usage: "who may connect to a unix socket"},
		{group: "Network", name: "private-listen", value: newValue(&s.privateListen, "", "address", addressWanted, parseOptionalListen),
			usage: "where to serve /metrics, /debug/pprof/, /healthz and /readyz, for operators alone (default: nowhere)"},
		{group: "Network", name: "base-url", value: newValue(&s.baseURL, "", "URL", "the http or https URL of this server, such as https://secrets.example.com", parseBaseURL),
			usage: "URL under which clients reach the server, for links (default: the listen address)"},
		{group: "Network", name: "tls-cert", value: textValue(&s.tlsCert, "", "file"),
			usage: "PEM file of the certificate and its chain, to serve https; read again when it changes"},
		{group: "Network", name: "tls-key", value: textValue(&s.tlsKey, "", "file"),
			usage: "PEM file of the certificate's key"},
		{group: "Network", name: "trusted-proxy", value: networksValue(&s.trustedProxies),
			usage: "networks, such as 10.0.0.0/8, of proxies whose X-Forwarded-For is believed"},
		{group: "Network", name: "max-connections", value: numberValue(&s.maxConnections, 1000, 8, 1_000_000, "connections"),
			usage: "most connections at once; one network that is no proxy gets a quarter of them"},

		{group: "Secrets", name: "data", value: textValue(&s.data, "", "folder"),
			usage: "folder of the database and the keyring (default: " + defaultDataHint + ")"},
		{group: "Secrets", name: "max-secret", value: numberValue(&s.maxSecret, vault.DefaultMaxSecret, 1, vault.MostMaxSecret, "bytes"),
			usage: "longest secret, in bytes"},
		{group: "Secrets", name: "min-passphrase", value: numberValue(&s.minPassphrase, 0, 0, 1024, "characters"),
			usage: "shortest passphrase that a secret may be given, in characters"},
		{group: "Secrets", name: "share-domain", value: wordsValue(&s.shareDomains, "domains"),
			usage: "custom domains that a caller may ask a link to have; they have to lead to this server"},
		{group: "Secrets", name: "strict", value: switchValue(&s.strict, false),
			usage: "refuse requests that are not in the documented form, which some clients send"},

		{group: "Callers", name: "rate-limit", value: newValue(&s.rateLimit, "1000/20m", "rate", "a number and a time, such as 1000/20m, or off", parseRate),
			usage: "creations that one caller may send at once, and then again over each such time; and reveals"},
		{group: "Callers", name: "accounts-only", value: switchValue(&s.accountsOnly, false),
			usage: "let nobody create a secret who has no account; links work for everybody"},
		{group: "Callers", name: "anonymous-secrets", value: numberValue(&s.anonymousSecrets, 10_000, 0, math.MaxInt32, "secrets"),
			usage: "unread secrets that the anonymous callers of one network may have; 0 for any number"},
		{group: "Callers", name: "anonymous-bytes", value: numberValue(&s.anonymousBytes, 100<<20, 0, 1<<50, "bytes"),
			usage: "what those take in the store, in bytes; 0 for any number"},

		{group: "Pages", name: "pages", value: switchValue(&s.pages, true),
			usage: "serve web pages beside the API"},

		{group: "Log", name: "log", value: choiceValue(&s.logFormat, "text", "json"),
			usage: "format of the log on standard error: text or json"},
		{group: "Log", name: "log-level", value: newValue(&s.logLevel, "info", "level", "debug, info, warn or error", parseLevel),
			usage: "least that is logged: debug, info (which has a line for each request), warn or error"},
	}, s.place.table()...)
}

// newServeFlags adds the flags of serve, and returns what reads the settings once they are parsed. With --check-config that
// prints them, and run is false.
func newServeFlags(cmd *cobra.Command) (read func() (s settings, run bool, err error)) {
	var s settings
	var file string
	var check bool
	t := s.table()
	t.addFlags(cmd.Flags())
	addConfigFlag(cmd.Flags(), &file)
	cmd.Flags().BoolVar(&check, "check-config", false, "print the settings as they count, without secrets, and end; unknown ones are errors")
	return func() (settings, bool, error) {
		other, err := t.load(cmd.Flags(), configFile(file), os.Environ())
		s.unknown = other.variables
		if err == nil {
			err = s.check()
		}
		if check {
			for _, key := range other.keys {
				hint(cmd, "%s is a setting of other commands, and nothing to serve", key)
			}
			return s, false, errors.Join(err, checkUnknown(s.unknown), t.print(cmd.OutOrStdout()))
		}
		return s, true, err
	}
}

func checkUnknown(variables []string) error {
	if len(variables) == 0 {
		return nil
	}
	return usageError{fmt.Errorf("the environment has what is no setting: %s", strings.Join(variables, ", "))}
}

// check refuses settings that are right alone, and wrong together.
func (s *settings) check() error {
	if (s.tlsCert == "") != (s.tlsKey == "") {
		return usageError{errors.New("--tls-cert and --tls-key belong together")}
	}
	if s.baseURL == "" && strings.HasPrefix(s.listen, unixPrefix) {
		return errNoBaseURL
	}
	return nil
}

var errNoBaseURL = usageError{errors.New("--base-url is missing: on a unix socket nothing else says where clients reach the server")}

// isSecure tells whether the server speaks TLS itself.
func (s *settings) isSecure() bool { return s.tlsCert != "" }

// The kinds of values.

func textValue(to *string, text, noun string) *value {
	return newValue(to, text, noun, "a text", func(text string) (string, error) { return text, nil })
}

func switchValue(to *bool, on bool) *value {
	v := newValue(to, strconv.FormatBool(on), "", "true or false", strconv.ParseBool)
	v.isSwitch = true
	return v
}

// choiceValue is one of several words. The first is the default.
func choiceValue(to *string, words ...string) *value {
	return newValue(to, words[0], "format", strings.Join(words, " or "), func(text string) (string, error) {
		for _, word := range words {
			if text == word {
				return text, nil
			}
		}
		return "", errors.ErrUnsupported
	})
}

func numberValue(to *int, n, least, most int, unit string) *value {
	want := fmt.Sprintf("a number of %s between %d and %d", unit, least, most)
	return newValue(to, strconv.Itoa(n), unit, want, func(text string) (int, error) {
		n, err := strconv.Atoi(text)
		if err == nil && (n < least || n > most) {
			err = strconv.ErrRange
		}
		return n, err
	})
}

// wordsValue is a list of texts, with commas between them.
func wordsValue(to *[]string, noun string) *value {
	v := newValue(to, "", noun, "a list of "+noun, func(text string) ([]string, error) { return wordsOf(text), nil })
	v.isList = true
	return v
}

// networksValue is a list of networks.
func networksValue(to *[]netip.Prefix) *value {
	v := newValue(to, "", "networks", "a list of networks, such as 10.0.0.0/8,2001:db8::/48", func(text string) ([]netip.Prefix, error) {
		var networks []netip.Prefix
		for _, word := range wordsOf(text) {
			network, err := netip.ParsePrefix(word)
			if err != nil {
				return nil, err
			}
			networks = append(networks, network)
		}
		return networks, nil
	})
	v.isList = true
	return v
}

func wordsOf(list string) (words []string) {
	for word := range strings.SplitSeq(list, ",") {
		if word = strings.TrimSpace(word); word != "" {
			words = append(words, word)
		}
	}
	return words
}

// parseBaseURL has the scaffold judge the URL, which knows what it can do.
func parseBaseURL(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	_, err := server.New(new(vault.Vault), server.Config{BaseURL: text})
	return text, err
}

func parseLevel(text string) (slog.Level, error) {
	switch text {
	case "debug", "info", "warn", "error":
		var level slog.Level
		err := level.UnmarshalText([]byte(text))
		return level, err
	}
	return 0, errors.ErrUnsupported
}

func parseRate(text string) (server.Rate, error) {
	if text == "off" {
		return server.Rate{}, nil
	}
	count, period, _ := strings.Cut(text, "/")
	n, err := strconv.Atoi(count)
	if err != nil {
		return server.Rate{}, err
	}
	every, err := time.ParseDuration(period)
	if err == nil && (n < 1 || every < time.Second) {
		err = strconv.ErrRange
	}
	return server.Rate{Requests: n, Period: every}, err
}

func newLogger(w io.Writer, s settings) *slog.Logger {
	options := &slog.HandlerOptions{Level: s.logLevel}
	if s.logFormat == "json" {
		return slog.New(telemetry.LogHandler(slog.NewJSONHandler(w, options)))
	}
	return slog.New(telemetry.LogHandler(slog.NewTextHandler(w, options)))
}
