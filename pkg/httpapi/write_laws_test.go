package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestWriteLaws has random changes, some of which end: what lasts counts at once, what the kernel refuses leaves all as it
// was, and so does what ends when that is taken back.
func TestWriteLaws(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		f := over(t, web)
		defer f.end()
		h := routes(f)
		services := func() string {
			var all string
			for _, s := range f.Desired().Services {
				all += s.Name + string(s.OptionsJSON())
				for i := range s.Backends {
					all += s.Backends[i].Name + string(s.BackendOptionsJSON(&s.Backends[i]))
				}
			}
			return all
		}
		// rest is what a patch of some sort leaves as it is.
		rest := func(service, backend, sort string) (all string) {
			for _, s := range f.Desired().Services {
				if sort != "method" || s.Name != service {
					all += string(s.OptionsJSON())
				}
				for i := range s.Backends {
					b := s.Backends[i]
					switch {
					case sort == "method" || s.Name != service || b.Name != backend:
					case sort == "without":
						continue
					default:
						b.Weight = 0
						if sort == "weight and the rest" {
							b.Upper = 0
						}
					}
					all += b.Name + string(s.BackendOptionsJSON(&b))
				}
			}
			return all
		}
		for range rapid.IntRange(1, 8).Draw(r, "changes") {
			service := rapid.SampledFrom([]string{"web", "new"}).Draw(r, "service")
			backend := rapid.SampledFrom([]string{"a", "b"}).Draw(r, "backend")
			weight := rapid.IntRange(0, 3).Draw(r, "weight")
			own := fmt.Sprintf(`"host":"10.0.0.%d","port":80`, map[string]int{"web": 1, "new": 3}[service])
			host := fmt.Sprintf(`"host":"10.1.0.%d","port":8080`, map[string]int{"a": 1, "b": 2}[backend])
			of := map[string]string{
				"":                    own,
				"with":                own + fmt.Sprintf(`,"backends":{%q:{%s,"weight":%d}}`, backend, host, weight),
				"of":                  fmt.Sprintf(`"backends":{%q:{"weight":%d}}`, backend, weight),
				"without":             fmt.Sprintf(`"backends":{%q:null}`, backend),
				"backend":             fmt.Sprintf(`%s,"weight":%d`, host, weight),
				"method":              fmt.Sprintf(`"method":%q`, []string{"rr", "wrr", "lc", "wlc"}[weight]),
				"weight":              fmt.Sprintf(`"weight":%d`, weight),
				"weight and the rest": fmt.Sprintf(`"weight":%d,"upper_threshold":%d`, weight, 5+weight),
			}
			do := rapid.SampledFrom([][3]string{
				{"PUT", "", ""},
				{"PUT", "", "with"},
				{"PATCH", "", "of"},
				{"PATCH", "", "without"},
				{"PATCH", "", "method"},
				{"DELETE", "", "-"},
				{"PUT", backend, "backend"},
				{"PATCH", backend, "weight"},
				{"PATCH", backend, "weight and the rest"},
				{"DELETE", backend, "-"},
				{"POST", "", "with"},
				{"POST", "", "of"},
				{"POST", backend, "weight"},
				{"POST", backend, "backend"},
			}).Draw(r, "do")
			target, body := "/service/"+service, "{"+of[do[2]]+"}"
			if do[1] != "" {
				target += "/" + do[1]
			}
			if do[2] == "-" {
				body = ""
			}
			if do[0] == "POST" {
				kind := rapid.SampledFrom([]string{"set", "patch"}).Draw(r, "kind")
				target, body = "/overrides", fmt.Sprintf(`{"kind":%q,"service":%q,"backend":%q,"body":%s}`, kind, service, do[1], body)
			}
			ends, refused := rapid.Bool().Draw(r, "ends"), rapid.IntRange(0, 3).Draw(r, "refused") == 0 && do[0] != "POST"
			target += "?"
			if ends {
				target += "ttl=1h&"
			}
			if do[0] == "PUT" {
				target += "replace=true"
			}
			f.settled = nil
			if refused {
				f.settled = func(context.Context, uint64, string) (Settled, error) {
					return Settled{Refused: []Refusal{{Missing: true, Reason: "no"}, {Reason: "no"}}}, nil
				}
			}
			before, was, kept, others := services(), storedWithEnds(f), inOrder(f), rest(service, backend, do[2])
			w := exchange(h, do[0], target, body)
			after := services()
			what := fmt.Sprintf("%s %s %s (refused %t): %d %s\n%s\n%s\n%s\n%s", do[0], target, body, refused, w.Code, w.Body, was, before, storedWithEnds(f), after)
			if w.Code == 500 && (after != before || inOrder(f) != kept) {
				r.Fatalf("not withdrawn: %s", what)
			}
			if w.Code != 200 && w.Code != 500 && after != before {
				r.Fatalf("changed: %s", what)
			}
			if w.Code == 200 && do[0] == "PATCH" && rest(service, backend, do[2]) != others {
				r.Fatalf("changes something else: %s", what)
			}
			if w.Code == 200 && do[0] == "PATCH" && do[2] != "without" && do[2] != "method" {
				if b := f.Desired().Service(service).Backend(backend); b == nil || int(b.Weight) != weight {
					r.Fatalf("does not count: %s", what)
				}
			}
			if w.Code == 200 && do[0] == "DELETE" && (object{service, do[1]}).isIn(f.Desired().Service(service)) {
				r.Fatalf("still there: %s", what)
			}
			if w.Code == 200 && do[0] == "PUT" {
				var told Written
				_ = json.Unmarshal(w.Body.Bytes(), &told)
				if !(object{service, do[1]}).isIn(f.Desired().Service(service)) {
					r.Fatalf("not there: %s", what)
				}
				if again := exchange(h, do[0], target, body); !ends && !refused && (again.Code != 200 || services() != after) {
					r.Fatalf("not the same again, %s: %s", again.Body, what)
				}
			}
		}
	})
}

// inOrder is what is stored, with the keys of each body in order: one that is put back need not have them as they were sent.
func inOrder(f *fakeDaemon) string {
	var list []string
	for _, o := range f.List() {
		var body any
		_ = json.Unmarshal(o.Body, &body) // none: there is none
		text, _ := json.Marshal(body)
		line := fmt.Sprintf("%s %s %s %s", o.Kind, o.Object(), text, o.Reason)
		if o.Ends() {
			line += o.Until.Sub(o.At).Round(time.Minute).String()
		}
		list = append(list, line)
	}
	return fmt.Sprint(list)
}
