package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/gofrs/flock"
	"github.com/spf13/cobra"

	"github.com/onetime-go/onetime/server"
	"github.com/onetime-go/onetime/server/vault"
)

// drainTime is how long requests that are under way have to finish: service managers begin to kill after 10 seconds.
const drainTime = 8 * time.Second

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
	o, err := newOperator(ctx, s, logger)
	if err != nil {
		return err
	}
	defer o.close()
	unlock, err := s.place.lock()
	if err != nil {
		return err
	}
	defer unlock()
	v, store, err := s.place.open(ctx, o.vaultConfig(), o.watch)
	if err != nil {
		return err
	}
	err = serveVault(ctx, o, v, store)
	return errors.Join(err, store.Close())
}

// serveVault serves until ctx ends. When it returns nothing uses the vault any more.
func serveVault(ctx context.Context, o *operator, v *vault.Vault, store vault.Store) error {
	s, logger := &o.settings, o.logger
	listeners, err := listen(s.listen, s.socketMode, false)
	if err != nil {
		return usageError{fmt.Errorf("--listen: %w", err)}
	}
	defer closeAll(listeners) // again, but for errors
	if s.baseURL == "" && listeners[0].Addr().Network() == "unix" {
		return errNoBaseURL
	}
	if s.baseURL == "" {
		s.baseURL = defaultBaseURL(listeners[0].Addr(), s.isSecure())
	}
	o.attend(store)
	public, err := o.publicServer(v)
	if err != nil {
		return err
	}
	private, err := o.privateListeners()
	if err != nil {
		return err
	}
	defer closeAll(private)
	sweeping, stopSweeping := context.WithCancel(ctx)
	swept := make(chan struct{})
	go func() {
		defer close(swept)
		v.Run(sweeping, func(err error) { logger.Error("sweep failed", "error", err) })
	}()
	o.warn(listeners, private)
	logger.Info("serving", "url", addressURL(listeners[0].Addr(), s.isSecure()), "data", s.place)
	logger.Info("no mailer: the recipients of a secret are noted in its receipt, and nothing is sent")
	err = serveUntilDone(ctx, logger, served{public, o.bound(listeners), s.isSecure()}, served{o.privateServer(), private, false})
	stopSweeping()
	<-swept
	return err
}

func closeAll(listeners []net.Listener) {
	for _, listener := range listeners {
		listener.Close()
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

// maxBody leaves room for a secret in the longest form in which it can be sent, JSON with every byte escaped.
func maxBody(maxSecret int) int64 { return server.DefaultMaxBody + 6*int64(maxSecret) }

// addressURL is the URL of an address: for people, and for programs that have asked for any port.
func addressURL(address net.Addr, secure bool) string {
	switch {
	case address.Network() == "unix":
		return unixPrefix + address.String()
	case secure:
		return "https://" + address.String()
	}
	return "http://" + address.String()
}

// defaultBaseURL is the address that the server listens on. Where that is every address of the machine, this machine.
func defaultBaseURL(address net.Addr, secure bool) string {
	if tcp, ok := address.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return strings.Replace(addressURL(address, secure), tcp.AddrPort().String(), net.JoinHostPort("localhost", strconv.Itoa(tcp.Port)), 1)
	}
	return addressURL(address, secure)
}

// served is a server and what it listens on, which may be nothing.
type served struct {
	server    *http.Server
	listeners []net.Listener
	secure    bool
}

// serveUntilDone serves until ctx ends, then lets requests that are under way finish.
func serveUntilDone(ctx context.Context, logger *slog.Logger, all ...served) error {
	failed := make(chan error, 1)
	for _, each := range all {
		for _, listener := range each.listeners {
			go func() {
				select {
				case failed <- each.on(listener):
				default: // another has failed, or all are to end
				}
			}()
		}
	}
	_, _ = daemon.SdNotify(false, daemon.SdNotifyReady) // it does nothing unless systemd has asked for it
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	_, _ = daemon.SdNotify(false, daemon.SdNotifyStopping)
	logger.Info("stopping")
	drain, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	for _, each := range all {
		if err := each.server.Shutdown(drain); err != nil {
			logger.Warn("requests are cut off", "after", drainTime, "error", err)
			_ = each.server.Close()
		}
	}
	return nil
}

func (s served) on(listener net.Listener) error {
	if s.secure {
		return s.server.ServeTLS(listener, "", "")
	}
	return s.server.Serve(listener)
}
