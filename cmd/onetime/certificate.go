package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// A certificate is read from two files, and again when they change, so that whatever renews them has nobody to tell.
type certificate struct {
	certFile, keyFile string
	logger            *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	read    [2]stamp // of the files when they were read, whether or not they could be used
}

// A stamp tells whether a file was changed.
type stamp struct {
	modified time.Time
	size     int64
}

func newCertificate(certFile, keyFile string, logger *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, logger: logger}
	if othersCanRead(keyFile) {
		return nil, fmt.Errorf("others can read %s: chmod 0600 (or 0640, with a group of its own)", keyFile)
	}
	c.read = c.stamps()
	var err error
	c.current, err = c.load()
	return c, err
}

func (c *certificate) load() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return nil, err
	}
	if pair.Leaf == nil {
		pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0])
	}
	return &pair, err
}

func (c *certificate) stamps() (stamps [2]stamp) {
	for i, file := range []string{c.certFile, c.keyFile} {
		var info fs.FileInfo
		if info, _ = os.Stat(file); info != nil {
			stamps[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return stamps
}

// get is the GetCertificate of a tls.Config. What cannot be used leaves the certificate as it is: half of a pair may be
// written already, or somebody has made a mistake.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	stamps := c.stamps()
	if stamps == c.read {
		return c.current, nil
	}
	c.read = stamps
	pair, err := c.load()
	if err != nil {
		c.logger.Error("the new certificate cannot be used; the old one stays", "error", err)
		return c.current, nil
	}
	c.current = pair
	c.logger.Info("the certificate was replaced", "expires", pair.Leaf.NotAfter)
	return c.current, nil
}

// expires returns when the certificate that is in use does.
func (c *certificate) expires() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current.Leaf.NotAfter
}
