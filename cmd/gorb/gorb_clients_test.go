package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/gorb-io/gorb/internal/lab"
)

// TestGORBSession runs GORB's published examples, with the shell and curl of whoever has them in scripts. The story
// testdata/kernel/gorb.txtar runs them on a kernel.
func TestGORBSession(t *testing.T) {
	lab.Need(t, "curl")
	story, err := txtar.ParseFile("testdata/kernel/gorb.txtar")
	if err != nil {
		t.Fatal(err)
	}
	dir, text := t.TempDir(), map[string]string{}
	for _, f := range story.Files {
		text[f.Name] = string(f.Data)
	}
	script := filepath.Join(dir, "gorb.sh")
	if err := os.WriteFile(script, []byte(text["gorb.sh"]), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newAPIWorld(t, "")
	c := exec.CommandContext(t.Context(), "sh", script)
	c.Env = append(os.Environ(), "GORB="+w.url, "no_proxy=*")
	out, err := c.CombinedOutput()
	if err != nil || string(out) != text["statuses"] {
		t.Fatalf("%v: %swant %s", err, out, text["statuses"])
	}
	w.wantTable(text["kept.table"])
}

// TestGORBFeed is what the updater of sky-uk/feed does, the client that is known best: it looks at statuses alone, asks
// whether its backend is there, adds it if that is 404, and before it leaves sends all of it with weight 0.
func TestGORBFeed(t *testing.T) {
	w := newAPIWorld(t, "[services.http]\nhost = \"10.0.0.1\"\nport = 80\n")
	backend := func(weight int) string {
		return fmt.Sprintf(`{"host":"127.0.0.1","port":1,"method":"dr","weight":%d,`+
			`"pulse":{"type":"http","args":{"method":"GET","path":"/","expect":"404"},"interval":"2s"}}`, weight)
	}
	const path = "/service/http/node-http-127.0.0.1"
	for range 2 { // it updates again and again
		w.want(200, "GET", "/service", "", nil) // is it alive?
		if code, _ := w.ask("GET", path, ""); code == 404 {
			w.want(200, "PUT", path, strings.Replace(backend(10), `"port":1`, `"port":80`, 1), nil)
		}
	}
	w.want(200, "GET", path, "", nil)
	w.want(200, "PATCH", path, strings.Replace(backend(0), `"port":1`, `"port":80`, 1), nil)
	w.wantTable("-A -t 10.0.0.1:80 -s wrr\n-a -t 10.0.0.1:80 -r 127.0.0.1:80 -g -w 0\n")
	// What it sent beside the weight was so already, and does not stay written for ever.
	w.want(200, "GET", "/service", "", nil)
	w.want(200, "DELETE", path, "", nil)
	w.want(404, "GET", path, "", nil)
	w.wantTable("-A -t 10.0.0.1:80 -s wrr\n")
}

// TestGORBDockerLink is what gorb-docker-link does when a container starts and is killed.
func TestGORBDockerLink(t *testing.T) {
	w := newAPIWorld(t, "[services.\"nginx-1.9-53-udp\"]\nhost = \"10.0.0.1\"\nport = 53\nprotocol = \"udp\"\n")
	w.want(404, "GET", "/service/none-80-tcp", "", nil)
	w.want(200, "GET", "/service/nginx-1.9-53-udp", "", nil)
	// Two of its kind may see that a service is missing, and both make it.
	const service = `{"host":"10.0.0.2","port":80,"protocol":"tcp"}`
	w.want(200, "PUT", "/service/none-80-tcp", service, nil)
	w.want(200, "PUT", "/service/none-80-tcp", service, nil)
	w.want(409, "PUT", "/service/none-80-tcp", `{"host":"10.0.0.2","port":80,"protocol":"tcp","method":"rr"}`, nil)
	const backend = "/service/nginx-1.9-53-udp/web-1-32768-udp"
	w.want(200, "PUT", backend, `{"host":"10.1.0.1","port":32768,"pulse":{"type":"none"}}`, nil)
	w.want(409, "PUT", backend, `{"host":"10.1.0.1","port":32769,"pulse":{"type":"none"}}`, nil)
	w.want(404, "PUT", "/service/gone-80-tcp/web-1-32768-tcp", `{"host":"10.1.0.1","port":32768}`, nil)
	w.want(200, "DELETE", backend, "", nil)
	w.want(404, "DELETE", backend, "", nil)
	w.wantTable("-A -t 10.0.0.2:80 -s wrr\n-A -u 10.0.0.1:53 -s wrr\n")
}
