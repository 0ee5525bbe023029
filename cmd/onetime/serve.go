package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/spf13/cobra"

	"github.com/onetime-go/onetime/server"
	"github.com/onetime-go/onetime/server/vault"
)

// Limits of a connection. A secret is small: who takes longer is not sending one.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = time.Minute
	writeTimeout  = time.Minute
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
	drainTime     = 8 * time.Second // service managers begin to kill after 10
)

// settings are the flags of serve.
type settings struct {
	listen         string
	data           string
	baseURL        string
	trustedProxies []string
	maxSecret      int
	strict         bool
	logFormat      string
}

func newServe() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the API, with an embedded database",
		Long: `Serve the API, with an embedded database.

The data folder holds the database and the keyring. Both are made at first start.
Whoever loses the keyring loses every secret; whoever steals both still opens none
of them without its link.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return serve(cmd.Context(), s) },
	}
	flags := cmd.Flags()
	flags.StringVar(&s.listen, "listen", "127.0.0.1:3000", "address to listen on")
	addDataFlag(cmd, &s.data)
	flags.StringVar(&s.baseURL, "base-url", "", "URL under which clients reach the server, for links (default: the listen address)")
	flags.StringSliceVar(&s.trustedProxies, "trusted-proxy", nil, "network, such as 10.0.0.0/8, of proxies whose X-Forwarded-For is believed")
	flags.IntVar(&s.maxSecret, "max-secret", vault.DefaultMaxSecret, "longest secret, in bytes")
	flags.BoolVar(&s.strict, "strict", false, "refuse requests that are not in the documented form, which some clients send")
	flags.StringVar(&s.logFormat, "log", "text", "format of the log on standard error: text or json")
	return cmd
}

func serve(ctx context.Context, s settings) error {
	logger, err := newLogger(s.logFormat)
	if err != nil {
		return err
	}
	proxies, err := parseNetworks(s.trustedProxies)
	if err != nil {
		return usageError{err}
	}
	if s.maxSecret < 1 || s.maxSecret > vault.MostMaxSecret {
		return usageError{fmt.Errorf("--max-secret is a number of bytes between 1 and %d", vault.MostMaxSecret)}
	}
	folder, err := dataFolder(s.data)
	if err != nil {
		return err
	}
	unlock, err := lockFolder(folder)
	if err != nil {
		return err
	}
	defer unlock()
	v, store, err := openVault(ctx, folder, vault.Config{MaxSecret: s.maxSecret})
	if err != nil {
		return err
	}
	err = serveVault(ctx, v, s, proxies, folder, logger)
	return errors.Join(err, store.Close())
}

// serveVault serves until ctx ends. When it returns nothing uses the vault any more.
func serveVault(ctx context.Context, v *vault.Vault, s settings, proxies []netip.Prefix, folder string, logger *slog.Logger) error {
	listener, err := net.Listen("tcp", s.listen)
	if err != nil {
		return usageError{fmt.Errorf("--listen: %w", err)}
	}
	defer listener.Close() // again, but for errors
	handler, err := newHandler(v, s, proxies, listener.Addr(), logger)
	if err != nil {
		return usageError{fmt.Errorf("--base-url: %w", err)}
	}
	sweeping, stopSweeping := context.WithCancel(ctx)
	swept := make(chan struct{})
	go func() {
		defer close(swept)
		v.Run(sweeping, func(err error) { logger.Error("sweep failed", "error", err) })
	}()
	logger.Info("serving", "url", "http://"+listener.Addr().String(), "data", folder)
	logger.Info("no mailer: the recipients of a secret are noted in its receipt, and nothing is sent")
	err = serveUntilDone(ctx, listener, handler, logger)
	stopSweeping()
	<-swept
	return err
}

func newLogger(format string) (*slog.Logger, error) {
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(os.Stderr, nil)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(os.Stderr, nil)), nil
	}
	return nil, usageError{errors.New("--log is text or json")}
}

// lockFolder keeps a second server out of a data folder. Other commands may use it at the same time.
func lockFolder(folder string) (unlock func(), err error) {
	lock := flock.New(filepath.Join(folder, lockFile))
	locked, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	if !locked {
		return nil, usageError{fmt.Errorf("another server uses the data folder %s; stop it, or give another with --data", folder)}
	}
	return func() { _ = lock.Unlock() }, nil
}

func newHandler(v *vault.Vault, s settings, proxies []netip.Prefix, address net.Addr, logger *slog.Logger) (http.Handler, error) {
	base := s.baseURL
	if base == "" {
		base = defaultBaseURL(address)
	}
	return server.New(v, server.Config{
		BaseURL:        base,
		Authenticate:   v.Authenticate,
		Normalize:      !s.strict,
		TrustedProxies: proxies,
		MaxBody:        maxBody(s.maxSecret),
		Logger:         logger,
	})
}

// maxBody leaves room for a secret in the longest form in which it can be sent, JSON with every byte escaped.
func maxBody(maxSecret int) int64 { return server.DefaultMaxBody + 6*int64(maxSecret) }

func parseNetworks(texts []string) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, text := range texts {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("--trusted-proxy %q is not a network such as 10.0.0.0/8", text)
		}
		networks = append(networks, network)
	}
	return networks, nil
}

// defaultBaseURL is the address that the server listens on. Where that is every address of the machine, this machine.
func defaultBaseURL(address net.Addr) string {
	host, port, err := net.SplitHostPort(address.String())
	if err != nil {
		return "http://" + address.String()
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// serveUntilDone serves until ctx ends, then lets requests that are under way finish.
func serveUntilDone(ctx context.Context, listener net.Listener, handler http.Handler, logger *slog.Logger) error {
	s := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,

		DisableGeneralOptionsHandler: true,
		MaxHeaderBytes:               maxHeader,
		ErrorLog:                     slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	logger.Info("stopping")
	drain, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if err := s.Shutdown(drain); err != nil {
		logger.Warn("requests are cut off", "after", drainTime, "error", err)
		_ = s.Close()
	}
	return nil
}
