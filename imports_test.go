package onetime_test

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/onetime-go/onetime"

// TestImports holds the directions in which packages may depend on each other, through others too. A package that is not
// in the table fails it.
func TestImports(t *testing.T) {
	allowed := map[string][]string{ // beside the package itself
		"":                    {},
		"/gen":                {},
		"/gen/echoserver":     {"/gen"},
		"/contract":           {"/gen"},
		"/client":             {"", "/contract", "/gen"},
		"/client/clienttest":  {"", "/client", "/contract", "/gen", "/gen/echoserver", "/internal/durable", "/server", "/server/vault", "/server/sqlitestore"},
		"/server":             {"", "/contract", "/gen", "/gen/echoserver"},
		"/server/vault":       {"", "/internal/durable"},
		"/server/sqlitestore": {"", "/internal/durable", "/server/vault"},
		"/server/redisstore":  {"", "/internal/durable", "/server/vault"},
		"/server/storetest":   {"", "/internal/durable", "/server/vault"},
		"/server/telemetry":   {"", "/contract", "/gen", "/gen/echoserver", "/internal/durable", "/server", "/server/vault"},
		"/server/proof":       {},
		"/server/pathbench":   {},
		"/server/pages":       {""},
		"/internal/durable":   {},
		"/internal/redistest": {"", "/internal/durable", "/server/redisstore", "/server/vault"},
	}
	for _, pkg := range list(t, "./...") {
		name, _ := strings.CutPrefix(pkg, module)
		if strings.HasPrefix(name, "/cmd/") {
			continue // may import anything
		}
		ours, known := allowed[name]
		if !known {
			t.Errorf("package %s is not in the table: say there what it may import", pkg)
			continue
		}
		for _, dep := range list(t, "-deps", pkg) {
			other, inModule := strings.CutPrefix(dep, module)
			if inModule && other != name && !slices.Contains(ours, other) {
				t.Errorf("%s depends on %s", pkg, dep)
			}
		}
	}
}

// TestClientIsLight holds that a program that imports only the client links no server and no database, and that the README
// says how much it links.
func TestClientIsLight(t *testing.T) {
	heavy := []string{"github.com/labstack/", "modernc.org/", "github.com/redis/", "github.com/valkey-io/",
		"github.com/gomodule/redigo", "github.com/spf13/", "golang.org/x/crypto/argon2", module + "/server"}
	modules, packages := map[string]bool{}, 0
	for _, line := range strings.Split(listLines(t, "-deps", "-f", "{{.ImportPath}} {{if .Module}}{{.Module.Path}}{{end}}", module+"/client"), "\n") {
		dep, of, _ := strings.Cut(line, " ")
		for _, prefix := range heavy {
			if strings.HasPrefix(dep, prefix) || dep == "database/sql" || dep == "testing" {
				t.Errorf("the client links %s", dep)
			}
		}
		if of != "" && of != module {
			modules[of] = true
			packages++
		}
	}
	want := fmt.Sprintf("%d packages of %d modules", packages, len(modules))
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.ReplaceAll(string(readme), "\n", " "), want) {
		t.Errorf("the README does not say that a program that imports the client links %s", want)
	}
}

// TestVaultKnowsNoHTTP holds that the rules do not depend on how they are reached, or where records are kept.
func TestVaultKnowsNoHTTP(t *testing.T) {
	for _, dep := range list(t, "-deps", module+"/server/vault") {
		if dep == "net/http" || dep == "database/sql" {
			t.Errorf("the vault links %s", dep)
		}
	}
}

func list(t *testing.T, args ...string) []string {
	t.Helper()
	return strings.Fields(listLines(t, args...))
}

func listLines(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list"}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return strings.TrimSpace(string(out))
}
