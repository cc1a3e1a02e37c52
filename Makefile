# make help lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
GOFLAGS_STATIC := -trimpath -ldflags '-s -w'

# RACE=-race for check and lint lets it share what it compiles with the tests that run after it.
RACE :=
FUZZTIME := 10s
BASE := HEAD~1
# Packages whose tests need this machine's Docker.
MACHINE := /berth/(test/|internal/agent$$|internal/agent/runtime)

.PHONY: help build release cross demo demo-scaling test quick check lint vuln bench bench-compare bench-socketio bench-storm bench-scale fuzz gen clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

# With fewer collections of garbage, the compiler takes an eighth less CPU time, and half as much memory again.
build: export GOGC := 400
build: ## build bin/berth and the chat's server
	CGO_ENABLED=0 go build $(GOFLAGS_STATIC) -o bin/berth ./cmd/berth
	CGO_ENABLED=0 go build $(GOFLAGS_STATIC) -o bin/chat ./examples/chat

release: ## build the release binaries and their checksums into dist
	scripts/release

cross: bin/typecheck ## check what runs on macOS and Windows, with its tests: commands that talk to a server, and the Socket.IO library
	GOWORK=off go test -C tools ./typecheck
	for os in darwin windows; do \
	  bin/typecheck $$os ./internal/cli ./cmd/berth ./socketio/... ./socketio/redisadapter/... || exit 1; \
	done

demo: ## install what is missing, build, and run the article's whole stack until Ctrl-C
	@scripts/setup demo
	@$(MAKE) --no-print-directory build
	@bin/berth demo

demo-scaling: ## put load on the same stack: tasks and instances come and leave with it, and no page fails
	@scripts/setup demo
	@$(MAKE) --no-print-directory build
	@bin/berth demo --scaling --once

test: ## install everything that tests need, then run all tests with the race detector
	@scripts/setup test
	@$(MAKE) --no-print-directory build
	scripts/test

quick: ## run the tests that need no Docker, without the race detector; results of unchanged packages come from Go's cache
	go test -vet=off $$(go list work | grep -vE '$(MACHINE)')

check: ## run gofmt, vet, staticcheck and the repository's own rules; needs only Go
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	GOGC=400 go vet $(RACE) work
	go test -vet=off ./internal
	@$(MAKE) --no-print-directory lint cross

lint: bin/staticcheck ## run staticcheck: unused code, code without effect, deprecated functions
	$(if $(RACE),GOFLAGS=$(RACE)) bin/staticcheck $$(go list work)

vuln: bin/govulncheck ## look for known vulnerabilities in code that is called; needs the network
	scripts/vuln

bin/staticcheck: TOOL = honnef.co/go/tools/cmd/staticcheck
bin/govulncheck: TOOL = golang.org/x/vuln/cmd/govulncheck
bin/benchstat: TOOL = golang.org/x/perf/cmd/benchstat
bin/typecheck: TOOL = ./typecheck
bin/typecheck: tools/typecheck/main.go
bin/staticcheck bin/govulncheck bin/benchstat bin/typecheck: tools/go.mod
	GOWORK=off go build -C tools -o ../$@ $(TOOL)
	@touch $@

bench: ## benchmark group commit, placement, routing, alarms, metrics, the edge beside other proxies, telemetry, a simulated day
	go test -run '^$$' -bench . -benchtime 1s ./internal/state/... ./internal/sched/... ./internal/route/... \
		./internal/control/alarm ./internal/meter/... ./internal/edge/...
	go test -run '^$$' -bench Day -benchtime 1x ./internal/sim
	go test -run '^$$' -bench Telemetry -benchtime 1x ./test/scale

bench-compare: bin/benchstat ## compare the benchmarks of sched, rollout and route with the previous commit, or with BASE=COMMIT
	scripts/bench-compare $(BASE)

bench-socketio: ## compare the Socket.IO servers in Go and in Node.js, with the same client
	@scripts/setup test
	go run ./socketio/redisadapter/internal/bench

bench-storm: ## compare the same servers while 20,000 clients lose their server and reconnect
	@scripts/setup test
	go run ./socketio/redisadapter/internal/bench -storm 20000

bench-scale: ## measure how the server's CPU time grows with tasks, services and instances, with simulated agents
	go test -run '^$$' -bench . -benchtime 1x -timeout 30m ./test/scale

fuzz: ## run every fuzz target for ten seconds; FUZZTIME=1m for longer
	scripts/fuzz $(FUZZTIME)

gen: ## generate the wire shapes again
	go generate ./internal/awswire/shape

clean: ## remove bin and dist
	rm -rf bin dist
