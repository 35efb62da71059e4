package consultest

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// Registered is a service that is registered with the server's agent, and its check.
type Registered struct {
	ID, Name, Address string
	Port              int
	Tags              []string
	Meta              map[string]string

	Check  string        // its ID; "": there is none
	TTL    time.Duration // of the check
	Status string        // of the check, critical when the TTL is over
	Output string        // of the check

	passed time.Time // the check was
}

// Services returns what is registered, by ID.
func (s *Server) Services() map[string]Registered {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]Registered, len(s.services))
	for id, r := range s.services {
		if r.Check != "" && time.Since(r.passed) > r.TTL {
			r.Status, r.Output = "critical", "TTL expired"
		}
		all[id] = r
	}
	return all
}

// Forget loses what is registered, as an agent does that is started again without its data.
func (s *Server) Forget() { s.change(func() { clear(s.services) }) }

// Refuse has a service of this name not be registered, as for a token that may not.
func (s *Server) Refuse(name string) { s.change(func() { s.refused[name] = true }) }

// registration is what a client sends of a service.
type registration struct {
	ID, Name, Address string
	Port              int
	Tags              []string
	Meta              map[string]string
	Check             struct{ CheckID, TTL, Status string }
}

// agent answers what is below /v1/agent/.
func (s *Server) agent(w http.ResponseWriter, r *http.Request, path string) {
	s.mu.Lock()
	fault, changed, token := s.fault, s.changed, s.token
	s.mu.Unlock()
	switch {
	case fault != nil && fault.code == 0:
		select {
		case <-r.Context().Done():
		case <-changed: // and the client asks again
		}
		panic(http.ErrAbortHandler)
	case fault != nil:
		http.Error(w, fault.body, fault.code)
		return
	case token != "" && r.Header.Get("X-Consul-Token") != token:
		http.Error(w, "Permission denied: anonymous token lacks permission 'service:write'", http.StatusForbidden)
		return
	}
	verb, id := cutLast(path)
	switch r.Method + " " + verb {
	case "GET ":
		s.lists(w, id)
	case "PUT service": // register
		s.register(w, r)
	case "PUT service/deregister":
		s.deregister(w, id)
	case "PUT check/update":
		s.update(w, r, id)
	default:
		http.NotFound(w, r)
	}
}

// cutLast cuts a path before its last element.
func cutLast(path string) (before, last string) {
	i := strings.LastIndex(path, "/")
	return path[:max(i, 0)], path[i+1:]
}

// lists answers services and checks.
func (s *Server) lists(w http.ResponseWriter, what string) {
	out := make(map[string]any)
	for id, r := range s.Services() {
		switch {
		case what == "services":
			out[id] = map[string]any{
				"ID": id, "Service": r.Name, "Address": r.Address, "Port": r.Port, "Tags": r.Tags, "Meta": r.Meta,
			}
		case r.Check != "":
			out[r.Check] = map[string]any{
				"CheckID": r.Check, "ServiceID": id, "Status": r.Status, "Output": r.Output, "Type": "ttl",
			}
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out) // whose reader may be gone
}

func (s *Server) register(w http.ResponseWriter, r *http.Request) {
	var sent registration
	if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ttl, err := time.ParseDuration(sent.Check.TTL)
	if err != nil && sent.Check.TTL != "" {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused[sent.Name] {
		http.Error(w, "Permission denied: token lacks permission 'service:write' on \""+sent.Name+"\"", http.StatusForbidden)
		return
	}
	if sent.ID == "" {
		sent.ID = sent.Name
	}
	s.services[sent.ID] = Registered{
		ID: sent.ID, Name: sent.Name, Address: sent.Address, Port: sent.Port, Tags: sent.Tags, Meta: sent.Meta,
		Check: sent.Check.CheckID, TTL: ttl, Status: sent.Check.Status, passed: time.Now(),
	}
}

func (s *Server) deregister(w http.ResponseWriter, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.services[id]; !known {
		http.Error(w, "Unknown service ID \""+id+"\"", http.StatusNotFound)
		return
	}
	delete(s.services, id)
}

func (s *Server) update(w http.ResponseWriter, r *http.Request, check string) {
	var sent struct{ Status, Output string }
	if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, have := range s.services {
		if have.Check == check {
			have.Status, have.Output, have.passed = sent.Status, sent.Output, time.Now()
			s.services[id] = have
			return
		}
	}
	http.Error(w, "Unknown check ID \""+check+"\"", http.StatusNotFound)
}
