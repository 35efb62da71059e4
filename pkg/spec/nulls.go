package spec

import (
	"maps"
	"net/textproto"
)

// shape is what takeNulls has to know of a kind of table.
type shape struct {
	knows  func(key string) bool
	tables map[string]*shape // of its keys those that are tables
	named  *shape            // of every key, where keys are names; nil: they are not
}

var (
	headersShape  = &shape{knows: func(string) bool { return true }}
	argsShape     = &shape{knows: has(argFields), tables: map[string]*shape{"headers": headersShape}}
	pulseShape    = &shape{knows: has(pulseFields), tables: map[string]*shape{"args": argsShape}}
	backendShape  = &shape{knows: has(backendFields), tables: map[string]*shape{"pulse": pulseShape}}
	backendsShape = &shape{knows: isName, named: backendShape}
	serviceShape  = &shape{
		knows:  has(serviceFields),
		tables: map[string]*shape{"pulse": pulseShape, "backends": backendsShape},
	}
)

func has[T any](known fields[T]) func(string) bool {
	return func(key string) bool { _, ok := known[key]; return ok }
}

// takeNulls takes the keys that are null out of a merge patch and returns them, in tables as they were; nil where there
// are none. A key that is not known stays, to be reported.
func takeNulls(table map[string]any, s *shape) map[string]any {
	nulls := make(map[string]any)
	for key, v := range table {
		sub := s.named
		if sub == nil {
			sub = s.tables[key]
		}
		switch v := v.(type) {
		case nil:
			if s.knows(key) {
				nulls[key] = nil
				delete(table, key)
			}
		case map[string]any:
			if sub == nil {
				continue
			}
			if below := takeNulls(v, sub); below != nil {
				nulls[key] = below
			}
		}
	}
	if len(nulls) == 0 {
		return nil
	}
	return nulls
}

// forget leaves unset the fields that are nil in nulls. It has their readers read nothing: what those return then is not
// set, so that no second list of all fields is needed.
func forget[T any](nulls map[string]any, known fields[T], into *T) {
	for key, v := range nulls {
		if v == nil {
			known[key](&checker{report: new(report)}, nil, into)
		}
	}
}

// without returns the service without what a merge patch takes away.
func (s *declaredService) without(nulls map[string]any) *declaredService {
	if nulls == nil {
		return s
	}
	c := *s
	forget(nulls, serviceFields, &c)
	if below, ok := nulls["pulse"].(map[string]any); ok {
		c.pulse = c.pulse.without(below)
	}
	if below, ok := nulls["backends"].(map[string]any); ok {
		c.backends = maps.Clone(c.backends)
		for name, v := range below {
			b, there := c.backends[name]
			switch v := v.(type) {
			case nil:
				delete(c.backends, name)
			case map[string]any:
				if there {
					c.backends[name] = b.without(v)
				}
			}
		}
	}
	return &c
}

// without is like that of services.
func (b *declaredBackend) without(nulls map[string]any) *declaredBackend {
	if nulls == nil {
		return b
	}
	c := *b
	forget(nulls, backendFields, &c)
	if below, ok := nulls["pulse"].(map[string]any); ok {
		c.pulse = c.pulse.without(below)
	}
	return &c
}

// without is like that of services; of no pulse nothing can be taken away.
func (p *declaredPulse) without(nulls map[string]any) *declaredPulse {
	if p == nil {
		return nil
	}
	c := *p
	forget(nulls, pulseFields, &c)
	if below, ok := nulls["args"].(map[string]any); ok {
		c.args = maps.Clone(c.args)
		for key, v := range below {
			headers, some := c.args[key].(map[string]string)
			names, isTable := v.(map[string]any)
			if !isTable {
				delete(c.args, key)
			} else if some {
				c.args[key] = withoutHeaders(headers, names)
			}
		}
	}
	return &c
}

// withoutHeaders returns headers but for some, in whose names case does not matter.
func withoutHeaders(headers map[string]string, names map[string]any) map[string]string {
	headers = maps.Clone(headers)
	for name := range names {
		delete(headers, textproto.CanonicalMIMEHeaderKey(name))
	}
	return headers
}
