package spec_test

import (
	"fmt"

	"github.com/gorb-io/gorb/pkg/spec"
)

func Example() {
	fleet, err := spec.Decode("fleet.toml", spec.TOML, []byte(`
[services.web]
host = "10.0.0.1"
port = 80
method = "sh"
flags = "sh-fallback"

[services.web.backends.a]
host = "10.1.0.1"
port = 8080
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	local, err := spec.Decode("local.json", spec.JSON, []byte(`{"services": {"web": {"backends": {"a": {"weight": 0}}}}}`))
	if err != nil {
		fmt.Println(err)
		return
	}

	desired, err := spec.Merge(fleet, local)
	if err != nil {
		fmt.Println(err)
		return
	}
	web := desired.Services[0]
	fmt.Println(web.Protocol, web.Host, web.Port, web.Method, web.Flags.Names(web.Method))
	for _, b := range web.Backends {
		fmt.Println(b.Name, b.Host, b.Port, b.Method, b.Weight)
	}
	fmt.Println(desired.Warnings)
	// Output:
	// tcp 10.0.0.1 80 sh sh-fallback
	// a 10.1.0.1 8080 nat 0
	// local.json:1: services.web: all backends have weight 0, so the service refuses new connections
}

func ExampleDecode_problems() {
	_, err := spec.Decode("gorb.toml", spec.TOML, []byte(`
[services.web]
host = "web.example:80"
port = 70000
metod = "wlc"
`))
	fmt.Println(err)
	// Output:
	// gorb.toml:3: services.web.host: "web.example:80" is not an IP address
	// gorb.toml:4: services.web.port: 70000 is over 65535
	// gorb.toml:5: services.web.metod: there is no such key, did you mean "method"?
}
