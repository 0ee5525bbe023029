package client_test

import (
	"go/doc"
	"go/parser"
	"go/token"
	"reflect"
	"testing"

	"github.com/onetime-go/onetime/client"
)

// TestEveryMethodHasAnExample holds that there is one that runs: without an output, "go test" only compiles it.
func TestEveryMethodHasAnExample(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "example_test.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	examples := map[string]bool{}
	for _, example := range doc.Examples(file) {
		if example.Output == "" {
			t.Errorf("the example %s does not run", example.Name)
		}
		examples[example.Name] = true
	}
	of := reflect.TypeFor[*client.Client]()
	for i := range of.NumMethod() {
		if name := "Client_" + of.Method(i).Name; !examples[name] {
			t.Errorf("there is no Example%s", name)
		}
	}
}
