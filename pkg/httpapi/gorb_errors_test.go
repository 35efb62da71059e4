package httpapi

import (
	"errors"
	"strings"
	"testing"

	"github.com/gorb-io/gorb/pkg/spec"
)

// TestAsGORB has a status and a text for each kind of problem: GORB's where it refused the same.
func TestAsGORB(t *testing.T) {
	const web, a = "services.web.", "services.web.backends.a."
	problem := func(kind spec.ProblemKind, path string) spec.Problem {
		return spec.Problem{Kind: kind, Path: path, Message: "it is wrong"}
	}
	for _, tt := range []struct {
		want string
		list spec.Problems
	}{
		{"400 it is wrong", spec.Problems{problem(spec.KindSyntax, "")}},
		{"400 it is wrong", spec.Problems{problem(spec.KindType, web+"port")}},
		{"400 endpoint information is missing", spec.Problems{problem(spec.KindMissing, web+"port")}},
		{"400 endpoint information is missing", spec.Problems{problem(spec.KindMissing, a+"host")}},
		{"400 incompatible address families", spec.Problems{problem(spec.KindFamilies, a+"host")}},
		{"400 specified protocol is unknown", spec.Problems{problem(spec.KindValue, web+"protocol")}},
		{"400 specified flag is unknown", spec.Problems{problem(spec.KindValue, web+"flags")}},
		{"400 specified forwarding method is unknown", spec.Problems{problem(spec.KindValue, a+"method")}},
		{"400 specified pulse type is unknown", spec.Problems{problem(spec.KindValue, a+"pulse.type")}},
		{"400 invalid interval format", spec.Problems{problem(spec.KindValue, a+"pulse.interval")}},
		{"400 pulse interval must be positive", spec.Problems{problem(spec.KindUnder, a+"pulse.interval")}},
		{"400 it is wrong", spec.Problems{problem(spec.KindOver, web+"port")}},
		{"400 it is wrong", spec.Problems{problem(spec.KindUnder, a+"weight")}},
		{"400 it is wrong", spec.Problems{problem(spec.KindValue, a+"host")}},
		{"409 specified object already exists", spec.Problems{problem(spec.KindTaken, "services.web")}},
		// What GORB took, or did not know.
		{"422 " + unusable, spec.Problems{problem(spec.KindValue, web+"method")}}, // a scheduler
		{"422 " + unusable, spec.Problems{problem(spec.KindMissing, a+"tunnel_port")}},
		{"422 " + unusable, spec.Problems{problem(spec.KindUnknownKey, web+"prot")}},
		{"422 " + unusable, spec.Problems{problem(spec.KindCombination, web+"flags")}},
		{"422 " + unusable, spec.Problems{problem(spec.KindOver, a+"pulse.interval")}},
		{"422 " + unusable, spec.Problems{problem(spec.KindUnder, a+"upper_threshold")}},
		{"422 " + unusable, spec.Problems{problem(spec.KindPlace, a+"pulse.type")}},
		{"422 " + unusable, spec.Problems{problem(spec.KindTwice, web+"host")}},
		{"422 " + unusable, spec.Problems{problem(spec.KindLimit, "")}},
		// Of several, GORB's order: 400, then 409; of equal ones the first.
		{"409 specified object already exists", spec.Problems{problem(spec.KindUnknownKey, web+"x"), problem(spec.KindTaken, "services.web")}},
		{"400 specified flag is unknown", spec.Problems{problem(spec.KindTaken, "services.web"), problem(spec.KindValue, web+"flags")}},
		{"400 specified flag is unknown", spec.Problems{problem(spec.KindValue, web+"flags"), problem(spec.KindTaken, "services.web")}},
		{"400 specified flag is unknown", spec.Problems{problem(spec.KindValue, web+"flags"), problem(spec.KindValue, web+"protocol")}},
	} {
		f, ok := errors.AsType[*Failure](asGORB(tt.list))
		if !ok {
			t.Fatalf("%v is no failure", tt.list)
		}
		code, text, _ := strings.Cut(tt.want, " ")
		if len(f.Problems) != len(tt.list) || f.Message != text || code[0] != byte('0'+f.Code/100) || f.Code%100 != int(code[1]-'0')*10+int(code[2]-'0') {
			t.Errorf("%v: %d %v, want %s", tt.list, f.Code, f, tt.want)
		}
	}
	for _, err := range []error{errors.New("a disk"), spec.Problems{}} {
		if got := asGORB(err); got.Error() != err.Error() {
			t.Errorf("%v became %v", err, got)
		}
	}
}
