// Package install tests that the modules of the repository can be fetched by version, each by itself.
package install
