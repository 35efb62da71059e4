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
	join(&d.declared.consul.tokenFile.value)
	join(&d.declared.consul.caFile.value)
}
