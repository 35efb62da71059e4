package spec

// Origin says which source declares a field, and on which line of it. The path is written as in a Problem, such as
// services.web.port or services."web.example".port. It is not ok where no source declares it: then it holds by
// default.
func (d *Desired) Origin(field string) (source string, line int, ok bool) {
	p, ok := parsePath(field)
	if !ok {
		return "", 0, false
	}
	found := locate(d.layers, []path{p})[0]
	if found.line == 0 || found.depth < len(p) {
		return "", 0, false
	}
	return d.layers[found.layer].name, found.line, true
}

// parsePath reads a path as path.String writes it.
func parsePath(s string) (path, bool) {
	scan := tomlScanner{text: s, line: 1}
	if !scan.key(0) || scan.pos < len(s) {
		return nil, false
	}
	return scan.at, true
}
