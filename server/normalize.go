package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/onetime-go/onetime/contract"
)

// rewrite brings a request into the form that the contract documents, as far as that changes nothing of what it says.
// Clients in use send
//
//   - lists of recipients: "recipient[]=a&recipient[]=b" becomes "recipient=a,b". That much is always done;
//   - JSON with flat fields, or its Content-Type without a body,
//   - multipart forms,
//   - forms without a Content-Type,
//   - the fields in the query, with an empty body.
//
// If strict, the last four are left to the check to refuse, and fields in the query are refused here: the contract has
// nothing to say of them, but they would be silently ignored. The body that it returns is the one to check; the
// Content-Type is changed in r.
//
// Other fields are no lists: what they would become, nobody has sent.
func rewrite(r *http.Request, op *contract.Operation, body []byte, strict bool) ([]byte, error) {
	if !op.TakesForm() {
		return body, nil
	}
	if strict {
		if err := refuseQuery(r, op); err != nil {
			return nil, err
		}
	} else {
		var err error
		if body, err = normalize(r, op, body); err != nil {
			return nil, err
		}
	}
	return foldLists(op, body), nil
}

func refuseQuery(r *http.Request, op *contract.Operation) error {
	for name := range r.URL.Query() {
		if field := strings.TrimSuffix(name, "[]"); op.HasFormField(field) {
			return refused(op, contract.Violation{Pointer: "/" + field, Rule: "in", Want: "must be in the body, not in the query"})
		}
	}
	return nil
}

func refused(op *contract.Operation, v contract.Violation) error {
	v.Direction, v.Operation = contract.Request, op.ID
	return refusedFor(&v)
}

func normalize(r *http.Request, op *contract.Operation, body []byte) ([]byte, error) {
	contentType := r.Header.Get(echo.HeaderContentType)
	mediaType, params, _ := mime.ParseMediaType(contentType)
	known := contentType == "" || mediaType == echo.MIMEApplicationJSON ||
		mediaType == echo.MIMEMultipartForm || mediaType == echo.MIMEApplicationForm
	switch {
	case !known:
		return body, nil // for the check to refuse
	case len(body) == 0:
		body = []byte(r.URL.RawQuery)
	case mediaType == echo.MIMEApplicationJSON:
		form, err := formOfJSON(body)
		if err != nil {
			return nil, refused(op, *err)
		}
		body = []byte(form.Encode())
	case mediaType == echo.MIMEMultipartForm:
		form, err := formOfMultipart(body, params["boundary"])
		if err != nil {
			return nil, refused(op, contract.Violation{Rule: contract.RuleSyntax, Want: "is not a multipart form"})
		}
		body = []byte(form.Encode())
	}
	r.Header.Set(echo.HeaderContentType, echo.MIMEApplicationForm)
	return body, nil
}

// formOfJSON returns the fields of a JSON object whose members are texts, numbers, booleans, null for none, or lists
// of these, which are joined by commas.
func formOfJSON(body []byte) (url.Values, *contract.Violation) {
	value, err := contract.DecodeJSON(body)
	if err != nil {
		return nil, &contract.Violation{Rule: contract.RuleSyntax, Want: err.Error()}
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, &contract.Violation{Rule: "type", Want: "must be a JSON object"}
	}
	form := url.Values{}
	for name, member := range object {
		if _, list := member.([]any); list && name != listField && name != listField+"[]" {
			return nil, &contract.Violation{Rule: "type", Want: "must be a flat JSON object"}
		}
		text, present, ok := flatText(member)
		if !ok {
			return nil, &contract.Violation{Rule: "type", Want: "must be a flat JSON object"}
		}
		if present {
			form.Set(name, text)
		}
	}
	return form, nil
}

func flatText(member any) (text string, present, ok bool) {
	switch m := member.(type) {
	case nil:
		return "", false, true
	case string:
		return m, true, true
	case json.Number:
		return m.String(), true, true
	case bool:
		if m {
			return "true", true, true
		}
		return "false", true, true
	case []any:
		var texts []string
		for _, item := range m {
			if _, list := item.([]any); list {
				return "", false, false
			}
			text, present, ok := flatText(item)
			if !ok {
				return "", false, false
			}
			if present {
				texts = append(texts, text)
			}
		}
		return strings.Join(texts, ","), true, true
	}
	return "", false, false
}

func formOfMultipart(body []byte, boundary string) (url.Values, error) {
	if boundary == "" {
		return nil, errors.New("no boundary")
	}
	form := url.Values{}
	reader := multipart.NewReader(bytes.NewReader(body), boundary)
	for range maxParts {
		part, err := reader.NextRawPart()
		if err == io.EOF {
			return form, nil
		}
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(part)
		if err != nil {
			return nil, err
		}
		form.Add(part.FormName(), string(text))
	}
	return nil, errors.New("too many parts")
}

// maxParts bounds the parts of a multipart form, each of which takes many times the memory of what was sent.
const maxParts = 100

// listField is the field that clients send as a list.
const listField = "recipient"

// foldLists writes the list of recipients as the contract does: the texts of "recipient[]", and of "recipient" beside it,
// joined by commas, empty ones left out. It leaves a body alone that it cannot read, for the check to refuse.
func foldLists(op *contract.Operation, body []byte) []byte {
	if !bytes.Contains(body, []byte("]")) && !bytes.Contains(body, []byte("%5D")) && !bytes.Contains(body, []byte("%5d")) {
		return body
	}
	pairs := strings.Split(string(body), "&")
	if !op.HasFormField(listField) || !slices.ContainsFunc(pairs, isListed) {
		return body
	}
	var kept, texts []string
	for _, pair := range pairs {
		name, text, _ := strings.Cut(pair, "=")
		if name != listField && !isListed(pair) {
			kept = append(kept, pair)
		} else if text != "" {
			texts = append(texts, text)
		}
	}
	return []byte(strings.Join(append(kept, listField+"="+strings.Join(texts, "%2C")), "&"))
}

// isListed tells whether a pair is in list notation.
func isListed(pair string) bool {
	name, _, _ := strings.Cut(pair, "=")
	name, err := url.QueryUnescape(name)
	return err == nil && name == listField+"[]"
}
