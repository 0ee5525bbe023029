package contract

import (
	"bytes"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

const (
	formType = "application/x-www-form-urlencoded"
	mimeJSON = "application/json"
)

// isForm tells whether a body is an urlencoded form. No bytes without a Content-Type are one too: the form without
// fields.
func isForm(contentType string, body []byte) bool {
	if contentType == "" {
		return len(body) == 0
	}
	return mediaType(contentType) == formType
}

func isJSON(contentType string) bool {
	t := mediaType(contentType)
	return t == mimeJSON || strings.HasSuffix(t, "+json")
}

// isEncoded tells whether a body is compressed.
func isEncoded(header http.Header) bool {
	encoding := header.Get("Content-Encoding")
	return encoding != "" && !strings.EqualFold(encoding, "identity")
}

func mediaType(contentType string) string {
	if contentType == mimeJSON || contentType == formType {
		return contentType // as nearly everybody writes it
	}
	t, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return ""
	}
	return t
}

func typesOf(content openapi3.Content) string {
	return strings.Join(slices.Sorted(maps.Keys(content)), " or ")
}

// A media is what is documented for one Content-Type, with the rules of its schema, if there are any.
type media struct {
	*openapi3.MediaType
	rules *rules
}

// A contents is what is documented for a body.
type contents struct {
	all      openapi3.Content
	compiled map[*openapi3.MediaType]*media
	usual    map[string]*media // by a Content-Type as it is usually written
}

func newContents(all openapi3.Content, c *compiler) *contents {
	cs := &contents{all, map[*openapi3.MediaType]*media{}, map[string]*media{}}
	for contentType, documented := range all {
		if documented != nil {
			cs.compiled[documented] = &media{documented, c.compile(documented.Schema)}
			cs.usual[contentType] = nil
		}
	}
	for _, contentType := range []string{mimeJSON, mimeJSON + "; charset=utf-8", mimeJSON + "; charset=UTF-8", formType} {
		cs.usual[contentType] = nil
	}
	for contentType := range cs.usual {
		cs.usual[contentType] = cs.compiled[mediaFor(all, contentType)]
	}
	return cs
}

// of returns what is documented for a Content-Type, and nil for nothing.
func (cs *contents) of(contentType string) *media {
	if m, usual := cs.usual[contentType]; usual {
		return m
	}
	return cs.compiled[mediaFor(cs.all, contentType)]
}

// mediaFor returns what is documented for a Content-Type. A type that is documented with parameters needs them sent; one
// without takes any.
func mediaFor(content openapi3.Content, contentType string) *openapi3.MediaType {
	if contentType == "" {
		return content.Get("")
	}
	sent, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil
	}
	var found *openapi3.MediaType
	most := 0
	for documented, media := range content {
		t, wanted, err := mime.ParseMediaType(documented)
		if err == nil && t == sent && len(wanted) > most && within(wanted, params) {
			found, most = media, len(wanted)
		}
	}
	if found != nil {
		return found
	}
	return content.Get(sent)
}

func within(wanted, params map[string]string) bool {
	for name, value := range wanted {
		if !strings.EqualFold(params[name], value) {
			return false
		}
	}
	return true
}

// checkMedia checks a body. A type that is neither JSON nor a form is kin-openapi's to decode; one that it does not know
// is a text.
func (v Violation) checkMedia(media *media, header http.Header, body []byte, visit openapi3.SchemaValidationOption) error {
	if media == nil || media.Schema == nil {
		return nil
	}
	if isEncoded(header) {
		return v.as(RuleEncoding, "must be sent without a Content-Encoding")
	}
	schema, contentType := media.Schema.Value, header.Get("Content-Type")
	if isJSON(contentType) {
		if media.rules != nil && media.rules.takesJSON(body) {
			return nil
		}
		return v.checkJSON(schema, body, visit)
	}
	if mediaType(contentType) == formType {
		_, object, err := decodeForm(body, schema)
		if err != nil {
			return v.syntax(err)
		}
		return v.check(schema, object, visit)
	}
	decode := openapi3filter.RegisteredBodyDecoder(mediaType(contentType))
	if decode == nil {
		decode = openapi3filter.PlainBodyDecoder
	}
	encoding := func(name string) *openapi3.Encoding { return media.Encoding[name] }
	value, err := decode(bytes.NewReader(body), header, media.Schema, encoding)
	if err != nil {
		return v.syntax(err)
	}
	return v.check(schema, value, visit)
}

func (v Violation) checkJSON(schema *openapi3.Schema, body []byte, opts ...openapi3.SchemaValidationOption) error {
	value, err := DecodeJSON(body)
	if err != nil {
		return v.syntax(err)
	}
	return v.check(schema, value, opts...)
}
