package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metricsql"
	"go.yaml.in/yaml/v3"

	"github.com/onetime-go/onetime/contract"
	"github.com/onetime-go/onetime/server"
	"github.com/onetime-go/onetime/server/sqlitestore"
	"github.com/onetime-go/onetime/server/vault"
)

const deployFolder = "../../deploy"

// A series is what a metric is called, and which labels it has.
type series map[string][]string

var sampleLine = regexp.MustCompile(`(?m)^([a-z_]+)(?:\{(.*)\})? \S+$`)

// allSeries returns every metric that a server has, each of which something has happened to.
func allSeries(t *testing.T) series {
	t.Helper()
	o, err := newOperator(t.Context(), settings{maxConnections: 8}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	folder := t.TempDir()
	newPair(t, filepath.Join(folder, "c"), filepath.Join(folder, "k"), 1)
	if o.certificate, err = newCertificate(filepath.Join(folder, "c"), filepath.Join(folder, "k"), o.logger); err != nil {
		t.Fatal(err)
	}
	o.attend(store)
	if _, err := o.watch(store).Sweep(t.Context(), time.Now(), 1); err != nil { // empties the log
		t.Fatal(err)
	}
	o.watch(brokenStore{}).Ping(t.Context())
	o.observe(t.Context(), server.Observation{Operation: "v1_share", Status: 500,
		Violation: &contract.Violation{Direction: contract.Response, Operation: "v1_share", Rule: "type"}})
	w := httptest.NewRecorder()
	o.metrics.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	all := series{"up": {}}
	for _, m := range sampleLine.FindAllStringSubmatch(w.Body.String(), -1) {
		labels := []string{"instance", "job"} // which Prometheus adds
		for _, label := range regexp.MustCompile(`([a-z_]+)="`).FindAllStringSubmatch(m[2], -1) {
			labels = append(labels, label[1])
		}
		all[m[1]] = labels
	}
	all["up"] = []string{"instance", "job"}
	return all
}

// A brokenStore fails.
type brokenStore struct{ vault.Store }

func (brokenStore) Ping(context.Context) error { return errors.New("broken") }

// check fails for what an expression names and no server has.
func (all series) check(t *testing.T, where, expression string, used map[string]bool) {
	t.Helper()
	expression = strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*").Replace(expression)
	parsed, err := metricsql.Parse(expression)
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	var known []string // labels of all metrics of the expression
	metricsql.VisitAll(parsed, func(e metricsql.Expr) {
		metric, ok := e.(*metricsql.MetricExpr)
		if !ok {
			return
		}
		for _, filters := range metric.LabelFilterss {
			labels, exists := all[filters[0].Value]
			if filters[0].Label != "__name__" || !exists {
				t.Errorf("%s: there is no metric %s", where, filters[0].Value)
			}
			used[filters[0].Value] = true
			known = append(known, labels...)
			for _, f := range filters[1:] {
				if !slices.Contains(labels, f.Label) {
					t.Errorf("%s: %s has no label %s", where, filters[0].Value, f.Label)
				}
				if f.Label == "operation" && strings.HasPrefix(filters[0].Value, "onetime_http") {
					checkOperations(t, where, f.Value)
				}
			}
		}
	})
	metricsql.VisitAll(parsed, func(e metricsql.Expr) {
		if sum, ok := e.(*metricsql.AggrFuncExpr); ok {
			for _, label := range sum.Modifier.Args {
				if !slices.Contains(known, label) {
					t.Errorf("%s: nothing in it has a label %s", where, label)
				}
			}
		}
	})
}

func checkOperations(t *testing.T, where, names string) {
	t.Helper()
	for name := range strings.SplitSeq(names, "|") {
		if !slices.ContainsFunc(contract.V1().Operations(), func(op *contract.Operation) bool { return op.ID == name }) {
			t.Errorf("%s: there is no operation %s", where, name)
		}
	}
}

// TestDashboardAndAlerts holds that they ask for metrics that exist, and that each metric of ours is asked for.
func TestDashboardAndAlerts(t *testing.T) {
	all, used := allSeries(t), map[string]bool{}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	readFile(t, "dashboard.json", json.Unmarshal, &dashboard)
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			all.check(t, panel.Title, target.Expr, used)
		}
	}
	if len(dashboard.Panels) < 10 {
		t.Errorf("it has %d panels", len(dashboard.Panels))
	}
	var alerts struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}
	readFile(t, "alerts.yaml", yaml.Unmarshal, &alerts)
	runbook, err := os.ReadFile("../../docs/production.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range alerts.Groups[0].Rules {
		all.check(t, rule.Alert, rule.Expr, used)
		if want := "docs/production.md#" + strings.ToLower(rule.Alert); rule.Annotations["runbook"] != want || rule.Annotations["summary"] == "" {
			t.Errorf("%s leads to %q", rule.Alert, rule.Annotations["runbook"])
		}
		if !strings.Contains(string(runbook), "\n### "+rule.Alert+"\n") {
			t.Errorf("docs/production.md does not say what %s means", rule.Alert)
		}
		for _, label := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(rule.Annotations["summary"], -1) {
			if label[1] != "instance" && !strings.Contains(rule.Expr, label[1]) {
				t.Errorf("%s says %s", rule.Alert, label[0])
			}
		}
	}
	for name := range all {
		if base := strings.NewReplacer("_bucket", "", "_sum", "", "_count", "").Replace(name); strings.HasPrefix(name, "onetime_") &&
			!used[name] && !used[base+"_bucket"] {
			t.Errorf("nothing shows %s", name)
		}
	}
}

func readFile(t *testing.T, name string, unmarshal func([]byte, any) error, into any) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(deployFolder, name))
	if err == nil {
		err = unmarshal(content, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// TestUnit has systemd read the units, with a command that exists.
func TestUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("systemd-analyze is not installed: Debian's systemd has it")
	}
	folder := t.TempDir()
	command := exec.Command("onetime", "--help")
	for _, name := range []string{"onetime.service", "onetime.socket"} {
		unit, err := os.ReadFile(filepath.Join(deployFolder, name))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Replace(string(unit), "/usr/local/bin/onetime", command.Path, 1)
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`ONETIME_\w+`).FindAllString(text, -1) {
			if new(settings).table().find(settingName(m)) == nil {
				t.Errorf("%s sets %s, which is no setting", name, m)
			}
		}
	}
	verify := exec.Command(analyze, "verify", filepath.Join(folder, "onetime.service"), filepath.Join(folder, "onetime.socket"))
	verify.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+folder+":")
	if out, err := verify.CombinedOutput(); err != nil || strings.Contains(string(out), "onetime.s") {
		t.Errorf("%v: %s", err, out)
	}
	out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=20", filepath.Join(folder, "onetime.service")).CombinedOutput()
	if err != nil {
		t.Errorf("it is less hardened than it was: %v\n%s", err, out)
	}
}
