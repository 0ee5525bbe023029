package pages

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"go.yaml.in/yaml/v3"

	"github.com/onetime-go/onetime"
)

// documentHeader is that of the contract. It is public, so any page may read it. It changes with the server, so it is not
// kept.
var documentHeader = http.Header{
	"Access-Control-Allow-Origin":  {"*"},
	"Cache-Control":                {"no-cache"},
	"Cross-Origin-Resource-Policy": {"cross-origin"},
}

// addDocument serves the contract, with the server itself before the others that it names.
func (s *site) addDocument(base *url.URL) error {
	inYAML, inJSON, err := documentFor(onetime.OpenAPI(), base.String())
	if err != nil {
		return fmt.Errorf("pages: the contract: %w", err)
	}
	s.add(base.Path+"/openapi.yaml", newResource("application/yaml", documentHeader, inYAML))
	s.add(base.Path+"/openapi.json", newResource("application/json", documentHeader, inJSON))
	return nil
}

// documentFor returns a document, in YAML, in both forms, with a server put first. Nothing else is changed: order and
// comments are those of the document.
func documentFor(document []byte, server string) (inYAML, inJSON []byte, err error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(document, &doc); err != nil {
		return nil, nil, err
	}
	if err := putFirst(&doc, server); err != nil {
		return nil, nil, err
	}
	var asYAML, asJSON bytes.Buffer
	encoder := yaml.NewEncoder(&asYAML)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(&doc), encoder.Close()); err != nil {
		return nil, nil, err
	}
	if err := writeJSON(&asJSON, &doc); err != nil {
		return nil, nil, err
	}
	return asYAML.Bytes(), asJSON.Bytes(), nil
}

func putFirst(doc *yaml.Node, server string) error {
	var first yaml.Node
	if err := first.Encode(struct {
		URL         string `yaml:"url"`
		Description string `yaml:"description"`
	}{server, "This server"}); err != nil {
		return err
	}
	root := doc.Content[0]
	for i := 0; i+1 < len(root.Content); i += 2 {
		if list := root.Content[i+1]; root.Content[i].Value == "servers" && list.Kind == yaml.SequenceNode {
			list.Content = append([]*yaml.Node{&first}, list.Content...)
			return nil
		}
	}
	return errors.New("the document has no list of servers")
}

// writeJSON writes a node as JSON, with the members of each object in the order in which they stand: readers of a reference
// get the fields in the order in which they were thought of.
func writeJSON(w *bytes.Buffer, node *yaml.Node) error {
	switch node.Kind {
	case yaml.DocumentNode:
		return writeJSON(w, node.Content[0])
	case yaml.AliasNode:
		return writeJSON(w, node.Alias)
	case yaml.MappingNode:
		return writeMembers(w, node.Content)
	case yaml.SequenceNode:
		w.WriteByte('[')
		for i, item := range node.Content {
			if i > 0 {
				w.WriteByte(',')
			}
			if err := writeJSON(w, item); err != nil {
				return err
			}
		}
		w.WriteByte(']')
		return nil
	}
	var value any
	if err := node.Decode(&value); err != nil {
		return err
	}
	return writeValue(w, value)
}

func writeMembers(w *bytes.Buffer, pairs []*yaml.Node) error {
	w.WriteByte('{')
	for i := 0; i+1 < len(pairs); i += 2 {
		if i > 0 {
			w.WriteByte(',')
		}
		if err := writeValue(w, pairs[i].Value); err != nil {
			return err
		}
		w.WriteByte(':')
		if err := writeJSON(w, pairs[i+1]); err != nil {
			return err
		}
	}
	w.WriteByte('}')
	return nil
}

func writeValue(w *bytes.Buffer, value any) error {
	text, err := json.Marshal(value)
	w.Write(text)
	return err
}
