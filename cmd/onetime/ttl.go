package main

import (
	"cmp"
	"errors"
	"math"
	"regexp"
	"strconv"
	"time"
)

// A lifetime is the value of --ttl: weeks, days, hours, minutes and seconds, such as 2w, 7d, 1d12h or 90m. A number alone is
// seconds, as the API and its official command take them. Zero stands for the server's default, and cannot be asked for.
type lifetime time.Duration

var lifetimeForm = regexp.MustCompile(`^(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$|^(\d+)$`)

// lifetimeUnits are those of the groups of lifetimeForm.
var lifetimeUnits = []time.Duration{7 * 24 * time.Hour, 24 * time.Hour, time.Hour, time.Minute, time.Second, time.Second}

var errLifetime = errors.New("no lifetime")

func parseLifetime(text string) (lifetime, error) {
	var total time.Duration
	match := lifetimeForm.FindStringSubmatch(text)
	if match == nil {
		return 0, errLifetime
	}
	for i, unit := range lifetimeUnits {
		if match[i+1] == "" {
			continue
		}
		n, err := strconv.ParseInt(match[i+1], 10, 64)
		if err != nil || n > int64((math.MaxInt64-total)/unit) {
			return 0, errLifetime // more than 292 years
		}
		total += time.Duration(n) * unit
	}
	if total == 0 {
		return 0, errLifetime
	}
	return lifetime(total), nil
}

// Set, String and Type make it a pflag.Value.

func (l *lifetime) Set(text string) (err error) {
	*l, err = parseLifetime(text)
	return err
}

func (l *lifetime) String() string {
	if *l == 0 {
		return ""
	}
	return lifetimeText(time.Duration(*l))
}

func (*lifetime) Type() string { return "TIME" }

func (*lifetime) mistake() error {
	return errors.New("is a time such as 90m, 12h, 7d or 2w, or a number of seconds")
}

// lifetimeText writes a lifetime so that parseLifetime reads it, in days and less, without what is below a second.
func lifetimeText(d time.Duration) string {
	var text string
	for i, name := range []string{"d", "h", "m", "s"} {
		unit := lifetimeUnits[i+1]
		if n := d / unit; n > 0 {
			text += strconv.FormatInt(int64(n), 10) + name
			d -= n * unit
		}
	}
	return cmp.Or(text, "0s")
}
