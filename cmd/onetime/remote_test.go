package main

import "testing"

func TestSameServer(t *testing.T) {
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{"https://h.example", "https://h.example/", true},
		{"https://h.example", "https://H.EXAMPLE:443/api", true},
		{"https://h.example/sub", "https://h.example/sub/api/", true},
		{"http://127.0.0.1:3000", "http://127.0.0.1:3000/api", true},
		{"http://h.example", "http://h.example:80", true},
		{"https://h.example", "http://h.example", false},
		{"https://h.example", "https://h.example:444", false},
		{"https://h.example", "https://h.example.evil.example", false},
		{"https://h.example", "https://evil.example/h.example", false},
		{"https://h.example/a", "https://h.example/b", false},
		{"https://h.example/a", "https://h.example", false},
		{"https://h.example", "https://h.example@evil.example", false},
		{"https://h.example", "https://evil.example#h.example", false},
		{"https://h.example", "%", false},
	} {
		if got := sameServer(test.a, test.b); got != test.same {
			t.Errorf("%s and %s: %t", test.a, test.b, got)
		}
		if got := sameServer(test.b, test.a); got != test.same {
			t.Errorf("%s and %s: %t", test.b, test.a, got)
		}
	}
}
