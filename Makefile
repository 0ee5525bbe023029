# Everything that is done with this module. "make" alone says what there is.

.DEFAULT_GOAL := help
.PHONY: help run generate breaking fuzz test pages soak check bench bench-million

# The race detector needs a C compiler, which a machine with Go may lack.
RACE := $(if $(shell command -v "$$(go env CC)"),-race,$(info no C compiler: the race detector is off))

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## serve on 127.0.0.1:3000, with the data in the user's data folder
	go run ./cmd/onetime serve

generate: ## make gen/ from openapi.yaml
	go generate ./...

breaking: ## name what breaks the clients of another revision's openapi.yaml: make breaking BASE=v1.0.0
	@test -n "$(BASE)" || { echo "say which revision the clients have: make breaking BASE=v1.0.0"; exit 2; }
	@go -C tools tool oasdiff breaking "$(BASE):openapi.yaml" ../openapi.yaml --severity-levels breaking.txt --fail-on WARN --color never

test: ## run all tests, with the race detector
	go test -timeout 30m $(RACE) ./...

pages: ## use the pages with a real browser (Debian's chromium), and leave pictures in build/screenshots
	CI=true go test -count=1 ./server/pages

soak: ## run the long versions of the tests that prove the vault's promises, and of the flood (ONETIME_SOAK=1)
	ONETIME_SOAK=1 go test -count=1 -timeout 3h -v ./server/proof
	ONETIME_SOAK=1 go test -count=1 -timeout 3h -v -run Histories ./server/storetest ./server/sqlitestore
	ONETIME_SOAK=1 go test -count=1 -timeout 3h -v ./server/redisstore
	ONETIME_SOAK=1 go test -count=1 -v -run Flood ./cmd/onetime
	ONETIME_SOAK=1 go test -count=1 -timeout 3h -run 'TestRulesTakeNothingElse|TestOperationsAgree' ./contract
	$(MAKE) fuzz

FUZZTIME ?= 10m
fuzz: ## fuzz everything that is parsed, for FUZZTIME each (ten minutes); a finding is written to testdata/fuzz
	@set -e; for package in $$(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.Dir}}{{end}}' ./...); do \
		for target in $$(go test "$$package" -run '^$$' -list '^Fuzz' | grep '^Fuzz' || true); do \
			echo "$$package $$target"; go test "$$package" -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME); \
		done; \
	done

check: ## regenerate and compare, lint the document, format, vet, staticcheck, tidy, import directions, CONTRIBUTING.md
	go generate ./...
	@test -z "$$(git status --porcelain -- gen)" || { git status --short -- gen; echo "gen/ is not what openapi.yaml makes: commit the result of make generate"; exit 1; }
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "these files need gofmt"; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	go mod tidy -diff
	go -C tools mod tidy -diff
	go test -count=1 -run '^(TestDocument|TestImports|TestClientIsLight|TestVaultKnowsNoHTTP)$$' .
	go -C tools test -count=1 ./...

bench: ## run the benchmarks; lines that begin with "ratio" compare within the run
	go test -run '^$$' -bench . -benchmem ./...

bench-million: ## run the real server over a million secrets; it takes minutes, and 2 GB of the temporary folder
	ONETIME_MILLION=1 go test -run '^$$' -bench Million -timeout 1h ./server/pathbench
