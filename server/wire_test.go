package server

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/gen"
)

// filledReceipt sets every field, so that a new one is in the test at once.
func filledReceipt(t *testing.T) onetime.Receipt {
	t.Helper()
	var r onetime.Receipt
	v := reflect.ValueOf(&r).Elem()
	for i := range v.NumField() {
		switch field := v.Field(i); x := field.Addr().Interface().(type) {
		case *time.Time:
			*x = made.Add(time.Duration(i) * time.Hour)
		case *time.Duration:
			*x = time.Duration(i) * time.Minute
		case *[]string:
			*x = []string{fmt.Sprintf("text %d", i)}
		case *bool:
			*x = true
		default:
			if field.Kind() != reflect.String {
				t.Fatalf("%s: a kind of field that this test does not know", v.Type().Field(i).Name)
			}
			field.SetString(fmt.Sprintf("text %d", i))
		}
	}
	return r
}

// members returns what a receipt is on the wire.
func members(t *testing.T, r onetime.Receipt) map[string]any {
	t.Helper()
	wire, err := links("https://secrets.example.com").wireReceipt(r)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(wire)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// names returns what a receipt can have on the wire.
func names(t *testing.T) []string {
	t.Helper()
	var all []string
	for field := range reflect.TypeFor[gen.Receipt]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		all = append(all, name)
	}
	return all
}

// absent are the fields that a state does not have.
var absent = map[onetime.State][]string{
	onetime.StateNew:      {"received"},
	onetime.StateReceived: {"secret_key", "secret_identifier", "secret_ttl"},
	onetime.StateBurned:   {"received"},
}

// TestWireReceiptIsComplete finds a field of the contract that nothing sets, in every state.
func TestWireReceiptIsComplete(t *testing.T) {
	for state, missing := range absent {
		r := filledReceipt(t)
		r.State = state
		all := members(t, r)
		for _, name := range names(t) {
			value, set := all[name]
			want := true
			for _, m := range missing {
				want = want && m != name
			}
			if set != want || (set && (value == nil || reflect.ValueOf(value).IsZero())) {
				t.Errorf("%s: %s = %v (there: %v), want there: %v", state, name, value, set, want)
			}
		}
	}
}

// TestWireReceiptUsesAll finds a field of onetime.Receipt that nothing reads: each, changed, must change the answer.
func TestWireReceiptUsesAll(t *testing.T) {
	kind := reflect.TypeFor[onetime.Receipt]()
	for i := range kind.NumField() {
		r := filledReceipt(t)
		r.State = onetime.StateNew
		if kind.Field(i).Name == "Received" {
			r.State = onetime.StateReceived
		}
		before := members(t, r)
		reflect.ValueOf(&r).Elem().Field(i).SetZero()
		if cmp.Equal(before, members(t, r)) {
			t.Errorf("%s does not reach the wire", kind.Field(i).Name)
		}
	}
}

// TestTwins compares each v0.24 name with the older name of the same fact.
func TestTwins(t *testing.T) {
	twins := map[string]string{
		"identifier": "metadata_key", "secret_identifier": "secret_key", "has_passphrase": "passphrase_required", "recipients": "recipient",
		"receipt_ttl": "metadata_ttl", "receipt_url": "metadata_url", "secret_value": "value",
	}
	bare := onetime.Receipt{State: onetime.StateOrphaned}
	for _, r := range []onetime.Receipt{filledReceipt(t), newReceipt(), receivedReceipt(), burnedReceipt(), bare} {
		all := members(t, r)
		for name, twin := range twins {
			value, set := all[name]
			older, also := all[twin]
			if set != also || !cmp.Equal(value, older) {
				t.Errorf("%s: %s = %v, but %s = %v", r.State, name, value, twin, older)
			}
		}
	}
}

// TestSecondsUp never says that what still lives has no second left.
func TestSecondsUp(t *testing.T) {
	for d, want := range map[time.Duration]int64{
		0: 0, 1: 1, time.Second: 1, time.Second + 1: 2, time.Minute - 1: 60, -1: 0, -time.Second - 1: -1,
		math.MaxInt64: math.MaxInt64/int64(time.Second) + 1, math.MinInt64: math.MinInt64 / int64(time.Second),
	} {
		if got := secondsUp(d); got != want {
			t.Errorf("secondsUp(%d) = %d, want %d", d, got, want)
		}
	}
}
