// Package shape holds the generated wire shapes, one package per service. See docs/decisions/0100-wire-shapes.md.
package shape

//go:generate go run ../shapegen -out .
