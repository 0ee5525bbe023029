package client_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/client"
)

func TestParseLink(t *testing.T) {
	const key = "242kmj9m16kqb97dyzwotoqwupnbaya"
	for text, want := range map[string]client.Link{
		key:                                                  {Key: key},
		" " + key + "\n":                                     {Key: key},
		"odd.key%2F":                                         {Key: "odd.key%2F"}, // servers choose their keys
		client.EU + "/secret/" + key:                         {client.EU, client.SecretPage, key},
		client.EU + "/secret/" + key + "/":                   {client.EU, client.SecretPage, key},
		client.EU + "//secret/" + key:                        {client.EU, client.SecretPage, key},
		client.EU + "/receipt/" + key:                        {client.EU, client.ReceiptPage, key},
		client.EU + "/private/" + key:                        {client.EU, client.ReceiptPage, key},
		client.EU + "/metadata/" + key:                       {client.EU, client.ReceiptPage, key},
		client.EU + "/api/v1/secret/" + key:                  {client.EU, client.SecretPage, key},
		client.EU + "/secret/" + key + "?utm=1#top":          {client.EU, client.SecretPage, key},
		"HTTPS://h.example:8443/a%20b/secret/" + key:         {"https://h.example:8443/a%20b", client.SecretPage, key},
		"https://h.example/sub/api/v1/receipt/" + key:        {"https://h.example/sub", client.ReceiptPage, key},
		"https://h.example/secret/a%3Fb":                     {"https://h.example", client.SecretPage, "a?b"},
		"https://h.example/secret/secret/secret":             {"https://h.example/secret", client.SecretPage, "secret"},
		"eu.onetimesecret.com/secret/" + key:                 {client.EU, client.SecretPage, key},
		"localhost:3000/secret/" + key:                       {"http://localhost:3000", client.SecretPage, key},
		"127.0.0.1:3000/secret/" + key:                       {"http://127.0.0.1:3000", client.SecretPage, key},
		"[::1]:3000/secret/" + key:                           {"http://[::1]:3000", client.SecretPage, key},
		"http://h.example/secret/" + key:                     {"http://h.example", client.SecretPage, key}, // New refuses it
		"https://h.example/secret/" + strings.Repeat(key, 9): {"https://h.example", client.SecretPage, onetime.Sensitive(strings.Repeat(key, 9))},
	} {
		link, err := client.ParseLink(text)
		if err != nil || !cmp.Equal(link, want) {
			t.Errorf("%q is %q of %q at %q, %v", text, link.Key.Expose(), link.Page, link.BaseURL, err)
		}
	}
	for _, text := range []string{
		"", " ", "/", "//", "two words", "a\x00b", "\xff", "https://", "https:///secret/hidden", "/secret/hidden", "ftp://h.example/secret/hidden",
		"https://h.example", "https://h.example/", "https://h.example/hidden", "https://h.example/secret", "https://h.example/secret/",
		"https://h.example/other/hidden", "https://h.example/secret/hidden/burn", "https://h.example/secret/hid%2Fden",
		"https://h.example/secret/hid%0Aden", "https://h.example/secret/hid%zzden", "https://u:hidden@h.example/secret/hidden",
		"https://h.example?/secret/hidden", "https://h.example#/secret/hidden", "javascript://h/secret/hidden", "https:h/secret/hidden",
	} {
		link, err := client.ParseLink(text)
		if err == nil {
			t.Errorf("%q is %q of %q at %q", text, link.Key.Expose(), link.Page, link.BaseURL)
		} else if strings.Contains(err.Error(), "hid") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParseLink(f *testing.F) {
	for _, seed := range []string{"key", client.EU + "/secret/key", "localhost:1/receipt/a%20b", "https://[::1%25eth0]/secret/k", "a/secret/%", "h/private/é"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		link, err := client.ParseLink(text)
		if err != nil {
			return
		}
		if link.Key == "" || (link.BaseURL == "") != (link.Page == "") {
			t.Fatalf("it is %q of %q at %q", link.Key.Expose(), link.Page, link.BaseURL)
		}
		if link.BaseURL == "" {
			return
		}
		// What a client makes of it leads to the same place.
		c, err := client.New(link.BaseURL, client.WithPlainHTTP())
		if err != nil {
			return // such as a base with dots that lead nowhere
		}
		again, err := client.ParseLink(c.SecretURL(link.Key).Expose())
		if err != nil || again.Key != link.Key {
			t.Fatalf("%q comes back as %q, %v", link.Key.Expose(), again.Key.Expose(), err)
		}
	})
}
