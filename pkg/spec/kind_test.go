package spec

import (
	"errors"
	"testing"
)

// fault is what a program can tell of a problem.
type fault struct {
	Kind ProblemKind
	Of   ObjectKind
	Key  string
}

func faultOf(p Problem) fault {
	of, key := p.Field()
	return fault{p.Kind, of, key}
}

// TestKinds has one for each thing that GORB refused with a text of its own, and what must not be taken for it.
func TestKinds(t *testing.T) {
	const below = `[services.web]
host = "10.0.0.1"
port = 80
[services.web.backends.z]
host = "10.1.0.9"
[services.mail]
host = "10.0.0.1"
port = 25
`
	for override, want := range map[string]fault{
		`set web {`:                                                                      {KindSyntax, "", ""},
		`set web []`:                                                                     {KindType, "", ""},
		`set web {"port": "80"}`:                                                         {KindType, ServiceObject, "port"},
		`set web {"port": 1.5}`:                                                          {KindType, ServiceObject, "port"},
		`set web {"port": 70000}`:                                                        {KindOver, ServiceObject, "port"},
		`set web {"port": -1}`:                                                           {KindUnder, ServiceObject, "port"},
		`set web {"port": 80, "port": 80}`:                                               {KindTwice, ServiceObject, "port"},
		`set web {"port": null}`:                                                         {KindType, ServiceObject, "port"},
		`set web {"persistent": 5}`:                                                      {KindType, ServiceObject, "persistent"},
		`set web {"a": [[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]}`:                            {KindLimit, "", ""},
		`set web {"prot": 80}`:                                                           {KindUnknownKey, ServiceObject, "prot"},
		`set web {"port": 80, "method": "best"}`:                                         {KindValue, ServiceObject, "method"},
		`set web {"port": 80, "protocol": "icmp"}`:                                       {KindValue, ServiceObject, "protocol"},
		`set web {"port": 80, "flags": "sh-port|"}`:                                      {KindValue, ServiceObject, "flags"},
		`set web {"port": 80, "flags": "sh-port"}`:                                       {KindCombination, ServiceObject, "flags"},
		`set web {"protocol": "udp"}`:                                                    {KindMissing, ServiceObject, "port"},
		`set web {"port": 0}`:                                                            {KindMissing, ServiceObject, "port"},
		`set web {"host": "10.0.0.1", "port": 25}`:                                       {KindTaken, ServiceObject, ""},
		`set web {"host": "::1", "port": 80}`:                                            {KindFamilies, BackendObject, "host"},
		`set web {"port": 80, "pulse": {"args": {"expect": [0]}}}`:                       {KindValue, ServiceObject, "pulse.args.expect"},
		`set web/a {"port": 8080}`:                                                       {KindMissing, BackendObject, "host"},
		`set web/a {"host": "", "port": 8080}`:                                           {KindValue, BackendObject, "host"},
		`set web/a {"host": "10.1.0.1", "port": 0, "method": "dr"}`:                      {KindMissing, BackendObject, "port"},
		`set web/a {"host": "10.1.0.1", "port": 8080, "method": "dr"}`:                   {KindCombination, BackendObject, "port"},
		`set web/a {"host": "10.1.0.1", "weight": -1}`:                                   {KindUnder, BackendObject, "weight"},
		`set web/a {"host": "10.1.0.1", "method": "fly"}`:                                {KindValue, BackendObject, "method"},
		`set web/a {"host": "fd00::1"}`:                                                  {KindFamilies, BackendObject, "host"},
		`set web/a {"host": "10.1.0.9"}`:                                                 {KindTaken, BackendObject, ""},
		`set web/a {"host": "10.1.0.1", "pulse": {"type": "icmp"}}`:                      {KindValue, BackendObject, "pulse.type"},
		`set web/a {"host": "10.1.0.1", "pulse": {"type": "exec"}}`:                      {KindPlace, BackendObject, "pulse.type"},
		`set web/a {"host": "10.1.0.1", "pulse": {"interval": "60"}}`:                    {KindValue, BackendObject, "pulse.interval"},
		`set web/a {"host": "10.1.0.1", "pulse": {"interval": "0"}}`:                     {KindValue, BackendObject, "pulse.interval"},
		`set web/a {"host": "10.1.0.1", "pulse": {"interval": "-5s"}}`:                   {KindUnder, BackendObject, "pulse.interval"},
		`set web/a {"host": "10.1.0.1", "pulse": {"interval": "0s"}}`:                    {KindUnder, BackendObject, "pulse.interval"},
		`set web/a {"host": "10.1.0.1", "pulse": {"interval": "99999999999999999999h"}}`: {KindOver, BackendObject, "pulse.interval"},
		`set web/a {"host": "10.1.0.1", "pulse": {"interval": "5124096hours"}}`:          {KindOver, BackendObject, "pulse.interval"},
		`set web/a {"host": "10.1.0.1", "pulse": {"interval": 5}}`:                       {KindType, BackendObject, "pulse.interval"},
	} {
		doc := mustParse(below)
		_, err := MergeWith([]*Document{doc}, over(override))
		problems, _ := errors.AsType[Problems](err)
		if len(problems) == 0 {
			t.Errorf("%s: taken", override)
			continue
		}
		if got := faultOf(problems[0]); got != want {
			t.Errorf("%s: got %q, want %q: %v", override, got, want, err)
		}
	}
}

// TestField: a path is taken apart however the names in it are written.
func TestField(t *testing.T) {
	for at, want := range map[string]fault{
		`services.web`: {"", ServiceObject, ""},
		`services."web.example:80".pulse.interval`:     {"", ServiceObject, "pulse.interval"},
		`services.web.backends`:                        {"", ServiceObject, "backends"},
		`services.backends.backends.backends.host`:     {"", BackendObject, "host"},
		`services.web.backends.a.pulse.args.expect[1]`: {"", BackendObject, "pulse.args.expect[1]"},
		`api.tokens[0].hash`:                           {"", "", "api.tokens[0].hash"},
		`services`:                                     {"", "", "services"},
		``:                                             {"", "", ""},
	} {
		if got := faultOf(Problem{Path: at}); got != want {
			t.Errorf("%s: got %q, want %q", at, got, want)
		}
	}
}
