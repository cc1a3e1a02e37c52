# make help lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
GOFLAGS_STATIC := -trimpath -ldflags '-s -w'

.PHONY: help build release cross demo test check bench bench-socketio bench-storm fuzz gen clean

help: ## list the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

build: ## build bin/berth and the chat's server
	CGO_ENABLED=0 go build $(GOFLAGS_STATIC) -o bin/berth ./cmd/berth
	CGO_ENABLED=0 go build $(GOFLAGS_STATIC) -o bin/chat ./examples/chat

release: ## build the release binaries and their checksums into dist
	scripts/release

cross: ## build what runs on macOS and Windows
	for os in darwin windows; do \
	  CGO_ENABLED=0 GOOS=$$os go vet ./internal/cli ./cmd/berth ./socketio/... ./socketio/redisadapter/... || exit 1; \
	done

demo: ## set up, build, and run the article's whole stack until Ctrl-C
	@scripts/setup demo
	@$(MAKE) --no-print-directory build
	@bin/berth demo

test: ## set up everything the tests need, then run them all with the race detector
	@scripts/setup test
	@$(MAKE) --no-print-directory build
	scripts/test

check: ## format, vet and the rules of the house, without Docker or anything else
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet work
	go test ./internal
	@$(MAKE) --no-print-directory cross

bench: ## group commit, placement, routing and the edge beside its peers
	go test -run '^$$' -bench . -benchtime 1s ./internal/state/... ./internal/sched/... ./internal/route/... ./internal/edge/...

bench-socketio: ## the Go Socket.IO server beside Node's, same client
	@scripts/setup test
	go run ./socketio/redisadapter/internal/bench

bench-storm: ## 20,000 Socket.IO clients lose their server and come back, beside Node's
	@scripts/setup test
	go run ./socketio/redisadapter/internal/bench -storm 20000

fuzz: ## every fuzz target for ten seconds
	scripts/fuzz 10s

gen: ## generate the wire shapes again
	go generate ./internal/awswire/shape

clean: ## remove what was built
	rm -rf bin dist
