//go:build unix

package main

import (
	"os/exec"
	"syscall"
	"testing"

	"github.com/berthhq/berth/socketio/testenv"
)

// The page in a real browser joins on every transport.
func TestPageInChromium(t *testing.T) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		testenv.Missing(t, "chromium")
	}
	url, stop := start(t, nil)
	ann := enter(t, url, "Ann", "websocket")
	for name, query := range map[string]string{"Eve": "?name=Eve", "Pol": "?name=Pol&transport=polling", "Web": "?name=Web&transport=websocket"} {
		browser := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+t.TempDir(), "--remote-debugging-port=0", url+"/"+query)
		browser.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it has children
		if err := browser.Start(); err != nil {
			t.Fatal(err)
		}
		end := func() {
			_ = syscall.Kill(-browser.Process.Pid, syscall.SIGKILL)
			_ = browser.Wait()
		}
		t.Cleanup(end)
		var p person
		ann.until("joined", &p)
		if p.Name != name {
			t.Errorf("%s: %+v", query, p)
		}
		end()
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}
