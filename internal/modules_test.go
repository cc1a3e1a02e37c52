package internal_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// moduleFile is what go mod edit prints about a go.mod.
type moduleFile struct {
	Module  struct{ Path string }
	Require []struct {
		Path     string
		Indirect bool
	}
	Replace []struct{}
}

func readModule(t *testing.T, dir string) (m moduleFile) {
	t.Helper()
	cmd := exec.Command("go", "mod", "edit", "-json")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// Each module can be fetched by itself: none has a replacement, their paths are their places, and they
// need no more than they should.
func TestModules(t *testing.T) {
	mayNeed := map[string]func(path string) bool{
		"":                       func(path string) bool { return !strings.HasPrefix(path, module) },
		"/socketio":              func(path string) bool { return path == "golang.org/x/sys" },
		"/socketio/redisadapter": func(path string) bool { return path != module },
		"/examples":              func(path string) bool { return path != module },
	}
	for _, dir := range workspace() {
		m := readModule(t, dir)
		place := strings.TrimPrefix(m.Module.Path, module)
		if filepath.Join("..", place) != dir {
			t.Errorf("module %s is in %s", m.Module.Path, dir)
		}
		if len(m.Replace) > 0 {
			t.Errorf("%s/go.mod has a replacement; go.work is the place for it", dir)
		}
		may, known := mayNeed[place]
		if !known {
			t.Errorf("module %s is not in the list of this test", m.Module.Path)
			continue
		}
		for _, r := range m.Require {
			if !may(r.Path) {
				t.Errorf("module %s needs %s", m.Module.Path, r.Path)
			}
		}
	}
}

// tools is the module of the programs that check the others. It is not in go.work: what those programs need would
// otherwise choose the versions that Berth is built with.
const tools = "../tools"

// go.work has every module that the repository publishes or builds.
func TestWorkspaceIsWhole(t *testing.T) {
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules" || d.Name() == ".git"):
			return fs.SkipDir
		case d.Name() == "go.mod" && filepath.Dir(file) != tools && !slices.Contains(workspace(), filepath.Dir(file)):
			t.Errorf("%s is not in go.work", filepath.Dir(file))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("../go.work"); err != nil {
		t.Fatal(err)
	}
}
