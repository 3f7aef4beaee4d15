# Everything here needs Go and the system's package manager only.
GO      ?= go
SEED    ?=
N       ?= 100
BIN     := bin
export CGO_ENABLED ?= 0

.PHONY: help build agents install demo test race check golden bench torture downtime predict model testbed testbed-down deps clean

help: ## show this help
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: agents ## build bin/stopover, and beside it the agents that it puts on servers
	$(GO) build -trimpath -o $(BIN)/stopover ./cmd/stopover

agents: ## build the agents for Linux servers, amd64 and arm64
	CGO_ENABLED=0 GOOS=linux GOARCH=amd64 $(GO) build -trimpath -ldflags "-s -w" -o $(BIN)/stopover-agent-linux-amd64 ./cmd/stopover-agent
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 $(GO) build -trimpath -ldflags "-s -w" -o $(BIN)/stopover-agent-linux-arm64 ./cmd/stopover-agent

install: ## install stopover into GOBIN
	$(GO) install -trimpath ./cmd/stopover

demo: build ## move two accounts out and home under load, on this machine
	$(GO) build -trimpath -o $(BIN)/guestbook ./examples/guestbook
	$(GO) build -trimpath -o $(BIN)/worker ./examples/worker
	$(GO) run ./examples/demo -stopover $(BIN)/stopover -guestbook $(BIN)/guestbook -worker $(BIN)/worker

ifeq ($(RACE),1)
test: race
else
test: ## run the tests; RACE=1 with the race detector, as CI does
	$(GO) test ./...
endif

# SQLite in Go under the race detector is some twenty times slower: of its two
# packages the parts with goroutines run under it, all of them without it.
SLOW := ./providers/local/sqlite/...
race: ## run the tests with the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race $$($(GO) list ./... | grep -v /local/sqlite)
	CGO_ENABLED=1 $(GO) test -race -short -run 'Hold|Locks|Session|Rights|Cancelled|Travels' $(SLOW)
	$(GO) test $(SLOW)

check: ## gofmt, go vet, staticcheck, import table, generated files, govulncheck where reachable
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "gofmt would change:"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) test -count=1 -run 'TestImports|TestLinks' ./cmd/stopover
	$(GO) test -count=1 -run 'TestDocs|TestRulesPage|TestFindingsPage|TestReference|TestSchemas|TestStream' ./schema/hclfile ./plan ./cmd/internal/cli ./cmd/internal/format ./cmd/internal/view
	@if command -v govulncheck >/dev/null 2>&1; then govulncheck ./... || echo "govulncheck did not pass or its database is out of reach"; else echo "govulncheck is not installed: skipped"; fi

golden: ## rewrite golden files and generated docs from what the code does now; read the diff
	$(GO) test ./plan -run 'TestGolden$$|TestRulesPage|TestFindingsPage' -update
	$(GO) test ./schema/hclfile ./schema/hclfile/condition ./cmd/internal/view ./cmd/internal/cli ./cmd/internal/format ./cmd/internal/notice -update

bench: ## benchmarks (ratios against rsync in the same run, planner at 1,000 to 100,000 accounts)
	$(GO) test -run '^$$' -bench . -benchtime 3x -timeout 60m ./plan ./providers/... ./schema/...

torture: build ## N seeded faults over the whole journey: make torture SEED=1 N=1000
	$(GO) run ./providers/local/torture -stopover $(BIN)/stopover $(if $(SEED),-seed $(SEED)) -n $(N)

downtime: build ## what a cutover costs an account under load, by its size (Markdown table)
	$(GO) run ./providers/local/torture downtime -stopover $(BIN)/stopover

predict: build ## how well plans predict the downtime of 108 cutovers of mixed sizes (Markdown table)
	$(GO) run ./providers/local/torture predict -stopover $(BIN)/stopover

model: ## check the model of the ownership protocol and its mutants with spin, then the Go package's exploration
	$(GO) run ./providers/agent/ownership/model/run
	$(GO) test -count=1 -run 'TestExplore|TestMutant' -v ./providers/agent/ownership

testbed: build ## start two real Debian servers with sample accounts here (root; the first time takes minutes)
	$(GO) build -trimpath -o $(BIN)/bed ./providers/linux/testbed/bed
	$(BIN)/bed up testbed

testbed-down: ## end them, and remove all that is left of them
	$(GO) build -trimpath -o $(BIN)/bed ./providers/linux/testbed/bed
	$(BIN)/bed down testbed

deps: ## install what tests use beyond Go (Debian)
	apt-get update -q
	apt-get install -y --no-install-recommends spin gcc libc6-dev rsync sqlite3 $(BED)

# What test hosts are made with, and what their tests speak to them with.
BED := debootstrap debian-archive-keyring iproute2 util-linux openssh-client openssh-server sshpass openssl

clean: ## remove what make made
	rm -rf $(BIN)
