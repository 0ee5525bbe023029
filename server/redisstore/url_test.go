package redisstore_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/onetime-go/onetime/server/redisstore"
)

func TestParseURL(t *testing.T) {
	for text, want := range map[string]redisstore.Config{
		"redis://localhost":              {Addresses: []string{"localhost:6379"}},
		"redis://localhost/":             {Addresses: []string{"localhost:6379"}},
		"redis://10.0.0.1:7000/3":        {Addresses: []string{"10.0.0.1:7000"}, Database: 3},
		"redis://[::1]:7000":             {Addresses: []string{"[::1]:7000"}},
		"redis://some%40one@host":        {Addresses: []string{"host:6379"}, Username: "some@one"},
		"redis://:p%2fw@x@host/1":        {Addresses: []string{"host:6379"}, Password: "p/w@x", Database: 1},
		"redis+cluster://u:p:w@a,b":      {Topology: redisstore.Cluster, Addresses: []string{"a:6379", "b:6379"}, Username: "u", Password: "p:w"},
		"redis+cluster://a,b:7,c":        {Topology: redisstore.Cluster, Addresses: []string{"a:6379", "b:7", "c:6379"}},
		"redis+sentinel://a,b:7/main":    {Topology: redisstore.Sentinel, Addresses: []string{"a:26379", "b:7"}, Master: "main"},
		"redis+sentinel://u@a,[::1]/m/2": {Topology: redisstore.Sentinel, Addresses: []string{"a:26379", "[::1]:26379"}, Master: "m", Database: 2, Username: "u"},
	} {
		for _, encrypted := range []bool{false, true} {
			if encrypted {
				text = strings.Replace(text, "redis", "rediss", 1)
			}
			got, err := redisstore.ParseURL(text)
			if err != nil {
				t.Errorf("%s: %v", text, err)
				continue
			}
			if (got.TLS != nil) != encrypted {
				t.Errorf("%s: TLS is %v", text, got.TLS)
			}
			got.TLS = nil
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", text, diff)
			}
		}
	}
}

// TestConfigHidesPasswords holds that printing a Config, as for a log, shows no password.
func TestConfigHidesPasswords(t *testing.T) {
	config, err := redisstore.ParseURL("redis+sentinel://user:" + hidden + "@host/main")
	if err != nil {
		t.Fatal(err)
	}
	config.SentinelPassword = hidden
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("store", "config", config)
	slog.New(slog.NewTextHandler(&logged, nil)).Info("store", "config", config)
	for _, shown := range []string{fmt.Sprintf("%v %+v %#v", config, config, &config), logged.String()} {
		if strings.Contains(shown, hidden) {
			t.Errorf("a password shows: %s", shown)
		}
	}
}

var refusedURLs = []string{
	"", "localhost", "localhost:6379", "http://localhost", "redis:localhost", "redis+://localhost", "redis+other://localhost",
	"redis://", "redis://:6379", "redis://host:port", "redis://host:99999999", "redis://host/one", "redis://host/-1", "redis://host/1/2",
	"redis://a,b", "redis://host?db=1", "redis://host#1", "redis+sentinel://a,b", "redis+sentinel://a,b/", "redis+sentinel://a/m/x",
	"redis+cluster://a/1", "redis+cluster://a,,b", "unix:///run/redis.sock", "redis://%zz@host", "redis://a@b\x7f",
}

const hidden = "hunter2"

// TestParseURLRefuses holds also that errors show no password, wherever it stands.
func TestParseURLRefuses(t *testing.T) {
	for _, text := range append(refusedURLs, "redis://:"+hidden+"@a,b", "rediss+cluster://u:"+hidden+"@a,b/1", "redis://u:"+hidden,
		"redis://u:"+hidden+"@", "redis+sentinel://u:"+hidden+"@a", "redis://u:"+hidden+"%zz@host", hidden+"://host", "redis://u:"+hidden+"/x@host") {
		config, err := redisstore.ParseURL(text)
		if err == nil {
			t.Errorf("%q was taken for %+v", text, config)
		} else if strings.Contains(err.Error(), hidden) {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, text := range append(refusedURLs, "redis://u:p@host:1/2", "rediss+sentinel://a,[::1]:5/m/2", "redis+cluster://a,b") {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		config, err := redisstore.ParseURL(text)
		if err == nil && (len(config.Addresses) == 0 || config.Database < 0) {
			t.Errorf("%q was taken for %+v", text, config)
		}
	})
}
