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

func newServe() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the API and its web pages, with an embedded database",
		Long: `Serve the API and its web pages, with an embedded database.

The data folder holds the database and the keyring. Both are made at first start.
Whoever loses the keyring loses every secret; whoever steals both still opens none
of them without its link.

Each setting is a flag (--base-url), a variable of the environment (ONETIME_BASE_URL)
and a key of a YAML file (base-url); the first of them that is there counts.`,
		Args: noArgs,
	}
	read := newServeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, run, err := read()
		if err != nil || !run {
			return err
		}
		return serve(cmd.Context(), s)
	}
	return cmd
}

func serve(ctx context.Context, s settings) error {
	logger := newLogger(os.Stderr, s)
	for _, name := range s.unknown {
		logger.Warn("a variable of the environment looks like a setting, and is none", "variable", name)
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
	v, store, err := openVault(ctx, folder, vault.Config{MaxSecret: s.maxSecret, Observe: alarms(logger)})
	if err != nil {
		return err
	}
	err = serveVault(ctx, v, s, folder, logger)
	return errors.Join(err, store.Close())
}

// serveVault serves until ctx ends. When it returns nothing uses the vault any more.
func serveVault(ctx context.Context, v *vault.Vault, s settings, folder string, logger *slog.Logger) error {
	listener, err := net.Listen("tcp", s.listen)
	if err != nil {
		return usageError{fmt.Errorf("--listen: %w", err)}
	}
	defer listener.Close() // again, but for errors
	handler, err := newHandler(v, s, listener.Addr(), logger)
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

// alarms logs the events that an operator has to look into.
func alarms(logger *slog.Logger) func(vault.Event) {
	return func(e vault.Event) {
		switch e.Kind {
		case vault.EventDamaged:
			logger.Error("a record is damaged", "record", e.Record)
		case vault.EventClock:
			logger.Error("the clock has jumped, or is behind the time of the last change; secrets may expire an hour early, and none late by more than that")
		}
	}
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

func newHandler(v *vault.Vault, s settings, address net.Addr, logger *slog.Logger) (http.Handler, error) {
	base := s.baseURL
	if base == "" {
		base = defaultBaseURL(address)
	}
	api, err := server.New(v, server.Config{
		BaseURL:        base,
		Authenticate:   v.Authenticate,
		Normalize:      !s.strict,
		TrustedProxies: s.trustedProxies,
		MaxBody:        maxBody(s.maxSecret),
		Logger:         logger,
	})
	if err != nil {
		return nil, err
	}
	return withPages(api, base, s)
}

// maxBody leaves room for a secret in the longest form in which it can be sent, JSON with every byte escaped.
func maxBody(maxSecret int) int64 { return server.DefaultMaxBody + 6*int64(maxSecret) }

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
