package main

import (
	"errors"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestParseLifetime(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"90":                   90 * time.Second,
		"90s":                  90 * time.Second,
		"90m":                  90 * time.Minute,
		"12h":                  12 * time.Hour,
		"7d":                   7 * day,
		"2w":                   14 * day,
		"1w2d3h4m5s":           9*day + 3*time.Hour + 4*time.Minute + 5*time.Second,
		"1d12h":                36 * time.Hour,
		"0007d":                7 * day,
		"0d1s":                 time.Second,
		"9223372036":           9223372036 * time.Second,
		"15250w":               15250 * 7 * day,
		"":                     0,
		"0":                    0,
		"0w0d":                 0,
		"d":                    0,
		"-1h":                  0,
		"+1h":                  0,
		"1.5h":                 0,
		"1h30":                 0,
		"1m1h":                 0,
		"1h1h":                 0,
		"1 h":                  0,
		" 1h":                  0,
		"1h\n":                 0,
		"1H":                   0,
		"1ms":                  0,
		"1y":                   0,
		"१d":                   0,
		"1_000":                0,
		"0x10":                 0,
		"9223372037":           0,
		"15251w":               0,
		"106751d24h":           0,
		"99999999999999999999": 0,
	} {
		got, err := parseLifetime(text)
		if time.Duration(got) != want || (err == nil) != (want != 0) {
			t.Errorf("%q is read as %v, %v, want %v", text, time.Duration(got), err, want)
		}
	}
}

// FuzzParseLifetime holds that a lifetime is what its numbers say, however large they are, and is written as it is read.
func FuzzParseLifetime(f *testing.F) {
	for _, seed := range []string{"90", "1w2d3h4m5s", "9223372036854775807s", "15250w1d", "0", "1h30"} {
		f.Add(seed)
	}
	form := regexp.MustCompile(`^([0-9]+[wdhms])*$`)
	part := regexp.MustCompile(`([0-9]+)([wdhms])`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseLifetime(text)
		if err != nil {
			if got != 0 || !errors.Is(err, errLifetime) { // which has nothing of the text
				t.Fatalf("%q: %v, %v", text, got, err)
			}
			return
		}
		whole := text
		if strings.Trim(text, "0123456789") == "" {
			whole += "s"
		}
		if !form.MatchString(whole) {
			t.Fatalf("%q is read as %v", text, time.Duration(got))
		}
		want := new(big.Int)
		for _, m := range part.FindAllStringSubmatch(whole, -1) {
			n, _ := new(big.Int).SetString(m[1], 10)
			seconds := map[string]int64{"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}[m[2]]
			want.Add(want, n.Mul(n, big.NewInt(seconds)))
		}
		if want.Mul(want, big.NewInt(int64(time.Second))); want.Cmp(big.NewInt(int64(got))) != 0 || got <= 0 {
			t.Fatalf("%q is read as %d, want %s", text, got, want)
		}
		if again, err := parseLifetime(got.String()); err != nil || again != got {
			t.Fatalf("%q is written as %q, which is read as %v, %v", text, got.String(), again, err)
		}
	})
}
