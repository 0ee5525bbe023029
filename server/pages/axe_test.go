package pages_test

import (
	_ "embed"
	"encoding/json"
	"strings"
)

// axe finds what keeps people out who cannot see the page, or do not use a mouse. It is vendored as it was published: see
// testdata/axe-core.
//
//go:embed testdata/axe-core/axe.min.js
var axe string

// reachable fails the test if axe-core has something against the page as it is shown now.
func (v *visitor) reachable(state string) {
	v.t.Helper()
	if !eval[bool](v, `"axe" in window`) {
		eval[bool](v, axe+`; true`)
	}
	found := eval[string](v, `axe.run(document, {resultTypes: ["violations"]}).then((r) => JSON.stringify(r.violations))`)
	var violations []struct {
		ID    string
		Help  string
		Nodes []struct{ HTML, FailureSummary string }
	}
	if err := json.Unmarshal([]byte(found), &violations); err != nil {
		v.t.Fatal(err)
	}
	for _, violation := range violations {
		var nodes strings.Builder
		for _, node := range violation.Nodes {
			nodes.WriteString("\n\t" + node.HTML + "\n\t\t" + strings.ReplaceAll(node.FailureSummary, "\n", " "))
		}
		v.t.Errorf("%s: axe: %s: %s%s", state, violation.ID, violation.Help, nodes.String())
	}
}
