// Command shapegen writes the packages under internal/awswire/shape: for every API that Berth
// speaks, plain Go types for the inputs and outputs of the operations listed in services.go and of
// everything reachable from them.
//
// Its source of facts is the official Go SDK, read as text (go/parser) from the module cache; the
// SDK is no dependency of Berth. It takes names, types, wire names, enum values and error codes,
// and nothing else: no sentence of the SDK's documentation. Every construct it does not know stops
// it with an error: a shape is complete or it is not written.
//
//	go generate ./internal/awswire/shape
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	out := flag.String("out", ".", "directory that holds one package per service")
	flag.Parse()
	for _, s := range services {
		if err := write(s, filepath.Join(*out, s.Package)); err != nil {
			fmt.Fprintf(os.Stderr, "shapegen: %s: %v\n", s.Package, err)
			os.Exit(1)
		}
	}
}

// write generates one package into dir.
func write(s service, dir string) error {
	files, err := generate(s)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate makes the files of one package, by name.
func generate(s service) (map[string][]byte, error) {
	src, err := load(s)
	if err != nil {
		return nil, err
	}
	m, err := newModel(s, src)
	if err != nil {
		return nil, err
	}
	return emit(s, m)
}
