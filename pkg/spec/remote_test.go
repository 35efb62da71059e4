package spec

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRemote(t *testing.T) {
	_, err := DecodeWith("https://config.example/x", TOML, []byte(`include = ["/etc/shadow"]
[gorb]
env = true
nonsense = 1
[consul]
token_file = "/etc/shadow"
[[sources]]
url = "https://config.example/y"
bearer_token_file = "/etc/shadow"
[ipvs.timeouts]
tcp = "1m"
[services.web]
port = 70000
`), Options{Origin: Remote, Env: func(string) (string, bool) { return "", true }})
	const no = ": only a local file may say this, and no document that comes from elsewhere\n"
	want := strings.ReplaceAll(`x:1: include NO
x:2: gorb NO
x:5: consul NO
x:7: sources NO
x:13: services.web.port: 70000 is over 65535`, " NO\n", no)
	if diff := cmp.Diff(want, strings.ReplaceAll(problemsOf(t, err), "https://config.example/", "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	_, err = DecodeWith("x", TOML, nil, Options{Origin: Remote, Expand: true})
	if want := "x: the environment is not for documents from elsewhere: env goes with files only"; problemsOf(t, err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestRemoteHoweverWritten: no way of writing a key gets past that, and none of its values.
func TestRemoteHoweverWritten(t *testing.T) {
	for _, key := range []string{"gorb", "consul", "sources", "include", "api"} {
		escaped := fmt.Sprintf(`"\u%04x%s"`, key[0], key[1:])
		for format, texts := range map[Format][]string{
			TOML: {"KEY = 1", "'KEY' = {}", "ESCAPED = []", "KEY.x = 1", "[KEY]", "[[KEY]]", "[KEY.x.y]", "[services]\n[KEY]"},
			JSON: {`{"KEY": null}`, `{"services": {}, ESCAPED: {}}`, `{"KEY": []}`, `{"KEY": {"x": {"y": 1}}}`},
			YAML: {"KEY:", "'KEY': {}", "ESCAPED: []", "? KEY\n: x: 1", "{services: {}, KEY: 1}", "KEY: {x: &a 1, y: *a}"},
		} {
			for _, text := range texts {
				text = strings.NewReplacer("KEY", key, "ESCAPED", escaped).Replace(text)
				_, err := DecodeWith("x", format, []byte(text), Options{Origin: Remote})
				if want := ": " + key + ": only a local file may say this"; err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %q: got %v, want %q in it", format, text, err, want)
				}
			}
		}
		at := Options{Origin: Remote, At: []string{key, "x"}}
		if _, err := DecodeWith("x", JSON, []byte("{}"), at); err == nil {
			t.Errorf("at %s a remote document is taken", key)
		}
	}
}

// TestJoinedRemote: what is made of parts came from elsewhere if one of them did.
func TestJoinedRemote(t *testing.T) {
	decoded := func(o Origin) *Document {
		d, err := DecodeWith("x", TOML, nil, Options{Origin: o})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, other := range []Origin{Local, Remote} {
		d, err := Join("dir", decoded(Local), decoded(other))
		if err != nil || d.Remote() != (other == Remote) {
			t.Errorf("with one of origin %d: remote is %v, error %v", other, d.Remote(), err)
		}
	}
}

// TestMaxSize has a document that came from elsewhere be longer than such may be, where that has been looked at.
func TestMaxSize(t *testing.T) {
	long := []byte(strings.Repeat("\n", MaxRemoteSize+1))
	for most, good := range map[int]bool{0: false, MaxRemoteSize: false, MaxSize: true} {
		if _, err := DecodeWith("x", TOML, long, Options{Origin: Remote, MaxSize: most}); (err == nil) != good {
			t.Errorf("at most %d: %v", most, err)
		}
	}
}
