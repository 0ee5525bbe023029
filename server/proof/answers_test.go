package proof

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server"
)

// broken is a service that spoils the answers to reveals.
type broken struct {
	server.Service
	spoil atomic.Pointer[func(*onetime.Pending[onetime.Secret]) error]
}

func (b *broken) Reveal(ctx context.Context, c onetime.Caller, r onetime.RevealRequest) (onetime.Pending[onetime.Secret], error) {
	pending, err := b.Service.Reveal(ctx, c, r)
	if spoil := b.spoil.Load(); err == nil && spoil != nil {
		err = (*spoil)(&pending)
	}
	return pending, err
}

func serveBroken(t *testing.T) (*fixture, *broken) {
	t.Helper()
	b := &broken{}
	f := serve(t, layers{service: func(s server.Service) server.Service { b.Service = s; return b }})
	return f, b
}

// TestBrokenAnswers breaks every field of a reveal's answer, and its making, in turn: the caller gets 500, and the secret
// stays.
func TestBrokenAnswers(t *testing.T) {
	type pending = onetime.Pending[onetime.Secret]
	cases := map[string]func(*pending) error{
		"an error":          func(*pending) error { return errors.New("no") },
		"a panic":           func(*pending) error { panic("no") },
		"a runtime's panic": func(p *pending) error { p.Answer.Value = p.Answer.Value[len(p.Answer.Value)+1:]; return nil },
		"a commit that fails": func(p *pending) error {
			p.Commit = func(context.Context) error { return errors.New("no") }
			return nil
		},
		"a commit that panics": func(p *pending) error {
			p.Commit = func(context.Context) error { panic("no") }
			return nil
		},
	}
	fields := reflect.TypeFor[onetime.Secret]()
	for i := range fields.NumField() {
		for name, text := range map[string]string{"bytes": "\xff\xfe", "cut off": "the value\xe2\x82", "a lone surrogate": "\xed\xa0\x80"} {
			cases[fields.Field(i).Name+": "+name] = func(p *pending) error {
				reflect.ValueOf(&p.Answer).Elem().Field(i).SetString(text)
				return nil
			}
		}
	}
	f, b := serveBroken(t)
	for name, spoil := range cases {
		for _, passphrase := range []string{"", "open sesame"} {
			t.Run(name, func(t *testing.T) {
				shared := must(t, 200)(f.share("the value", passphrase))
				b.spoil.Store(&spoil)
				if r := must(t, 500)(f.reveal(shared.SecretKey, passphrase)); strings.Contains(r.body, "the value") {
					t.Error("the answer holds the value")
				}
				b.spoil.Store(nil)
				if r := must(t, 200)(f.receipt(shared.Key)); r.state() != "new" {
					t.Errorf("the receipt says %s", r.state())
				}
				if r := must(t, 200)(f.reveal(shared.SecretKey, passphrase)); r.Value != "the value" {
					t.Error("another value came")
				}
			})
		}
	}
}

// TestBrokenAnswersFindPlantedBug commits before the answer is checked, as a service does that takes one step.
func TestBrokenAnswersFindPlantedBug(t *testing.T) {
	f, b := serveBroken(t)
	hasty := func(p *onetime.Pending[onetime.Secret]) error {
		p.Answer.Value = "\xff"
		return p.Commit(context.Background())
	}
	shared := must(t, 200)(f.share("the value", ""))
	b.spoil.Store(&hasty)
	must(t, 500)(f.reveal(shared.SecretKey, ""))
	b.spoil.Store(nil)
	must(t, 404)(f.reveal(shared.SecretKey, ""))
}
