package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFirstStartMakesAKeyThatStays(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first, err := Open(dir, "123456789012")
	if err != nil {
		t.Fatal(err)
	}
	again, err := Open(dir, "123456789012")
	if err != nil {
		t.Fatal(err)
	}
	if first.AccessKey != again.AccessKey || !bytes.Equal(first.Master, again.Master) {
		t.Error("the second start has other secrets than the first")
	}
	if info, err := os.Stat(first.Sub(secretsFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the secrets = %v, %v, want 0600", info.Mode(), err)
	}
	id, secret, err := Credentials(dir)
	if err != nil || id != first.AccessKey.ID || secret != first.AccessKey.Secret {
		t.Errorf("Credentials = %q, %v", id, err)
	}
}

func TestADirectoryBelongsToItsAccount(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir, "123456789012"); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, "210987654321"); err == nil || !strings.Contains(err.Error(), "--account 123456789012") {
		t.Errorf("err = %v, want one that names the right account", err)
	}
}

func TestDamagedSecretsAreNotReplaced(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, secretsFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, "123456789012"); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("err = %v, want one that says the file is damaged", err)
	}
}
