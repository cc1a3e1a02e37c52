package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// write makes a module of files, and returns its directory.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	files["go.mod"] = "module example.com/m\n\ngo 1.26\n"
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Wrong types are found in files for the system only: of a named package, of its tests, and in a function of a package
// that it imports. Each is told once.
func TestFindsWrongTypes(t *testing.T) {
	t.Setenv("GOWORK", "off")
	places := map[string]string{
		"a_windows.go": "package a", "a_windows_test.go": "package a", "outside_windows_test.go": "package a_test",
		"own/b_windows.go": "package own",
	}
	dir := func(result string) string {
		files := map[string]string{
			"a.go":     "package a\n\nimport \"example.com/m/own\"\n\nvar _ = own.X\n",
			"own/b.go": "package own\n\nvar X int\n",
		}
		for at, clause := range places {
			name := strings.NewReplacer("/", "", "_", "", ".", "").Replace(at)
			files[at] = clause + "\n\nfunc " + name + "() string { return " + result + " }\n"
		}
		return write(t, files)
	}
	var out strings.Builder
	_, err := check(&out, dir("1"), "windows", ".")
	if err == nil || err.Error() != "4 errors" || strings.Count(out.String(), "\n") != 4 {
		t.Errorf("with four wrong types: %v\n%s", err, &out)
	}
	for at := range places {
		if !strings.Contains(out.String(), "/"+at+":3:") {
			t.Errorf("the wrong type in %s is not found", at)
		}
	}
	out.Reset()
	if _, err := check(&out, dir("1"), "darwin", "."); err != nil {
		t.Errorf("the wrong types are not for darwin: %v\n%s", err, &out)
	}
	if n, err := check(&out, dir(`""`), "windows", "."); err != nil || n < 2 {
		t.Errorf("with right types: %d packages, %v\n%s", n, err, &out)
	}
}

// A package that does not exist is an error.
func TestFindsNoPackage(t *testing.T) {
	t.Setenv("GOWORK", "off")
	var out strings.Builder
	if _, err := check(&out, write(t, map[string]string{"a.go": "package a\n"}), "windows", "./gone"); err == nil {
		t.Errorf("no error: %s", &out)
	}
}
