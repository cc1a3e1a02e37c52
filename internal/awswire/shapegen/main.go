// Command shapegen writes the packages under internal/awswire/shape. For every API that Berth implements, they have Go
// types for the inputs and outputs of the operations in services.go, and for the types of their members.
//
// It reads the source of the official Go SDK (with go/parser) from the module cache. Berth itself does not depend on
// the SDK. It takes names, types, names on the wire, enum values and error codes, and no text of the SDK's
// documentation. It fails on every construct that it does not know, so that no shape is incomplete.
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

// generate returns the files of one package by their names.
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
