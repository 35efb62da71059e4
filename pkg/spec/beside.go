package spec

import "strings"

// beside makes the names of files that a document has, and that do not begin at the root, count from a directory; include
// aside, which is a matter of who reads the files. A source keeps the name that it was given.
func (d *Document) beside(dir string) {
	if dir == "" {
		return
	}
	join := func(name *string) {
		if *name != "" && !strings.HasPrefix(*name, "/") {
			// Nothing is cleaned: ".." after a symbolic link is not what it looks like.
			*name = strings.TrimSuffix(dir, "/") + "/" + *name
		}
	}
	for i := range d.sources {
		s := &d.sources[i]
		if s.Kind() == FileSource {
			join(&s.URL)
		}
		for _, name := range []*string{&s.CAFile, &s.CertFile, &s.KeyFile, &s.BearerTokenFile, &s.TokenFile} {
			join(name)
		}
		for header, name := range s.HeaderFiles {
			join(&name)
			s.HeaderFiles[header] = name
		}
	}
	d.pulses(func(p *declaredPulse) { p.beside(join) })
	join(&d.declared.consul.tokenFile.value)
	join(&d.declared.consul.caFile.value)
	d.declared.api.beside(join)
}

// pulses calls a function with each pulse that the document has.
func (d *Document) pulses(do func(*declaredPulse)) {
	each := func(p *declaredPulse) {
		if p != nil {
			do(p)
		}
	}
	each(d.declared.defaults.pulse)
	each(d.declared.defaults.service.pulse)
	for _, s := range d.declared.services {
		each(s.pulse)
		for _, b := range s.backends {
			each(b.pulse)
		}
	}
}

// beside is that of documents, while the pulse is its document's alone. A program without a slash in it is looked for in
// PATH.
func (p *declaredPulse) beside(join func(*string)) {
	for _, key := range []string{"ca_file", "cert_file", "key_file"} {
		if name, ok := p.args[key].(string); ok {
			join(&name)
			p.args[key] = name
		}
	}
	if command, ok := p.args["command"].([]string); ok && strings.Contains(command[0], "/") {
		join(&command[0])
	}
}
