package server

import (
	"errors"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/oapi-codegen/nullable"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/gen"
)

// errNotUTF8 is returned for a text that JSON cannot hold as it is: it would arrive changed.
var errNotUTF8 = errors.New("server: the Service returned a text that is not UTF-8")

// links makes the URLs of the pages of a server. It is the base URL without a slash at its end.
type links string

func (l links) receipt(key onetime.Sensitive) string { return string(l) + "/receipt/" + key.Expose() }

// wireReceipt is the one place where a receipt becomes what the contract says of it. The old and the new name of a fact
// always say the same.
func (l links) wireReceipt(r onetime.Receipt) (gen.Receipt, error) {
	texts := append([]string{r.Value.Expose(), r.Key.Expose(), r.SecretKey.Expose(), r.URL.Expose(), r.Custid, r.ShareDomain}, r.Recipients...)
	if !areUTF8(texts...) {
		return gen.Receipt{}, errNotUTF8
	}
	receiptTTL := new(secondsUp(r.ReceiptTTL))
	pageURL := r.URL.Expose()
	if pageURL == "" {
		pageURL = l.receipt(r.Key)
	}
	recipients := append([]string{}, r.Recipients...) // an empty list, not null
	wire := gen.Receipt{
		Custid:             r.Custid,
		MetadataKey:        r.Key.Expose(),
		Identifier:         r.Key.Expose(),
		State:              gen.State(r.State),
		Created:            unixSeconds(r.Created),
		Updated:            unixSeconds(r.Updated),
		TTL:                new(secondsUp(r.TTL)),
		MetadataTTL:        receiptTTL,
		ReceiptTTL:         receiptTTL,
		MetadataURL:        &pageURL,
		ReceiptURL:         &pageURL,
		ShareDomain:        r.ShareDomain,
		Recipient:          recipients,
		Recipients:         recipients,
		PassphraseRequired: &r.HasPassphrase,
		HasPassphrase:      &r.HasPassphrase,
		Value:              textOrAbsent(r.Value),
		SecretValue:        textOrAbsent(r.Value),
	}
	switch {
	case r.State == onetime.StateReceived:
		wire.Received = unixSeconds(r.Received)
		return wire, nil // without the secret's key and lifetime
	case r.SecretTTL > 0:
		wire.SecretTTL = nullable.NewNullableWithValue(secondsUp(r.SecretTTL))
	default:
		wire.SecretTTL = nullable.NewNullNullable[int64]()
	}
	wire.SecretKey = textOrAbsent(r.SecretKey)
	wire.SecretIdentifier = textOrAbsent(r.SecretKey)
	return wire, nil
}

// wireKept is wireReceipt for every answer but that to generate. By the contract no other has the value.
func (l links) wireKept(r onetime.Receipt) (gen.Receipt, error) {
	r.Value = ""
	return l.wireReceipt(r)
}

func wireSecret(s onetime.Secret) (gen.SecretReveal, error) {
	if !areUTF8(s.Value.Expose(), s.Key.Expose(), s.ShareDomain) {
		return gen.SecretReveal{}, errNotUTF8
	}
	return gen.SecretReveal{Value: s.Value.Expose(), SecretKey: s.Key.Expose(), ShareDomain: s.ShareDomain}, nil
}

func areUTF8(texts ...string) bool {
	return !slices.ContainsFunc(texts, func(text string) bool { return !utf8.ValidString(text) })
}

// unixSeconds returns nil for the zero time.
func unixSeconds(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	return new(t.Unix())
}

// secondsUp rounds up, so that what still lives has a second left.
func secondsUp(d time.Duration) int64 {
	seconds := int64(d / time.Second)
	if d%time.Second > 0 {
		seconds++
	}
	return seconds
}

func textOrAbsent(s onetime.Sensitive) *string {
	if s == "" {
		return nil
	}
	return new(s.Expose())
}

// lifetime returns what a ttl field asks for. What a Duration cannot hold is as long as it can.
func lifetime(seconds *int64) time.Duration {
	if seconds == nil {
		return 0
	}
	const most = int64(math.MaxInt64 / time.Second)
	return time.Duration(min(max(*seconds, -most), most)) * time.Second
}

func sensitive(text *string) onetime.Sensitive {
	if text == nil {
		return ""
	}
	return onetime.Sensitive(*text)
}

func text(t *string) string {
	if t == nil {
		return ""
	}
	return *t
}

// recipients splits what a recipient field holds at its commas.
func recipients(field *string) []string {
	var all []string
	for part := range strings.SplitSeq(text(field), ",") {
		if part = strings.TrimSpace(part); part != "" {
			all = append(all, part)
		}
	}
	return all
}
