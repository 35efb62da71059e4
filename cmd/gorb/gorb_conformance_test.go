package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"syscall"
	"testing"

	"github.com/gorb-io/gorb/pkg/kernel"
)

// webTable is the table of gorbWorld without the service of the file.
const (
	fileTable = "-A -t 10.0.9.1:80 -s wrr\n-a -t 10.0.9.1:80 -r 10.9.0.1:80 -m -w 100\n"
	webTable  = "-A -t 10.0.0.1:80 -s wrr\n-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -m -w 100\n"
)

// TestGORBCases are those of GORB's own tests that are about what its API takes, by their number in
// docs/migrating-from-gorb.md, which names the tests of the others.
func TestGORBCases(t *testing.T) {
	w := newAPIWorld(t, "")
	service := func(t *testing.T, code int, body, want string) {
		t.Helper()
		w := &apiWorld{t: t, kernel: w.kernel, url: w.url, log: w.log}
		w.want(code, "PUT", "/service/s", body, nil)
		if code == 200 {
			w.wantTable(want)
			w.want(200, "DELETE", "/service/s", "", nil)
		}
		w.wantTable("")
	}
	for _, tt := range []struct {
		name, body string
		code       int
		want       string
	}{
		{"1 ServiceIsCreated", `{"host":"localhost","port":80,"protocol":"tcp","method":"sh"}`, 200, "-A -t 127.0.0.1:80 -s sh\n"},
		{"2 WithShFlags", `{"host":"localhost","port":80,"method":"sh","flags":"sh-port|sh-fallback"}`, 200, "-A -t 127.0.0.1:80 -s sh -b sh-fallback,sh-port\n"},
		{"3 WithGenericCustomFlags", `{"host":"localhost","port":80,"method":"wrr","flags":"flag-1|flag-2|flag-3"}`, 200, "-A -t 127.0.0.1:80 -s wrr -b flag-1,flag-2,flag-3\n"},
		{"9 AllowedFlags", `{"host":"localhost","port":80,"method":"dr","flags":"sh-port|sh-fallback"}`, 422, ""},
		{"10 InvalidFlags", `{"host":"localhost","port":80,"flags":"sh-port|does-not-match"}`, 400, ""},
		{"11 NoFlags", `{"host":"localhost","port":80,"flags":""}`, 200, "-A -t 127.0.0.1:80 -s wrr\n"},
	} {
		t.Run(tt.name, func(t *testing.T) { service(t, tt.code, tt.body, tt.want) })
	}
	w.want(200, "PUT", "/service/s", `{"host":"localhost","port":80}`, nil)
	for _, tt := range []struct {
		name, pulse string
		code        int
		want        string
	}{
		{"19 GenericOptions, nothing", `{}`, 200, `"type": "tcp", "interval": "1m",`},
		{"19 GenericOptions, http", `{"type":"http"}`, 200, `"type": "http", "interval": "1m",`},
		{"19 GenericOptions, 5s", `{"interval":"5s"}`, 200, `"type": "tcp", "interval": "5s",`},
		{"19 GenericOptions, invalid", `{"type":"invalid"}`, 400, "specified pulse type is unknown"},
		{"19 GenericOptions, 60", `{"interval":"60"}`, 400, "invalid interval format"},
		{"19 GenericOptions, -5s", `{"interval":"-5s"}`, 400, "pulse interval must be positive"},
		{"21 PulseChannel", `{"type":"none","interval":"1s"}`, 200, `"metrics": { "status": 0, "health": 1, "uptime": 0 }`},
		{"26 GETDriverInvalidURL", `{"type":"http","args":{"host":"dog@mail.com"}}`, 422, "args.host"},
		{"27 GETDriverNoConnection", `{"type":"http","args":{"host":"unresolvable"}}`, 422, "args.host"},
		{"30 ConvertingStringToInt", `{"type":"http","args":{"expect":"404","port":"81"}}`, 200, `"args": { "expect": 404,`},
		{"35 ParseInterval, 600s", `{"interval":"600s"}`, 200, `"interval": "10m",`},
		{"35 ParseInterval, 2m", `{"interval":"2m"}`, 200, `"interval": "2m",`},
		{"35 ParseInterval, 10min", `{"interval":"10min"}`, 200, `"interval": "10m",`},
		{"36 ParseIntervalErrors, 600", `{"interval":"600"}`, 400, "invalid interval format"},
		{"36 ParseIntervalErrors, foos", `{"interval":"foos"}`, 400, "invalid interval format"},
		{"36 ParseIntervalErrors, 24z", `{"interval":"24z"}`, 400, "invalid interval format"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := &apiWorld{t: t, kernel: w.kernel, url: w.url, log: w.log}
			code, text := w.ask("PUT", "/service/s/b", `{"host":"127.0.0.1","port":1,"pulse":`+tt.pulse+`}`)
			if code == 200 {
				_, text = w.ask("GET", "/service/s/b", "")
				w.want(200, "DELETE", "/service/s/b", "", nil)
			}
			if text = strings.Join(strings.Fields(text), " "); code != tt.code || !strings.Contains(text, tt.want) {
				t.Errorf("%d, want %d and %s\n%s", code, tt.code, tt.want, text)
			}
		})
	}
}

// TestGORBDiffers is what gorb does otherwise than GORB, on purpose, each by the words of docs/migrating-from-gorb.md.
func TestGORBDiffers(t *testing.T) {
	for name, f := range map[string]func(*testing.T, *apiWorld){
		"weight 0 of PUT is 0, absent 100, negative 400": func(t *testing.T, w *apiWorld) {
			const at = `{"host":"10.1.0.2","port":8080,"pulse":{"type":"none"}`
			w.want(400, "PUT", "/service/web/b", at+`,"weight":-1}`, nil)
			w.want(200, "PUT", "/service/web/b", at+`,"weight":0}`, nil)
			w.wantTable(webTable + "-a -t 10.0.0.1:80 -r 10.1.0.2:8080 -m -w 0\n" + fileTable)
			w.want(200, "PUT", "/service/web/b?replace=true", at+`}`, nil)
			w.wantTable(webTable + "-a -t 10.0.0.1:80 -r 10.1.0.2:8080 -m -w 100\n" + fileTable)
		},
		"an identical PUT is 200 and changes nothing": func(t *testing.T, w *apiWorld) {
			before := len(w.kernel.Ops())
			var got struct{ Result string }
			w.want(200, "PUT", "/service/web/a", `{"pulse":{"type":"none"},"port":8080,"host":"10.1.0.1","weight":100,"method":"nat"}`, &got)
			w.want(200, "PUT", "/service/web", `{"host":"10.0.0.1","port":80,"protocol":"TCP","method":"wrr","flags":"","persistent":false}`, nil)
			if got.Result != "unchanged" || len(w.kernel.Ops()) != before {
				t.Errorf("%q, %v", got.Result, w.kernel.Ops()[before:])
			}
		},
		"PATCH {} changes nothing, and an absent weight is unchanged": func(_ *testing.T, w *apiWorld) {
			w.want(200, "PATCH", "/service/web/a", `{}`, nil)
			w.want(200, "PATCH", "/service/web/a", `{"method":"nat"}`, nil)
			w.wantTable(webTable + fileTable)
			w.want(400, "PATCH", "/service/web/a", `{"weight":-1}`, nil)
			w.want(200, "PATCH", "/service/web/a", `{"weight":0}`, nil)
			w.wantTable(strings.Replace(webTable, "-w 100", "-w 0", 1) + fileTable)
			w.want(200, "PATCH", "/service/web/a", `{"weight":null}`, nil)
			w.wantTable(webTable + fileTable)
		},
		"PATCH of a weight with all else unfilled is of the weight": func(t *testing.T, w *apiWorld) {
			const unfilled = `"host":"","port":0,"method":"","pulse":{"type":"","interval":"","args":null}}`
			var before, after struct {
				Options struct{ Pulse json.RawMessage }
			}
			w.want(200, "PUT", "/service/web/down", `{"host":"127.0.0.1","port":1,"pulse":{"type":"tcp","args":{"port":2}}}`, nil)
			w.want(200, "GET", "/service/web/down", "", &before)
			w.want(200, "PATCH", "/service/web/down", `{"weight":5,`+unfilled, nil)
			w.want(200, "GET", "/service/web/down", "", &after)
			if !bytes.Equal(before.Options.Pulse, after.Options.Pulse) {
				t.Errorf("%s became %s", before.Options.Pulse, after.Options.Pulse)
			}
			w.want(200, "DELETE", "/service/web/down", "", nil)
			w.want(200, "PATCH", "/service/web/a", `{"weight":5,`+unfilled, nil)
			w.wantTable(strings.Replace(webTable, "-w 100", "-w 5", 1) + fileTable)
			w.want(200, "PUT", "/service/s", `{"host":"10.0.0.8","port":80,"pulse":{"type":"none"},"backends":{"x":{"host":"10.1.0.8"}}}`, nil)
			w.want(200, "PATCH", "/service/s/x", `{"weight":5,`+unfilled, nil)
			w.want(200, "GET", "/service/s/x", "", &after)
			if !strings.Contains(string(after.Options.Pulse), `"none"`) {
				t.Errorf("the pulse of the service is not that of the backend: %s", after.Options.Pulse)
			}
			w.want(200, "DELETE", "/service/s", "", nil)
			w.wantTable(strings.Replace(webTable, "-w 100", "-w 5", 1) + fileTable)
		},
		"PATCH of a service is there, and leaves its backends": func(_ *testing.T, w *apiWorld) {
			w.want(200, "PATCH", "/service/web", `{"method":"rr"}`, nil)
			w.wantTable(strings.Replace(webTable, "wrr", "rr", 1) + fileTable)
			w.want(200, "PUT", "/service/web?replace=true", `{"host":"10.0.0.1","port":80,"method":"lc"}`, nil)
			w.wantTable(strings.Replace(webTable, "wrr", "lc", 1) + fileTable)
			w.want(200, "PATCH", "/service/web", `{"backends":{"a":null}}`, nil)
			w.wantTable("-A -t 10.0.0.1:80 -s lc\n" + fileTable)
		},
		"the answer to a write has a body": func(t *testing.T, w *apiWorld) {
			var got struct {
				Object, Result string
				Operations     []string
			}
			w.want(200, "PATCH", "/service/web/a", `{"weight":7}`, &got)
			if got.Object != "web/a" || got.Result != "changed" || len(got.Operations) != 1 {
				t.Errorf("%+v", got)
			}
		},
		"options are what is declared": func(t *testing.T, w *apiWorld) {
			w.want(200, "PUT", "/service/web/down", `{"host":"127.0.0.1","port":1,"weight":50}`, nil)
			var got struct {
				Options   struct{ Weight int }
				Effective struct{ Weight int }
			}
			w.want(200, "GET", "/service/web/down", "", &got)
			if got.Options.Weight != 50 || got.Effective.Weight != 0 {
				t.Errorf("%+v", got)
			}
			w.want(200, "PUT", "/service/named", `{"host":"localhost","port":80}`, nil)
			if _, text := w.ask("GET", "/service/named", ""); !strings.Contains(text, `"host": "127.0.0.1"`) || !strings.Contains(text, `"host_name": "localhost"`) {
				t.Errorf("it was resolved, and is %s", text)
			}
		},
		"sh flags need sh, mh flags mh": func(_ *testing.T, w *apiWorld) {
			for body, code := range map[string]int{
				`"method":"wrr","flags":"sh-port"`: 422, `"method":"sh","flags":"mh-port"`: 422, `"method":"mh","flags":"sh-fallback"`: 422,
				`"method":"sh","flags":"sh-port"`: 200, `"method":"mh","flags":"mh-port"`: 200, `"method":"lc","flags":"flag-3"`: 200,
			} {
				w.want(code, "PUT", "/service/flags?replace=true", `{"host":"10.0.0.3","port":80,`+body+`}`, nil)
			}
		},
		"a backend without a port has its service's, and port 0 is 400": func(_ *testing.T, w *apiWorld) {
			w.want(200, "PUT", "/service/web/b", `{"host":"10.1.0.2","pulse":{"type":"none"}}`, nil)
			w.wantTable(webTable + "-a -t 10.0.0.1:80 -r 10.1.0.2:80 -m -w 100\n" + fileTable)
			w.want(400, "PUT", "/service/web/c", `{"host":"10.1.0.3","port":0}`, nil)
		},
		"udp is not checked": func(_ *testing.T, w *apiWorld) {
			w.want(200, "PUT", "/service/dns", `{"host":"10.0.0.3","port":53,"protocol":"udp"}`, nil)
			w.want(200, "PUT", "/service/dns/a", `{"host":"10.1.0.3","port":53}`, nil)
			w.wantTable(webTable + fileTable + "-A -u 10.0.0.3:53 -s wrr\n-a -u 10.0.0.3:53 -r 10.1.0.3:53 -m -w 100\n")
		},
		"what a file declares is hidden, and comes back": func(_ *testing.T, w *apiWorld) {
			w.want(200, "DELETE", "/service/file", "", nil)
			w.want(404, "GET", "/service/file", "", nil)
			w.wantTable(webTable)
			w.want(200, "PUT", "/service/file", `{"host":"10.0.9.1","port":80}`, nil)
			w.wantTable(webTable + fileTable)
		},
	} {
		t.Run(name, func(t *testing.T) { f(t, gorbWorld(t)) })
	}
}

// outside changes the table as ipvsadm would, behind gorb's back.
func (w *apiWorld) outside(kind kernel.OpKind, service, backend string) {
	w.t.Helper()
	for k, v := range w.kernel.Snapshot() {
		if k.Addr.String() != service {
			continue
		}
		op := kernel.Op{Kind: kind, Key: k}
		for _, d := range v.Dests {
			if d.Addr.String() == backend {
				op.DestKey = d.DestKey
			}
		}
		for _, err := range w.kernel.Apply(w.t.Context(), []kernel.Op{op}) {
			if err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// TestGORBBugs are bugs of GORB that show at its API, by their number in docs/migrating-from-gorb.md, and that gorb has not.
func TestGORBBugs(t *testing.T) {
	for name, f := range map[string]func(*testing.T, *apiWorld){
		"B3 what the kernel lost can be deleted, once": func(_ *testing.T, w *apiWorld) {
			w.outside(kernel.DeleteDest, "10.0.0.1:80", "10.1.0.1:8080")
			w.want(200, "DELETE", "/service/web/a", "", nil)
			w.want(404, "DELETE", "/service/web/a", "", nil)
			w.wantTable("-A -t 10.0.0.1:80 -s wrr\n" + fileTable)
		},
		"B4 and so can a service, and be made again": func(_ *testing.T, w *apiWorld) {
			w.outside(kernel.DeleteService, "10.0.0.1:80", "")
			w.want(200, "DELETE", "/service/web", "", nil)
			w.want(404, "DELETE", "/service/web", "", nil)
			w.want(200, "PUT", "/service/web", `{"host":"10.0.0.1","port":80}`, nil)
			w.want(200, "PUT", "/service/web/a", `{"host":"10.1.0.1","port":8080,"pulse":{"type":"none"}}`, nil)
			w.wantTable(webTable + fileTable)
		},
		"B6 numbers in args are numbers": func(t *testing.T, w *apiWorld) {
			w.want(200, "PUT", "/service/web/b", `{"host":"10.1.0.2","port":80,"pulse":{"type":"http","args":{"expect":200,"port":8081}}}`, nil)
			w.want(200, "PUT", "/service/web/b", `{"host":"10.1.0.2","port":80,"pulse":{"type":"http","args":{"expect":"200","port":"8081"}}}`, nil)
		},
		"B7 names that begin alike do not go together": func(_ *testing.T, w *apiWorld) {
			w.want(200, "PUT", "/service/web2", `{"host":"10.0.0.2","port":80}`, nil)
			w.want(200, "PUT", "/service/web-admin", `{"host":"10.0.0.3","port":80}`, nil)
			w.want(200, "DELETE", "/service/web", "", nil)
			w.wantTable("-A -t 10.0.0.2:80 -s wrr\n-A -t 10.0.0.3:80 -s wrr\n" + fileTable)
		},
		"B10 what is gone is not measured": func(t *testing.T, w *apiWorld) {
			const series = `gorb_service_backend_weight{service_name="web",name="a",host="10.1.0.1",port="8080"} 100`
			if _, text := w.ask("GET", "/metrics", ""); !strings.Contains(text, series) {
				t.Errorf("there is no %s", series)
			}
			w.want(200, "DELETE", "/service/web", "", nil)
			w.eventually(func() bool { _, text := w.ask("GET", "/metrics", ""); return !strings.Contains(text, `"web"`) })
		},
		"B11 B25 what was written outlasts a restart": func(_ *testing.T, w *apiWorld) {
			w.want(200, "PATCH", "/service/web/a", `{"weight":7}`, nil)
			w.end()
			w.start()
			w.want(409, "PUT", "/service/web", `{"host":"10.0.0.1","port":81}`, nil)
			w.want(200, "PUT", "/service/web/a", `{"host":"10.1.0.1","port":8080,"weight":7,"pulse":{"type":"none"}}`, nil)
			w.wantTable(strings.Replace(webTable, "-w 100", "-w 7", 1) + fileTable)
		},
		"B12 persistent reaches the kernel": func(_ *testing.T, w *apiWorld) {
			w.want(200, "PATCH", "/service/web", `{"persistent":true}`, nil)
			w.wantTable(strings.Replace(webTable, "-s wrr", "-s wrr -p 360", 1) + fileTable)
		},
		"B18 backends are named within their service": func(_ *testing.T, w *apiWorld) {
			w.want(200, "PUT", "/service/file/a", `{"host":"10.9.0.2","port":80,"pulse":{"type":"none"}}`, nil)
			w.want(404, "DELETE", "/service/none/a", "", nil)
			w.want(404, "GET", "/service/file/b", "", nil)
			w.want(200, "DELETE", "/service/file/a", "", nil)
			w.wantTable(webTable + fileTable)
		},
		"B19 B35 what the kernel refuses is withdrawn, and its reason is said": func(t *testing.T, w *apiWorld) {
			w.end()
			w.kernel.Fail = func(op kernel.Op) error {
				if strings.Contains(op.String(), "10.1.0.66") {
					return syscall.ENOMEM
				}
				return nil
			}
			w.start()
			code, text := w.ask("PUT", "/service/web/b", `{"host":"10.1.0.66","port":80,"pulse":{"type":"none"}}`)
			if code != 500 || !strings.Contains(text, `"error": "error while calling into IPVS"`) || !strings.Contains(text, "cannot allocate memory") {
				t.Errorf("%d %s", code, text)
			}
			w.want(404, "GET", "/service/web/b", "", nil)
			w.want(200, "PUT", "/service/web/b", `{"host":"10.1.0.2","port":8080,"pulse":{"type":"none"}}`, nil)
			w.wantTable(webTable + "-a -t 10.0.0.1:80 -r 10.1.0.2:8080 -m -w 100\n" + fileTable)
		},
		"B36 tunnels cross families": func(_ *testing.T, w *apiWorld) {
			w.want(400, "PUT", "/service/web/six", `{"host":"fd00::1","port":80,"pulse":{"type":"none"}}`, nil)
			w.want(200, "PUT", "/service/web/six", `{"host":"fd00::1","port":80,"method":"ipip","pulse":{"type":"none"}}`, nil)
			w.wantTable(webTable + "-a -t 10.0.0.1:80 -r [fd00::1]:80 -i -w 100 --tun-type ipip\n" + fileTable)
		},
	} {
		t.Run(name, func(t *testing.T) { f(t, gorbWorld(t)) })
	}
}
