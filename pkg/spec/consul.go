package spec

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Consul says how services are registered with a Consul agent, [consul]. It comes only from local files.
type Consul struct {
	Address  string // of the agent's HTTP API (default "http://127.0.0.1:8500")
	Register bool   // whether services are registered at all

	TokenFile string // has the ACL token; "": CONSUL_HTTP_TOKEN
	CAFile    string // who is trusted to be the agent; "": the system's

	Name string            // what a service is registered as: a template, see NameOf (default "{{.Name}}")
	Tags []string          // of each service
	Meta map[string]string // of each service; nil: none

	WarnBelow        int  // percent: with a smaller share of backends up the check is a warning; 0: never
	DeregisterAtExit bool // take the services out when the daemon stops
}

// NameOf returns what a service is registered as: Name with {{.Name}}, {{.Port}}, {{.Protocol}}, {{.Host}} and
// {{.Fwmark}} replaced. What the service does not have is empty.
func (c Consul) NameOf(s *Service) string {
	values := map[string]string{"Name": s.Name, "Protocol": string(s.Protocol), "Port": "", "Host": "", "Fwmark": ""}
	if s.Fwmark != 0 {
		values["Fwmark"] = strconv.FormatUint(uint64(s.Fwmark), 10)
	} else {
		values["Port"] = strconv.FormatUint(uint64(s.Port), 10)
	}
	if s.Host.IsValid() {
		values["Host"] = s.Host.String()
	}
	name, _ := expandName(c.Name, values)
	return name
}

// expandName puts values into a template, or says why it is none.
func expandName(template string, values map[string]string) (name, why string) {
	var b strings.Builder
	for rest := template; ; {
		before, after, found := strings.Cut(rest, "{{")
		b.WriteString(before)
		if !found {
			return b.String(), ""
		}
		inside, tail, closed := strings.Cut(after, "}}")
		field, dotted := strings.CutPrefix(strings.TrimSpace(inside), ".")
		value, known := values[field]
		if !closed || !dotted || !known {
			return "", fmt.Sprintf("%s: there are {{.%s}}", quote("{{"+after), strings.Join(sortedKeys(values), "}}, {{."))
		}
		b.WriteString(value)
		rest = tail
	}
}

type declaredConsul struct {
	address    opt[string]
	register   opt[bool]
	tokenFile  opt[string]
	caFile     opt[string]
	name       opt[string]
	tags       opt[[]string]
	meta       map[string]string
	warnBelow  opt[int]
	deregister opt[bool]
}

// What Consul takes (agent/structs, ValidateServiceMetadata).
const (
	maxConsulTags  = 100 // gorb's own: each goes into the catalogue once a service
	maxConsulMeta  = 64
	maxConsulKey   = 128
	maxConsulValue = 512
	maxTemplate    = 256 // gorb's own
)

var consulFields = fields[declaredConsul]{
	"address":    func(c *checker, v any, d *declaredConsul) { d.address = c.agent(v) },
	"register":   func(c *checker, v any, d *declaredConsul) { d.register = c.boolean(v) },
	"token_file": func(c *checker, v any, d *declaredConsul) { d.tokenFile = c.file(v) },
	"ca_file":    func(c *checker, v any, d *declaredConsul) { d.caFile = c.file(v) },
	"name":       func(c *checker, v any, d *declaredConsul) { d.name = c.nameTemplate(v) },
	"tags": func(c *checker, v any, d *declaredConsul) {
		d.tags = c.texts(v, `an array such as ["lb"]`, maxConsulTags, c.tag)
	},
	"meta":               func(c *checker, v any, d *declaredConsul) { d.meta = c.meta(v) },
	"warn_below":         func(c *checker, v any, d *declaredConsul) { d.warnBelow = c.percent(v) },
	"deregister_at_exit": func(c *checker, v any, d *declaredConsul) { d.deregister = c.boolean(v) },
}

// agent expects the URL of a Consul agent.
func (c *checker) agent(v any) opt[string] {
	c.describes(func(s *Schema) { s.Pattern = `^[hH][tT][tT][pP][sS]?://` })
	s, ok := c.text(v, `a URL such as "http://127.0.0.1:8500"`)
	if !ok {
		return opt[string]{}
	}
	if err := CheckConsul(s); err != nil {
		c.addf("%v", err)
		return opt[string]{}
	}
	return some(s)
}

// CheckConsul says why an address is not the URL of a Consul agent.
func CheckConsul(address string) error {
	u, err := url.Parse(address)
	switch {
	case hasCredential(address):
		return errors.New("there is a credential in the URL; put it into a file, and name that in token_file")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Opaque != "" ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%s is not a URL such as \"http://127.0.0.1:8500\"", quote(address))
	}
	return nil
}

// WithConsul returns a copy that has its services registered with the agent of this address, whatever [consul] says of
// that; a flag wins over it.
func (d *Desired) WithConsul(address string) *Desired {
	c := *d
	c.Consul.Address, c.Consul.Register = address, true
	if !strings.HasPrefix(address, "https://") {
		c.Consul.CAFile = "" // it went with the other address
	}
	return &c
}

// file expects the name of a file, or nothing for none.
func (c *checker) file(v any) opt[string] {
	c.describes(func(s *Schema) { s.MaxLength = maxPath })
	s, ok := c.text(v, "the name of a file")
	if ok && len(s) > maxPath {
		c.kindf(KindOver, "%s has %d bytes, and no file's name has over %d", quote(s), len(s), maxPath)
		ok = false
	}
	return opt[string]{s, ok}
}

const maxPath = 4095 // PATH_MAX, less the NUL

// nameTemplate expects the template of a name. It has fields only: nothing in it can loop, as it could with
// text/template.
func (c *checker) nameTemplate(v any) opt[string] {
	c.describes(func(s *Schema) { s.MinLength, s.MaxLength = 1, maxTemplate })
	s, ok := c.text(v, `a template such as "{{.Name}}-{{.Port}}"`)
	if !ok {
		return opt[string]{}
	}
	of := map[string]string{"Name": "n", "Port": "1", "Protocol": "tcp", "Host": "h", "Fwmark": "1"}
	switch name, why := expandName(s, of); {
	case why != "":
		c.addf("%s", why)
	case name == "" || len(s) > maxTemplate:
		c.addf("a name is 1 to %d bytes", maxTemplate)
	default:
		return some(s)
	}
	return opt[string]{}
}

func (c *checker) tag(v any) opt[string] {
	c.describes(func(s *Schema) { s.MinLength, s.MaxLength = 1, maxConsulValue })
	s, ok := c.text(v, "a string")
	if ok && (s == "" || len(s) > maxConsulValue) {
		c.addf("a tag is 1 to %d bytes", maxConsulValue)
		ok = false
	}
	return opt[string]{s, ok}
}

// meta expects a table of strings that Consul takes.
func (c *checker) meta(v any) map[string]string {
	if c.draftTexts(`^[A-Za-z0-9_-]{1,128}$`, maxConsulMeta, func(s *Schema) { s.text("", 0, maxConsulValue) }) {
		return nil
	}
	table, ok := c.table(v)
	if !ok {
		return nil
	}
	if len(table) > maxConsulMeta {
		c.kindf(KindOver, "%d is over %d of them, and Consul takes no more", len(table), maxConsulMeta)
		return nil
	}
	meta := make(map[string]string, len(table))
	for _, key := range sortedKeys(table) {
		c.at = append(c.at, key)
		s, ok := c.text(table[key], "a string")
		switch {
		case key == "" || len(key) > maxConsulKey || strings.ContainsFunc(key, notMetaKey):
			c.addf("a key is 1 to %d letters, digits, _ and -, as Consul takes it", maxConsulKey)
		case ok && len(s) > maxConsulValue:
			c.kindf(KindOver, "%d bytes are over %d, and Consul takes no more", len(s), maxConsulValue)
		case ok:
			meta[key] = s
		}
		c.at = c.at[:len(c.at)-1]
	}
	return meta
}

func notMetaKey(r rune) bool { return r > 127 || !isBareKey(byte(r)) }

func (d declaredConsul) over(under declaredConsul) declaredConsul {
	return declaredConsul{
		address:    d.address.over(under.address),
		register:   d.register.over(under.register),
		tokenFile:  d.tokenFile.over(under.tokenFile),
		caFile:     d.caFile.over(under.caFile),
		name:       d.name.over(under.name),
		tags:       d.tags.over(under.tags),
		meta:       overlay(d.meta, under.meta, func(top, _ string) string { return top }),
		warnBelow:  d.warnBelow.over(under.warnBelow),
		deregister: d.deregister.over(under.deregister),
	}
}

// complete makes a Consul of what was declared of it, and reports what does not go together.
func (d declaredConsul) complete(r *report, f faulty) Consul {
	c := Consul{
		Address:          d.address.or("http://127.0.0.1:8500"),
		Register:         d.register.or(false),
		TokenFile:        d.tokenFile.or(""),
		CAFile:           d.caFile.or(""),
		Name:             d.name.or("{{.Name}}"),
		Tags:             slices.Clone(d.tags.value),
		Meta:             d.meta,
		WarnBelow:        d.warnBelow.or(0),
		DeregisterAtExit: d.deregister.or(false),
	}
	at := path{"consul"}
	if c.CAFile != "" && !strings.HasPrefix(c.Address, "https://") && f.clean(at, []string{"address", "ca_file", ""}) {
		r.addf(append(at, "ca_file"), "it goes with https, and the address is %s", c.Address)
	}
	return c
}
