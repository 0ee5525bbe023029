package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/onetime-go/onetime"
)

// A format is the value of --output.
type format string

const (
	textFormat format = "text"
	jsonFormat format = "json"
	yamlFormat format = "yaml"
)

func parseFormat(text string) (format, error) {
	switch f := format(text); f {
	case textFormat, jsonFormat, yamlFormat:
		return f, nil
	case "string": // as the official command calls it
		return textFormat, nil
	}
	return "", errors.ErrUnsupported
}

// render writes a value in the format, or else the text.
func (f format) render(value any, text string) (string, error) {
	switch f {
	case jsonFormat:
		return renderJSON(value)
	case yamlFormat:
		return renderYAML(value)
	}
	return text, nil
}

// renderJSON writes JSON in which a terminal finds nothing to obey.
func renderJSON(value any) (string, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return "", fmt.Errorf("write JSON: %w", err)
	}
	var escaped strings.Builder
	for _, r := range b.String() {
		if unicode.IsControl(r) && r != '\n' { // those below a space are escaped already
			fmt.Fprintf(&escaped, `\u%04x`, r)
			continue
		}
		escaped.WriteRune(r)
	}
	return escaped.String(), nil
}

// renderYAML writes the same names and values as renderJSON, which YAML can read.
func renderYAML(value any) (string, error) {
	text, err := renderJSON(value)
	if err != nil {
		return "", err
	}
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		return "", errors.New("the answer cannot be written as YAML") // err may hold a part of it
	}
	restyle(&document)
	out, err := yaml.Marshal(&document)
	if err != nil {
		return "", errors.New("the answer cannot be written as YAML")
	}
	return string(out), nil
}

// restyle takes JSON's style off a node. Texts that are more than a word keep their quotes, and are read as they were.
func restyle(node *yaml.Node) {
	for _, child := range node.Content {
		restyle(child)
	}
	if node.Kind != yaml.ScalarNode || isWord(node.Value) {
		node.Style = 0
	}
}

func isWord(text string) bool {
	return text != "" && strings.IndexFunc(text, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_@./:-", r))
	}) < 0
}

// receiptFields is a receipt for programs. Its names are those of the API, which every version of it has; the link is ours.
type receiptFields struct {
	Link               string   `json:"link,omitempty"`
	Value              string   `json:"value,omitempty"`
	Custid             string   `json:"custid"`
	MetadataKey        string   `json:"metadata_key"`
	SecretKey          string   `json:"secret_key,omitempty"`
	State              string   `json:"state"`
	Created            int64    `json:"created,omitempty"` // Unix seconds
	Updated            int64    `json:"updated,omitempty"`
	Received           int64    `json:"received,omitempty"`
	TTL                int64    `json:"ttl"` // seconds
	MetadataTTL        int64    `json:"metadata_ttl"`
	SecretTTL          int64    `json:"secret_ttl"`
	MetadataURL        string   `json:"metadata_url,omitempty"`
	ShareDomain        string   `json:"share_domain"`
	Recipient          []string `json:"recipient"`
	PassphraseRequired bool     `json:"passphrase_required"`
	ShortKey           string   `json:"secret_shortkey,omitempty"`
}

// fieldsOf is the one place where a receipt becomes what programs read.
func fieldsOf(r onetime.Receipt, link onetime.Sensitive) receiptFields {
	return receiptFields{
		Link:               link.Expose(),
		Value:              r.Value.Expose(),
		Custid:             r.Custid,
		MetadataKey:        r.Key.Expose(),
		SecretKey:          r.SecretKey.Expose(),
		State:              string(r.State),
		Created:            unixSeconds(r.Created),
		Updated:            unixSeconds(r.Updated),
		Received:           unixSeconds(r.Received),
		TTL:                int64(r.TTL / time.Second),
		MetadataTTL:        int64(r.ReceiptTTL / time.Second),
		SecretTTL:          int64(r.SecretTTL / time.Second),
		MetadataURL:        r.URL.Expose(),
		ShareDomain:        r.ShareDomain,
		Recipient:          append([]string{}, r.Recipients...), // an empty list, not null
		PassphraseRequired: r.HasPassphrase,
	}
}

func unixSeconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// columns aligns rows, under their heading, for people, and separates them by tabs for programs.
func columns(out io.Writer, heading []string, rows [][]string) string {
	var b strings.Builder
	var w io.Writer = &b
	flush := func() error { return nil }
	if isTerminal(out) {
		aligned := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		w, flush = aligned, aligned.Flush
		if heading != nil {
			rows = slices.Insert(rows, 0, heading)
		}
	}
	for _, row := range rows {
		for i, cell := range row {
			row[i] = withoutControl(cell)
		}
		fmt.Fprintln(w, strings.Join(row, "\t")) // to memory
	}
	_ = flush()
	return b.String()
}

// withoutControl writes spaces in the place of what would divide a line, or what a terminal would obey.
func withoutControl(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}
