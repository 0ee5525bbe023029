package redisstore

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

func newTLS() *tls.Config { return &tls.Config{MinVersion: tls.VersionTLS12} }

// UseCertificates has encrypted connections trust the authorities in a PEM file, and those alone, and show a certificate of
// this server's own, whose key is in another file. An empty name stands for none. It fails for a Config whose URL does
// not begin with rediss.
func (c *Config) UseCertificates(authorities, certificate, key string) error {
	if authorities == "" && certificate == "" && key == "" {
		return nil
	}
	if c.TLS == nil {
		return errors.New("certificates are for a store whose URL begins with rediss")
	}
	if authorities != "" {
		pem, err := os.ReadFile(authorities)
		if err != nil {
			return fmt.Errorf("read the store's authorities: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return fmt.Errorf("%s holds no certificate in PEM form", authorities)
		}
		c.TLS.RootCAs = pool
	}
	if certificate == "" && key == "" {
		return nil
	}
	own, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return fmt.Errorf("read the certificate for the store: %w", err)
	}
	c.TLS.Certificates = []tls.Certificate{own}
	return nil
}
