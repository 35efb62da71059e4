package spec

// Backend returns the backend of a name; nil where there is none.
func (s *Service) Backend(name string) *Backend { return s.backend(name) }
