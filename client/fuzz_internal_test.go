package client

import (
	"net/http"
	"testing"
	"time"
)

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "0", "7", "-7", "1e9", "99999999999", "Wed, 21 Oct 2015 07:28:00 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"} {
		f.Add(seed, "")
		f.Add(seed, "Wed, 21 Oct 2015 07:27:00 GMT")
	}
	f.Fuzz(func(t *testing.T, text, date string) {
		got := retryAfter(http.Header{"Retry-After": {text}, "Date": {date}}, time.Unix(1_445_412_420, 0))
		if got < 0 || got%time.Second != 0 || got > longestWait {
			t.Errorf("%q at %q is %v", text, date, got)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2015, 10, 21, 7, 27, 0, 0, time.UTC)
	for _, test := range []struct {
		text, date string
		want       time.Duration
	}{
		{"", "", 0}, {"0", "", 0}, {"7", "", 7 * time.Second}, {"-7", "", 0}, {"+7", "", 0}, {"7.5", "", 0}, {" 7", "", 0},
		{"99999999999", "", 0}, {"soon", "", 0},
		{"Wed, 21 Oct 2015 07:28:00 GMT", "", time.Minute},
		{"Wed, 21 Oct 2015 07:26:00 GMT", "", 0},
		{"Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:27:30 GMT", 30 * time.Second}, // by the clock of the server
		{"Wed, 21 Oct 2015 07:28:00 GMT", "odd", time.Minute},
		{"Fri, 31 Dec 9999 23:59:59 GMT", "", longestWait},
	} {
		if got := retryAfter(http.Header{"Retry-After": {test.text}, "Date": {test.date}}, now); got != test.want {
			t.Errorf("%q at %q is %v, want %v", test.text, test.date, got, test.want)
		}
	}
}
