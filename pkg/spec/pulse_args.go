package spec

import (
	"net/netip"
	"slices"
	"strconv"
)

// argument is an arg of pulses.
type argument struct {
	of    []string                         // the types that have it
	local bool                             // it names a file or a program
	read  func(c *checker, v any) opt[any] // what stands for it in declaredPulse.args
	put   func(a *Args, v any)
	get   func(a *Args) any // as a setting; nil or the zero value: it was left out
}

// arguments are the args of all types, the names that GORB had among them.
var arguments = map[string]argument{
	"host": {
		everyCheck, false, (*checker).argHost, func(a *Args, v any) { a.Host = v.(checkedHost).addr },
		func(a *Args) any { return addressText(a.Host) },
	},
	"port": {
		everyCheck, false, wholeArg(1, 65535), func(a *Args, v any) { a.Port = uint16(v.(int64)) },
		func(a *Args) any { return int64(a.Port) },
	},
	"source": {
		everyCheck, false, (*checker).argSource, func(a *Args, v any) { a.Source = v.(netip.Addr) },
		func(a *Args) any { return addressText(a.Source) },
	},
	"mark": {
		everyCheck, false, wholeArg(1, 1<<32-1), func(a *Args, v any) { a.Mark = uint32(v.(int64)) },
		func(a *Args) any { return int64(a.Mark) },
	},
	"expect": {
		append(web, PulseTCP), false, (*checker).argExpect, func(a *Args, v any) { v.(expectation).put(a) },
		func(a *Args) any { return expected(a) },
	},

	"send": {
		[]string{PulseTCP},
		false, (*checker).argBytes, func(a *Args, v any) { a.Send, _ = unescapeBytes(v.(string)) },
		func(a *Args) any { return escapeBytes(a.Send) },
	},
	"regexp": textArg([]string{PulseTCP}, (*checker).argRegexp, func(a *Args) *string { return &a.Regexp }),

	"method":             textArg(web, (*checker).argMethod, func(a *Args) *string { return &a.Method }),
	"path":               textArg(web, (*checker).argPath, func(a *Args) *string { return &a.Path }),
	"host_header":        textArg(web, (*checker).argHostHeader, func(a *Args) *string { return &a.HostHeader }),
	"body":               textArg(web, (*checker).argBody, func(a *Args) *string { return &a.Body }),
	"expect_body":        textArg(web, (*checker).argBody, func(a *Args) *string { return &a.ExpectBody }),
	"expect_body_regexp": textArg(web, (*checker).argRegexp, func(a *Args) *string { return &a.ExpectBodyRegexp }),
	"headers": {
		web, false, (*checker).argHeaders, func(a *Args, v any) { a.Headers = v.(map[string]string) },
		func(a *Args) any { return tableSaid(a.Headers) },
	},
	"http2":  boolArg(web, func(a *Args) *bool { return &a.HTTP2 }),
	"follow": boolArg(web, func(a *Args) *bool { return &a.Follow }),
	"reuse":  boolArg(web, func(a *Args) *bool { return &a.Reuse }),

	"server_name": textArg([]string{PulseHTTPS}, (*checker).argServerName, func(a *Args) *string { return &a.ServerName }),
	"ca_file":     fileArg(func(a *Args) *string { return &a.CAFile }),
	"cert_file":   fileArg(func(a *Args) *string { return &a.CertFile }),
	"key_file":    fileArg(func(a *Args) *string { return &a.KeyFile }),
	"insecure":    boolArg([]string{PulseHTTPS}, func(a *Args) *bool { return &a.Insecure }),

	"command": {
		[]string{PulseExec},
		true, (*checker).argCommand, func(a *Args, v any) { a.Command = v.([]string) },
		func(a *Args) any { return slices.Clone(a.Command) },
	},
}

var (
	web        = []string{PulseHTTP, PulseHTTPS}
	everyCheck = []string{PulseTCP, PulseHTTP, PulseHTTPS, PulseExec}
)

// argFields read them.
var argFields = func() fields[map[string]any] {
	all := make(fields[map[string]any], len(arguments))
	for key, a := range arguments {
		read := func(c *checker, v any, args *map[string]any) {
			if got := a.read(c, v); got.set {
				(*args)[key] = got.value
			}
		}
		if a.local {
			read = local(read)
		}
		all[key] = read
	}
	return all
}()

// settings are the args that were not left out.
func (a *Args) settings() []setting {
	var out []setting
	for _, key := range sortedKeys(arguments) {
		switch v := arguments[key].get(a).(type) {
		case nil:
		case []string:
			if len(v) > 0 {
				out = append(out, set(key, v))
			}
		case []setting:
			if len(v) > 0 {
				out = append(out, set(key, v))
			}
		default:
			if v != "" && v != int64(0) && v != false {
				out = append(out, set(key, v))
			}
		}
	}
	return out
}

// argSaid is an arg as it was declared, in the form that settings have.
func argSaid(v any) any {
	switch v := v.(type) {
	case checkedHost:
		return v.addr.String()
	case netip.Addr:
		return v.String()
	case expectation:
		return v.value
	case map[string]string:
		return tableSaid(v)
	}
	return v
}

func tableSaid(table map[string]string) []setting {
	var out []setting
	for _, key := range sortedKeys(table) {
		out = append(out, set(key, table[key]))
	}
	return out
}

func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func textArg(of []string, read func(*checker, any) opt[any], at func(*Args) *string) argument {
	return argument{
		of, false, read, func(a *Args, v any) { *at(a) = v.(string) }, func(a *Args) any { return *at(a) },
	}
}

func boolArg(of []string, at func(*Args) *bool) argument {
	read := func(c *checker, v any) opt[any] { return anything(c.boolean(v)) }
	return argument{of, false, read, func(a *Args, v any) { *at(a) = v.(bool) }, func(a *Args) any { return *at(a) }}
}

func fileArg(at func(*Args) *string) argument {
	a := textArg([]string{PulseHTTPS}, func(c *checker, v any) opt[any] { return anything(c.aFile(v)) }, at)
	a.local = true
	return a
}

func anything[T any](o opt[T]) opt[any] { return opt[any]{o.value, o.set} }

// wholeArg expects a number, or a string of digits, which is the form that worked in GORB.
func wholeArg(lo, hi int64) func(c *checker, v any) opt[any] {
	return func(c *checker, v any) opt[any] {
		if c.describes(func(s *Schema) { s.Type, s.Pattern = Types{"integer", "string"}, `^[0-9]+$`; s.between(lo, hi) }) {
			return opt[any]{}
		}
		if s, ok := v.(string); ok {
			n, err := strconv.ParseUint(s, 10, 32)
			if err != nil {
				c.wrongType(v, "a whole number")
				return opt[any]{}
			}
			v = int64(n)
		}
		return anything(whole[int64](c, v, lo, hi))
	}
}

// checkedHost is an address to check, and whether a document from elsewhere asks for that.
type checkedHost struct {
	addr   netip.Addr
	remote bool
}

func (c *checker) argHost(v any) opt[any] {
	a := c.address(v)
	return opt[any]{checkedHost{a.value, c.remote}, a.set}
}

func (c *checker) argSource(v any) opt[any] { return anything(c.address(v)) }

// maxCommand is how many arguments a program may have.
const maxCommand = 64

// argCommand expects a program and its arguments.
func (c *checker) argCommand(v any) opt[any] {
	c.describes(func(s *Schema) { s.MinItems = 1 })
	all := c.texts(v, `an array such as ["/usr/lib/gorb/check", "-v"]`, maxCommand, func(v any) opt[string] {
		c.describes(func(s *Schema) { s.MaxLength = maxArg })
		s, ok := c.text(v, "a string")
		if ok && len(s) > maxArg {
			c.kindf(KindOver, "%d bytes are over %d", len(s), maxArg)
			ok = false
		}
		return opt[string]{s, ok}
	})
	if all.set && (len(all.value) == 0 || all.value[0] == "") {
		c.addf("there is no program in it")
		return opt[any]{}
	}
	return anything(all)
}
