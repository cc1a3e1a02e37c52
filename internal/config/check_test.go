package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every file that a server or a command could not read is reported, with what is wrong with it.
func TestCheck(t *testing.T) {
	for _, c := range []struct{ file, content, want string }{
		{secretsFile, "", "unexpected end"},
		{secretsFile, strings.Repeat("\x00", 200), "invalid character"},
		{secretsFile, "{}", "it has no account"},
		{secretsFile, "null", "it has no account"},
		{secretsFile, `{"Account":"123456789012"}`, "it has no access key"},
		{secretsFile, `{"Account":"123456789012","AccessKeyID":"a","SecretAccessKey":"b","Master":"AAAA"}`,
			"3 bytes and not 32"},
		{BlockFile, "{}", "damaged"},
		{BlockFile, `{"Server":"a","Block":-1}`, "block -1"},
		{BlockFile, "\x00\x00", "damaged"},
		{AddressFile, "", "damaged"},
	} {
		dir := t.TempDir()
		if _, err := Open(dir, "123456789012"); err != nil {
			t.Fatal(err)
		}
		Check(dir, func(err error) { t.Errorf("nothing is damaged: %v", err) })
		path := filepath.Join(dir, c.file)
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		var found []string
		Check(dir, func(err error) { found = append(found, err.Error()) })
		if len(found) != 1 || !strings.HasPrefix(found[0], path) || !strings.Contains(found[0], c.want) {
			t.Errorf("%s with %q: %q, want one that says %q", c.file, c.content, found, c.want)
		}
		if _, err := Open(dir, "123456789012"); c.file == secretsFile &&
			(err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s with %q is opened: %v", c.file, c.content, err)
		}
	}
	dir := t.TempDir()
	var found []string
	Check(dir, func(err error) { found = append(found, err.Error()) })
	if len(found) != 1 || !strings.Contains(found[0], filepath.Join(dir, secretsFile)+" is missing") {
		t.Errorf("without keys: %q", found)
	}
}
