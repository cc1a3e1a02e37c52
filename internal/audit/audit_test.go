package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func entries(t *testing.T, path string) (all []Entry) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(data) {
		var e Entry
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		all = append(all, e)
	}
	return all
}

func open(t *testing.T, dir string, limits Limits) *Log {
	t.Helper()
	l, err := Open(dir, limits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestEntriesAreAppended(t *testing.T) {
	dir := t.TempDir()
	want := Entry{
		Time: now, Principal: "arn:aws:iam::123456789012:root", AccessKey: "test", Source: "127.0.0.1",
		Service: "ecs", Action: "CreateCluster", Region: "us-east-1", RequestID: "id", Status: 200,
		Resources: map[string][]string{"clusterName": {"web"}},
	}
	for range 2 { // the second time the file is there
		l := open(t, dir, Limits{})
		if err := l.Record(want); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	got := entries(t, filepath.Join(dir, Name))
	if len(got) != 2 || fmt.Sprint(got[1]) != fmt.Sprint(want) {
		t.Errorf("%+v", got)
	}
	if info, _ := os.Stat(filepath.Join(dir, Name)); info.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v", info.Mode())
	}
}

// A line that was cut by a crash does not spoil the next one.
func TestCutLine(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, Name), []byte(`{"time":"20`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(t, dir, Limits{}).Record(Entry{Time: now, Principal: "p", Action: "RunTask"}); err != nil {
		t.Fatal(err)
	}
	data, _ := os.ReadFile(filepath.Join(dir, Name))
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	if len(lines) != 2 || !json.Valid([]byte(lines[1])) {
		t.Errorf("%q", data)
	}
}

func TestFilesAreBounded(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, Limits{FileSize: 1000, Files: 3})
	for i := range 100 {
		if err := l.Record(Entry{Time: now, Principal: "p", Action: "RunTask", Status: i,
			Resources: map[string][]string{"cluster": {strings.Repeat("x", 1000)}}}); err != nil {
			t.Fatal(err)
		}
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(files) != 4 {
		t.Errorf("%d files are left: %q", len(files), files)
	}
	next := 100
	for n := range 4 {
		all := entries(t, l.path(n))
		for i := len(all) - 1; i >= 0; i-- {
			if next--; all[i].Status != next {
				t.Errorf("%s has call %d where call %d belongs", l.path(n), all[i].Status, next)
			}
		}
		if info, _ := os.Stat(l.path(n)); info.Size() > 1000 {
			t.Errorf("%s has %d bytes", l.path(n), info.Size())
		}
	}
}

// An attacker cannot fill the record with refused calls, and their number is not lost.
func TestRefusedCallsAreBounded(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, Limits{Refused: 5})
	for i := range 1000 {
		l.Record(Entry{Time: now.Add(time.Duration(i) * time.Millisecond), Source: "192.0.2.1",
			Error: "SignatureDoesNotMatch"})
	}
	l.Record(Entry{Time: now, Principal: "p", Action: "RunTask"})
	l.Record(Entry{Time: now.Add(time.Minute), Source: "192.0.2.1"})
	all := entries(t, l.path(0))
	if len(all) != 7 || all[5].Principal != "p" || all[6].LeftOut != 995 {
		t.Errorf("%d entries, the last %+v", len(all), all[len(all)-1])
	}
}

func TestReads(t *testing.T) {
	for action, want := range map[string]bool{
		"DescribeTasks": true, "ListTasks": true, "GetCallerIdentity": true, "BatchGetImage": true,
		"FilterLogEvents": true, "PutLogEvents": true, "SubmitTaskStateChange": true, "RunTask": false,
		"AssumeRole": false, "GetAuthorizationToken": false, "GetSessionToken": false, "CreateKeyPair": false,
		"PutAccountSetting": false, "": false,
	} {
		if Reads(action) != want {
			t.Errorf("Reads(%q) = %t", action, !want)
		}
	}
}
