package spec

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// laid is what a test wants of Lay.
type laid struct {
	Services []string // in order, "web/a" for a backend
	Rejected map[int]string
	Invalid  map[int]string
	Dangling []int
	Idle     []int
	Problems string
}

func summed(l Layered) laid {
	text := func(in map[int]Problems) map[int]string {
		out := make(map[int]string)
		for i, p := range in {
			out[i] = p.Error()
		}
		return out
	}
	out := laid{Rejected: text(l.Rejected), Invalid: text(l.Invalid), Dangling: l.Dangling, Idle: l.Idle, Problems: l.Problems.Error()}
	if l.Desired == nil {
		return out
	}
	for _, s := range l.Desired.Services {
		out.Services = append(out.Services, s.Name)
		for _, b := range s.Backends {
			out.Services = append(out.Services, s.Name+"/"+b.Name)
		}
	}
	return out
}

func TestLay(t *testing.T) {
	all := []string{"mail", "web", "web/a", "web/b"}
	for name, tt := range map[string]struct {
		overrides []string
		want      laid
	}{
		"nothing wrong": {
			[]string{`patch web/a {"weight": 0}`},
			laid{Services: all},
		},
		"no effect": {
			[]string{
				`patch dns {"port": 53}`, `patch web/c {"weight": 1}`, `set dns/a {"host": "10.1.0.1"}`, `hide dns`, `hide web/c`,
				`hide dns/a`, `patch mail {"port": 26}`, `set mail/a {"host": "10.1.0.1"}`, `hide mail`,
			},
			laid{Services: []string{"web", "web/a", "web/b"}, Dangling: []int{0, 1, 2, 6, 7}, Idle: []int{3, 4, 5}},
		},
		"what set made, hide may remove": {
			[]string{`set dns {"fwmark": 3}`, `hide dns`, `set web/c {"host": "10.1.0.9"}`, `hide web/c`},
			laid{Services: all},
		},
		"only the bad one goes": {
			[]string{`patch web/a {"weight": 1}`, `patch web {"port": 0}`, `patch web/b {"weight": 2}`},
			laid{Services: all, Invalid: map[int]string{1: `override web: services.web.port: 0, every port, needs persistent`}},
		},
		"bad alone, bad with others, and good": {
			[]string{`patch web/a {"weihgt": 1}`, `patch web/b {"host": "10.1.0.1"}`, `hide mail`, `patch web {"flags": "mh-port", "port": 0}`},
			laid{Services: all[1:], Invalid: map[int]string{
				0: `override web/a: services.web.backends.a.weihgt: there is no such key, did you mean "weight"?`,
				1: `override web/b: services.web.backends.b: 10.1.0.1:80 is backend a already`,
				3: "override web: services.web.flags: \"mh-port\" needs method mh, and the method is sh\n" +
					"override web: services.web.port: 0, every port, needs persistent",
			}},
		},
		"the newer of two that do not go together": {
			[]string{`patch web/a {"port": 9090}`, `patch web/a {"method": "dr"}`, `patch web/b {"method": "dr"}`},
			laid{Services: all, Invalid: map[int]string{
				1: `override web/a: services.web.backends.a.port: 9090 is not the service's port 80, and method dr cannot change it`,
			}},
		},
		"what a later one mends stays": {
			[]string{
				`patch web {"port": 0}`, `patch web {"persistent": true, "pulse": null}`, `patch web/a {"host": "10.1.0.2"}`, `patch web {"port": -1}`,
				`patch web/b {"host": "10.1.0.1"}`, `patch web/b {"method": "dr", "port": 9}`,
			},
			laid{Services: all, Invalid: map[int]string{
				3: `override web: services.web.port: -1 is under 0`,
				5: `override web/b: services.web.backends.b.port: 9 is not the service's port 0, and method dr cannot change it`,
			}},
		},
		"backends mended in turn": {
			[]string{`set web/a {"weight": 3}`, `set web/b {"weight": 3}`, `patch web/a {"host": "10.1.0.7"}`, `patch web/a {"weight": 9}`},
			laid{Services: all, Invalid: map[int]string{1: `override web/b: services.web.backends.b.host: missing; a backend needs one`}},
		},
		"one service to the kernel: the newer goes": {
			[]string{`set aaa {"host": "10.0.0.1", "port": 80}`, `patch web/a {"weight": 3}`, `patch mail {"host": "10.0.0.1", "port": 80}`},
			laid{Services: all, Invalid: map[int]string{
				0: `override aaa: services.aaa: tcp 10.0.0.1:80 is service web already`,
				2: `override mail: services.mail: tcp 10.0.0.1:80 is service web already`,
			}},
		},
		"two that change places": {
			[]string{
				`patch web {"host": "10.0.0.2", "port": 25}`, `patch mail {"host": "10.0.0.1", "port": 80}`,
				`patch mail/a {"weight": 1}`, `set web/c {"weight": 1}`,
			},
			laid{Services: all, Dangling: []int{2}, Invalid: map[int]string{
				3: `override web/c: services.web.backends.c.host: missing; a backend needs one`,
			}},
		},
		"one of two that change places cannot": {
			[]string{
				`patch web {"host": "10.0.0.2", "port": 25}`, `patch mail {"host": "10.0.0.1", "port": 80, "flags": "sh-port"}`,
			},
			laid{Services: all, Invalid: map[int]string{
				0: `override web: services.web: tcp 10.0.0.2:25 is service mail already`,
				1: `override mail: services.mail.flags: "sh-port" needs method sh, and the method is wrr`,
			}},
		},
		"in a service that is hidden nothing is wrong": {
			[]string{`patch web {"disabled": true}`, `patch web/a {"method": "dr", "port": 9}`, `patch mail {"port": 0}`},
			laid{Services: all[:1], Dangling: []int{1}, Invalid: map[int]string{2: `override mail: services.mail.port: 0, every port, needs persistent`}},
		},
		"another that is wrong takes none with it that a later one mends": {
			[]string{`patch web/a {"method": "dr", "port": 8080}`, `patch web {"port": 8080}`, `patch mail {"port": 0}`},
			laid{Services: all, Invalid: map[int]string{2: `override mail: services.mail.port: 0, every port, needs persistent`}},
		},
		"what mended one is not laid again to mend another": {
			[]string{
				`set web/a {}`, `set web/b {"host": "10.1.0.1"}`, `set web/a {"host": "10.1.0.2"}`, `set web/a {"host": "10.1.0.1"}`,
			},
			laid{Services: all, Invalid: map[int]string{1: `override web/b: services.web.backends.b: 10.1.0.1:80 is backend a already`}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			docs := []Layer{{Document: decode(t, "gorb.toml", underneath)}}
			got := summed(Lay(docs, over(tt.overrides...), nil))
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestLayDocuments: a document is rejected that is wrong without overrides too; else those go.
func TestLayDocuments(t *testing.T) {
	web := func(more string) string { return "[services.web]\nhost = \"10.0.0.1\"\nport = 80\n" + more }
	const missing = `1.toml:1: services.dns.port: missing; a service needs a port or a fwmark`
	type layer struct {
		now, before string // "": there is none; "=": as now
		turn        uint64
	}
	for name, tt := range map[string]struct {
		layers    []layer
		overrides []string
		want      laid
	}{
		"the newest goes, its sound one stays": {
			[]layer{{web(""), "=", 1}, {"[services.dns]\nhost = \"10.0.0.3\"\n", "[services.dns]\nport = 53\n", 3}, {"[services.web]\nmethod = \"rr\"\n", "", 2}},
			nil,
			laid{Services: []string{"dns", "web"}, Rejected: map[int]string{1: missing}},
		},
		"without a sound one there is nothing": {
			[]layer{{web(""), "", 1}, {"[services.dns]\n", "", 2}},
			nil,
			laid{Services: []string{"web"}, Rejected: map[int]string{1: missing}},
		},
		"the newest of two that do not go together": {
			[]layer{{web("fwmark = 3\n"), web(""), 9}, {"[services.web]\nmethod = \"rr\"\n", "", 8}, {"[services.web]\npe = \"sip\"\n", "", 10}},
			nil,
			laid{Services: []string{"web"}, Rejected: map[int]string{
				0: "0.toml:4: services.web.fwmark: fwmark 3 excludes host, port: a service is known by its mark or by its address",
			}},
		},
		"nothing to go on from": {
			[]layer{{web("fwmark = 3\n"), "=", 9}, {"[services.web]\nmethod = \"rr\"\n", "", 8}},
			nil,
			laid{Problems: "0.toml:4: services.web.fwmark: fwmark 3 excludes host, port: a service is known by its mark or by its address"},
		},
		"the newest goes, and not what another completes": {
			[]layer{{"", "", 1}, {"[services.web]\nhost = \"10.0.0.1\"\n", "", 2}, {"[services.web]\nport = 80\n", "", 3}, {"[services.web]\nport = 0\n", "", 4}},
			nil,
			laid{Services: []string{"web"}, Rejected: map[int]string{3: "3.toml:2: services.web.port: 0, every port, needs persistent"}},
		},
		"what goes with the rest once another is rejected": {
			[]layer{
				{"[services.web]\nhost = \"10.0.0.1\"\n", "", 1},
				{"[services.web]\ndisabled = true\n", "", 3},
				{"[services.web]\ndisabled = false\n", "", 2},
			},
			nil,
			laid{Rejected: map[int]string{2: "2.toml:1: services.web.port: missing; a service needs a port or a fwmark"}},
		},
		"an override that a newer document makes wrong": {
			[]layer{{web("method = \"rr\"\n"), web("method = \"sh\"\n"), 1}},
			[]string{`patch web {"flags": "sh-port"}`},
			laid{Services: []string{"web"}, Invalid: map[int]string{0: `override web: services.web.flags: "sh-port" needs method sh, and the method is rr`}},
		},
		"a document that an override makes whole": {
			[]layer{{"[services.web]\nhost = \"10.0.0.1\"\n", "", 1}},
			[]string{`patch web {"port": 80}`, `patch web {"port": 0}`, `patch web/c {"weight": 0}`},
			laid{Services: []string{"web"}, Dangling: []int{2}, Invalid: map[int]string{1: `override web: services.web.port: 0, every port, needs persistent`}},
		},
		"both": {
			[]layer{{web(""), "=", 1}, {"[services.dns]\n", "", 2}},
			[]string{`patch web {"port": 0}`, `patch web {"method": "rr"}`},
			laid{
				Services: []string{"web"}, Rejected: map[int]string{1: missing},
				Invalid: map[int]string{0: `override web: services.web.port: 0, every port, needs persistent`},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var layers []Layer
			for i, l := range tt.layers {
				layer := Layer{Document: decode(t, fmt.Sprintf("%d.toml", i), l.now), Turn: l.turn}
				switch l.before {
				case "=":
					layer.Sound = layer.Document
				case "":
				default:
					layer.Sound = decode(t, fmt.Sprintf("%d.toml", i), l.before)
				}
				layers = append(layers, layer)
			}
			got := summed(Lay(layers, over(tt.overrides...), nil))
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestLayFinish: what only finishing finds wrong is set aside, too.
func TestLayFinish(t *testing.T) {
	finish := func(d *Desired) (*Desired, error) { return d.WithHost(netip.MustParseAddr("10.0.0.1")) }
	docs := []Layer{{Document: decode(t, "gorb.toml", underneath)}}
	got := summed(Lay(docs, over(`patch web/a {"weight": 0}`, `set own {"port": 80}`, `set other {"port": 81}`), finish))
	want := laid{
		Services: []string{"mail", "other", "web", "web/a", "web/b"},
		Invalid:  map[int]string{1: `gorb.toml:7: services.web: tcp 10.0.0.1:80 is service own already`},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	never := func(*Desired) (*Desired, error) { return nil, errors.New("eth7 is gone") }
	got = summed(Lay(docs, over(`hide web`), never))
	if diff := cmp.Diff(laid{Problems: ": eth7 is gone"}, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSearchIsBounded: where too much is wrong to be looked at, what was not looked at is set aside, and nothing else.
func TestSearchIsBounded(t *testing.T) {
	var lines []string
	for range 50 {
		lines = append(lines, `patch web {"port": 0}`)
	}
	all, order, _ := changes(over(append([]string{`patch web/a {"weight": 3}`}, lines...)...))
	base := mustParse(underneath).declared
	budget := 30
	try := trial{folding: folding{now: base.services["web"]}, name: "web", defaults: &base.defaults, budget: &budget}
	rejected := try.run(all, order)
	if len(rejected) != 50 || rejected[0] != nil {
		t.Errorf("%d are set aside, want all 50 that are wrong", len(rejected))
	}
	const want = "set aside unseen: too many overrides are wrong at once"
	if got := rejected[50].found[0].message; got != want {
		t.Errorf("the last: %q, want %q", got, want)
	}
	if budget < -20 {
		t.Errorf("it went on after the budget was spent: %d", budget)
	}
}
