//go:build unix

package chattest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/berthhq/berth/socketio/internal/testenv"
)

// The page in a real browser joins on every transport.
func TestPageInChromium(t *testing.T) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		testenv.Missing(t, "chromium")
	}
	url, stop := start(t, nil)
	ann := enter(t, url, "Ann", "websocket")
	for name, query := range map[string]string{
		"Eve": "?name=Eve", "Pol": "?name=Pol&transport=polling", "Web": "?name=Web&transport=websocket",
	} {
		browser := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu",
			"--user-data-dir="+t.TempDir(), "--remote-debugging-port=0", url+"/"+query)
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

// In windows of every size, the page shows the people and the messages, and the part about the server does not cut
// them off. probe shows the page in a frame of the given size, and writes how many people and how much of the messages
// can be seen.
func TestPeopleAreSeenInSmallWindows(t *testing.T) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		testenv.Missing(t, "chromium")
	}
	const probe = `<iframe id="f" src="/?name=Zoe" style="border:0;width:%s;height:%s"></iframe><p id="seen"></p>
<script>
f.onload = () => {
  const d = f.contentDocument, $ = (id) => d.getElementById(id);
  $("facts").innerHTML = "<dt>task</dt><dd>" + "4f".repeat(16) + "</dd>" +
    "<dt>definition</dt><dd>socket:12</dd><dt>zone</dt><dd>us-east-1a</dd>";
  $("people").innerHTML =
    "<li><i class=dot></i><span>Somebody</span><span class=at>4f4f4f4f4f4f</span></li>".repeat(15);
  const whole = (e) => {
    const r = e.getBoundingClientRect();
    return d.elementFromPoint(r.left + 2, r.bottom - 2)?.closest("li") === e;
  };
  const n = [...$("people").children].filter(whole).length, room = $("messages").clientHeight;
  seen.textContent = n >= 4 && room >= 80 ? "enough" : "only " + n + " people and " + room + " pixels of messages";
}</script>`
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir(filepath.Join(examples, "chat", "page"))))
	mux.HandleFunc("/socket.io/socket.io.js", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "const io = () => ({ on() {}, io: { on() {} } });")
	})
	mux.HandleFunc("/probe/{width}/{height}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "<!doctype html>"+probe, r.PathValue("width"), r.PathValue("height"))
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	for _, size := range []string{"720px/480px", "1280px/800px", "390px/844px", "667px/375px", "844px/390px"} {
		out, err := exec.CommandContext(t.Context(), path, "--headless", "--no-sandbox", "--disable-gpu",
			"--window-size=1400,1000", "--user-data-dir="+t.TempDir(),
			"--virtual-time-budget=3000", "--dump-dom", server.URL+"/probe/"+size).Output()
		if err != nil {
			t.Fatal(err)
		}
		if _, seen, _ := strings.Cut(string(out), `<p id="seen">`); !strings.HasPrefix(seen, "enough</p>") {
			seen, _, _ = strings.Cut(seen, "</p>")
			t.Errorf("%s: %q", size, seen)
		}
	}
}
