package client

import (
	"math"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/gen"
)

// readReceipt makes a receipt of what came over the wire. It reads the older of two names, which every server sends.
func readReceipt(w gen.Receipt) (onetime.Receipt, bool) {
	r := onetime.Receipt{
		Custid:        w.Custid,
		Key:           onetime.Sensitive(w.MetadataKey),
		SecretKey:     onetime.Sensitive(value(w.SecretKey)),
		State:         onetime.State(w.State),
		Created:       moment(w.Created),
		Updated:       moment(w.Updated),
		Received:      moment(w.Received),
		TTL:           duration(w.TTL),
		ReceiptTTL:    duration(w.MetadataTTL),
		URL:           onetime.Sensitive(value(w.MetadataURL)),
		ShareDomain:   w.ShareDomain,
		Recipients:    w.Recipient,
		HasPassphrase: value(w.PassphraseRequired),
		Value:         onetime.Sensitive(value(w.Value)),
	}
	if ttl, err := w.SecretTTL.Get(); err == nil {
		r.SecretTTL = duration(&ttl)
	}
	return r, r.Key != ""
}

func readReceipts(w gen.Receipts) (all []onetime.Receipt, ok bool) {
	all = make([]onetime.Receipt, len(w))
	for i := range w {
		if all[i], ok = readReceipt(w[i]); !ok {
			return nil, false
		}
	}
	return all, w != nil // not null
}

func readSecret(w gen.SecretReveal) (onetime.Secret, bool) {
	return onetime.Secret{Value: onetime.Sensitive(w.Value), Key: onetime.Sensitive(w.SecretKey), ShareDomain: w.ShareDomain}, w.Value != ""
}

func readBurned(w gen.BurnSecret) (onetime.Burned, bool) {
	receipt, ok := readReceipt(w.State)
	return onetime.Burned{Receipt: receipt, ShortKey: onetime.Sensitive(w.SecretShortkey)}, ok
}

func readStatus(w gen.Status) (onetime.Status, bool) {
	return onetime.Status{Status: w.Status, Locale: w.Locale}, w.Status != ""
}

// value returns the zero value for nothing.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func moment(unix *int64) time.Time {
	if unix == nil {
		return time.Time{}
	}
	return time.Unix(*unix, 0).UTC()
}

// duration returns at most what a Duration holds, 292 years.
func duration(seconds *int64) time.Duration {
	const most = int64(math.MaxInt64 / time.Second)
	return time.Duration(min(max(value(seconds), -most), most)) * time.Second
}
