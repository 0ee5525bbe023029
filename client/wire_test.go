package client

import (
	"context"
	"encoding/json"
	"math"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/oapi-codegen/nullable"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/gen"
	"github.com/onetime-go/onetime/server"
)

// fill sets every field of a wire receipt to a value of its own.
func fill(t *testing.T, w *gen.Receipt) {
	t.Helper()
	next := int64(1000)
	v := reflect.ValueOf(w).Elem()
	for i := range v.NumField() {
		next++
		name := v.Type().Field(i).Name
		switch field := v.Field(i).Addr().Interface().(type) {
		case *string:
			*field = name
		case **string:
			*field = &name
		case *[]string:
			*field = []string{name}
		case **int64:
			*field = new(next)
		case **bool:
			*field = new(true)
		case *gen.State:
			*field = gen.State(onetime.StateReceived)
		case *nullable.Nullable[int64]:
			*field = nullable.NewNullableWithValue(next)
		default:
			t.Fatalf("a field %s of type %T is new: read it, and fill it here", name, field)
		}
	}
}

// TestReadReceiptIsComplete holds that no field of a receipt is forgotten.
func TestReadReceiptIsComplete(t *testing.T) {
	var wire gen.Receipt
	fill(t, &wire)
	receipt, ok := readReceipt(wire)
	if !ok {
		t.Error("it cannot be read")
	}
	v := reflect.ValueOf(receipt)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("%s is not set", v.Type().Field(i).Name)
		}
	}
	// Every older name counts: without it, some field is not set.
	for _, name := range []string{"Custid", "MetadataKey", "SecretKey", "State", "Created", "Updated", "Received", "TTL", "MetadataTTL",
		"SecretTTL", "MetadataURL", "ShareDomain", "Recipient", "PassphraseRequired", "Value"} {
		less := wire
		reflect.ValueOf(&less).Elem().FieldByName(name).SetZero()
		if got, _ := readReceipt(less); cmp.Equal(got, receipt) {
			t.Errorf("%s is not read", name)
		}
	}
}

// A fixed Service answers with one receipt.
type fixed struct {
	server.Service
	receipt onetime.Receipt
}

func (f fixed) Receipt(context.Context, onetime.Caller, onetime.Sensitive) (onetime.Receipt, error) {
	return f.receipt, nil
}

func (f fixed) Generate(context.Context, onetime.Caller, onetime.GenerateRequest) (onetime.Pending[onetime.Receipt], error) {
	return onetime.Pending[onetime.Receipt]{Answer: f.receipt}, nil
}

// TestReceiptSurvives holds that a receipt with everything in it comes from the server as it was.
func TestReceiptSurvives(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	received := onetime.Receipt{
		Custid: "ada@example.com", Key: "mk", State: onetime.StateReceived, Created: at, Updated: at.Add(time.Hour), Received: at.Add(time.Minute),
		TTL: time.Hour, ReceiptTTL: 2*time.Hour - time.Second, URL: "https://h/receipt/mk", ShareDomain: "d.example",
		Recipients: []string{"fo*****@e*****.com", "ba*****@e*****.org"}, HasPassphrase: true,
	}
	fresh := received
	fresh.State, fresh.Received, fresh.SecretKey, fresh.SecretTTL, fresh.Value = onetime.StateNew, time.Time{}, "sk", 59*time.Minute, "v\x00é"
	set := map[string]bool{}
	for name, receipt := range map[string]onetime.Receipt{"received": received, "fresh": fresh} {
		handler, err := server.New(fixed{receipt: receipt}, server.Config{BaseURL: "https://h"})
		if err != nil {
			t.Fatal(err)
		}
		s := httptest.NewServer(handler)
		defer s.Close()
		c, err := New(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Generate(t.Context(), onetime.GenerateRequest{})
		if diff := cmp.Diff(reveal(receipt), reveal(got)); err != nil || diff != "" {
			t.Errorf("%s, generated: %v\n%s", name, err, diff)
		}
		kept := receipt
		kept.Value = "" // in no other answer
		got, err = c.Receipt(t.Context(), "mk")
		if diff := cmp.Diff(reveal(kept), reveal(got)); err != nil || diff != "" {
			t.Errorf("%s, asked for: %v\n%s", name, err, diff)
		}
		for i, v := 0, reflect.ValueOf(receipt); i < v.NumField(); i++ {
			if !v.Field(i).IsZero() {
				set[v.Type().Field(i).Name] = true
			}
		}
	}
	if n := reflect.TypeFor[onetime.Receipt]().NumField(); len(set) != n {
		t.Errorf("the test sets %d of %d fields", len(set), n)
	}
}

// reveal makes texts comparable that print as "[redacted]".
func reveal(r onetime.Receipt) map[string]any {
	m := map[string]any{}
	v := reflect.ValueOf(r)
	for i := range v.NumField() {
		value := v.Field(i).Interface()
		if s, ok := value.(onetime.Sensitive); ok {
			value = s.Expose()
		}
		m[v.Type().Field(i).Name] = value
	}
	return m
}

func TestReadExtremes(t *testing.T) {
	for text, want := range map[string]time.Duration{
		`null`: 0, `0`: 0, `-5`: -5 * time.Second, `9007199254740991`: math.MaxInt64 / time.Second * time.Second,
		`-9007199254740991`: -math.MaxInt64 / time.Second * time.Second,
	} {
		var wire gen.Receipt
		if err := json.Unmarshal([]byte(`{"metadata_key":"k","ttl":`+text+`,"metadata_ttl":`+text+`,"secret_ttl":`+text+`,"created":`+text+`}`), &wire); err != nil {
			t.Fatal(err)
		}
		r, _ := readReceipt(wire)
		if r.TTL != want || r.ReceiptTTL != want || r.SecretTTL != want {
			t.Errorf("%s is read as %d, %d, %d", text, r.TTL, r.ReceiptTTL, r.SecretTTL)
		}
		if (text == "null") != r.Created.IsZero() {
			t.Errorf("%s is read as %v", text, r.Created)
		}
	}
}
