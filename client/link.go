package client

import (
	"errors"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/onetime-go/onetime"
)

// The pages of a server to which a Link can lead.
const (
	SecretPage  = "secret"
	ReceiptPage = "receipt" // older servers have it at /private or /metadata
)

// A Link is what people pass to each other, taken apart: where a secret or its receipt is, and its key.
type Link struct {
	BaseURL string            // of the server, for New; empty for a key alone
	Page    string            // SecretPage or ReceiptPage; empty for a key alone
	Key     onetime.Sensitive // never empty
}

var errNoLink = errors.New("client: that is neither a key nor a link to a secret or a receipt, such as https://eu.onetimesecret.com/secret/KEY")

// ParseLink takes the link of a secret or a receipt apart, as people see it or as the API has it, below a path of its host
// or not. Without a scheme it is https, and http on this machine. What stands after ? or # is left out. A text without a
// slash is a key alone. An error shows nothing of the text.
func ParseLink(text string) (Link, error) {
	text = strings.TrimSpace(text)
	if !strings.Contains(text, "/") {
		return keyAlone(text)
	}
	u, err := url.Parse(withScheme(text))
	if err != nil || u.Hostname() == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
		return Link{}, errNoLink
	}
	before, key, found := cutLast(strings.TrimRight(u.EscapedPath(), "/"))
	path, page, found2 := cutLast(before)
	key, err = url.PathUnescape(key)
	if page = pageOf(page); !found || !found2 || page == "" || err != nil || !isKey(key) {
		return Link{}, errNoLink
	}
	path = strings.TrimRight(strings.TrimSuffix(strings.TrimRight(path, "/"), "/api/v1"), "/")
	return Link{BaseURL: u.Scheme + "://" + u.Host + path, Page: page, Key: onetime.Sensitive(key)}, nil
}

func keyAlone(text string) (Link, error) {
	if !isKey(text) {
		return Link{}, errNoLink
	}
	return Link{Key: onetime.Sensitive(text)}, nil
}

// isKey tells whether a text can be a key: servers choose them as they like.
func isKey(text string) bool {
	return text != "" && utf8.ValidString(text) &&
		!strings.ContainsFunc(text, func(r rune) bool { return r == '/' || unicode.IsSpace(r) || !unicode.IsPrint(r) })
}

func withScheme(text string) string {
	if strings.Contains(text, "://") {
		return text
	}
	if u, err := url.Parse("http://" + text); err == nil && isLoopback(u.Hostname()) {
		return u.String()
	}
	return "https://" + text
}

func cutLast(path string) (before, after string, found bool) {
	i := strings.LastIndex(path, "/")
	if i < 0 {
		return path, "", false
	}
	return path[:i], path[i+1:], true
}

func pageOf(segment string) string {
	switch segment {
	case "secret":
		return SecretPage
	case "receipt", "private", "metadata":
		return ReceiptPage
	}
	return ""
}
