package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/onetime-go/onetime"
)

// A target is what a command is about: a key, and the server on which it is one if it came in a link.
type target struct {
	key  onetime.Sensitive
	base string // URL of the server, "" for the one of the settings
}

// A kind of target says which links have its keys.
type kind struct {
	pages []string // in the paths of links
	other string   // what to say of a link to the other kind
}

var (
	secretKind = kind{[]string{"secret"},
		"that link is a receipt's, which is for the creator of the secret: onetime receipt and onetime burn take it"}
	receiptKind = kind{[]string{"receipt", "private", "metadata"},
		"that link is the secret's: receipt and burn take the key or link of the receipt, which only its creator has"}
)

// read takes a target from an argument or, for "-", from the first line of standard input.
func (k kind) read(ctx context.Context, argument string, in io.Reader) (target, error) {
	text, err := argumentOrLine(ctx, argument, in)
	if err != nil {
		return target{}, err
	}
	return k.parse(text)
}

// parse takes a key as it is, and takes a link apart. A link may lack its https://.
func (k kind) parse(text string) (target, error) {
	if !strings.Contains(text, "/") {
		return target{key: onetime.Sensitive(text)}, nil
	}
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	link, err := url.Parse(text)
	if err != nil || link.Host == "" {
		return target{}, usageError{errors.New("that is neither a key nor a link")}
	}
	for _, page := range slices.Concat(secretKind.pages, receiptKind.pages) {
		before, key, found := cutLast(strings.TrimRight(link.Path, "/"), "/"+page+"/")
		switch {
		case !found || key == "" || strings.Contains(key, "/"):
			continue
		case !slices.Contains(k.pages, page):
			return target{}, usageError{errors.New(k.other)}
		}
		base := url.URL{Scheme: link.Scheme, User: link.User, Host: link.Host, Path: before}
		return target{onetime.Sensitive(key), base.String()}, nil
	}
	return target{}, usageError{fmt.Errorf("that link leads nowhere: it has no /%s/KEY", k.pages[0])}
}

func cutLast(text, separator string) (before, after string, found bool) {
	if i := strings.LastIndex(text, separator); i >= 0 {
		return text[:i], text[i+len(separator):], true
	}
	return text, "", false
}

// sameServer tells whether two base URLs lead to the same server.
func sameServer(a, b string) bool {
	one, err := url.Parse(a)
	other, otherErr := url.Parse(b)
	return err == nil && otherErr == nil && one.Scheme == other.Scheme && address(one) == address(other) && basePath(one) == basePath(other)
}

func address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = u.Scheme // which has a port of its own
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// basePath is the path below which a server has its API and its pages.
func basePath(u *url.URL) string {
	path := strings.TrimRight(u.EscapedPath(), "/")
	return strings.TrimRight(strings.TrimSuffix(path, "/api"), "/")
}

// argumentOrLine returns an argument or, for "-", the first line of standard input, which other users of the machine do not
// see.
func argumentOrLine(ctx context.Context, argument string, in io.Reader) (string, error) {
	if argument != "-" {
		return argument, nil
	}
	line, err := firstLine(ctx, in)
	if err != nil {
		return "", fmt.Errorf("read the key: %w", err)
	}
	if line = strings.TrimSpace(line); line == "" {
		return "", usageError{errors.New("standard input has no key or link in its first line")}
	}
	return line, nil
}
