package clienttest_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/client"
	"github.com/onetime-go/onetime/client/clienttest"
)

func TestServer(t *testing.T) {
	s, other := clienttest.NewServer(), clienttest.NewServer()
	defer other.Close()
	c, _ := s.NewAccount("ada@example.com")
	shared, err := c.Share(t.Context(), onetime.ShareRequest{Secret: "s", TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if shared.Custid != "ada@example.com" || !strings.HasPrefix(shared.URL.Expose(), s.URL+"/receipt/") {
		t.Errorf("the receipt is %+v at %s", shared, shared.URL.Expose())
	}
	link, err := client.ParseLink(c.SecretURL(shared.SecretKey).Expose())
	if err != nil || link.BaseURL != s.URL || link.Key != shared.SecretKey {
		t.Errorf("its link is %+v, %v", link, err)
	}
	if _, err := other.Client.Receipt(t.Context(), shared.Key); !errors.Is(err, onetime.ErrNotFound) {
		t.Errorf("another server: %v", err)
	}
	s.Advance(-time.Hour)
	s.Advance(30 * time.Minute)
	receipt, err := s.Client.Receipt(t.Context(), shared.Key)
	if err != nil || receipt.State != onetime.StateNew || receipt.SecretTTL > 30*time.Minute {
		t.Errorf("after half an hour: %+v, %v", receipt, err)
	}
	s.Advance(31 * time.Minute)
	if receipt, err := s.Client.Receipt(t.Context(), shared.Key); err != nil || receipt.State != onetime.StateExpired {
		t.Errorf("after an hour: %+v, %v", receipt, err)
	}
	s.Close()
	var network *client.NetworkError
	if _, err := c.Share(t.Context(), onetime.ShareRequest{Secret: "s"}); !errors.As(err, &network) {
		t.Errorf("closed: %v", err)
	}
}

func TestAccountTwice(t *testing.T) {
	s := clienttest.NewServer()
	defer s.Close()
	s.NewAccount("ada@example.com")
	defer func() {
		if recover() == nil {
			t.Error("a second account of the same address is made")
		}
	}()
	s.NewAccount("ada@example.com")
}
