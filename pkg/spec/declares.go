package spec

// Declares reports whether the document has a table for a service, or for a backend of it; "" is the service itself.
func (d *Document) Declares(service, backend string) bool {
	s, ok := d.declared.services[service]
	if !ok || backend == "" {
		return ok
	}
	_, ok = s.backends[backend]
	return ok
}
