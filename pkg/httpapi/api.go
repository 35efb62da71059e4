package httpapi

import (
	"net"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// Options are what an API needs beside its daemon.
type Options struct {
	Access   *Access
	Log      zerolog.Logger
	Resolver Resolver     // nil: the machine's
	Events   http.Handler // of GET /events; nil: there is no such route
	Metrics  http.Handler // of GET /metrics; nil: there is no such route
	Live     http.Handler // of GET /livez; nil: there is no such route
	Ready    http.Handler // of GET /readyz; nil: there is no such route
}

// api answers the routes of a daemon.
type api struct {
	daemon   Daemon
	huma     huma.API
	access   *Access
	resolver Resolver
	said     declarations
	turns    turns
	planning chan struct{} // of capacity one: full while a plan is made
	large    chan struct{} // of capacity one: full while a large document for a plan is read and used
	log      zerolog.Logger
	unkept   *voice // of changes that the audit could not take
}

// New returns the routes of a daemon, for Serve. What they are GET /openapi.json says.
func New(d Daemon, o Options) http.Handler {
	mux := http.NewServeMux()
	a := &api{
		daemon: d, access: o.Access, resolver: o.Resolver, log: o.Log, unkept: newVoice(),
		planning: make(chan struct{}, 1), large: make(chan struct{}, 1),
	}
	a.huma = newHuma(mux, d.Version(), a.answered)
	if a.resolver == nil {
		a.resolver = net.DefaultResolver
	}
	a.huma.UseMiddleware(a.enter)
	a.objectRoutes()
	a.layerRoutes()
	a.daemonRoutes()
	a.otherRoutes(mux, o)
	return a.outer(mux)
}

// The needs of routes.
var (
	needPublic = Need{Role: spec.RoleRead, Public: true}
	needRead   = Need{Role: spec.RoleRead}
	needWrite  = Need{Role: spec.RoleWrite, Changes: true}
	needAdmin  = Need{Role: spec.RoleAdmin, Changes: true}
)

// objectRoutes are GORB's.
func (a *api) objectRoutes() {
	const one, backend = "/service/{service}", "/service/{service}/{backend}"
	wrong := []int{400, 404, 409, 412, 413, 415, 507}
	taken := []int{404, 409, 412, 507}
	register(a, operation{
		method: "GET", path: "/service", id: "listServices", summary: "The names of all services, in order", need: needPublic,
	}, a.listServices)
	register(a, operation{
		method: "GET", path: one, id: "getService", tagged: true, summary: "A service: what is declared, what the kernel has, how it is", need: needPublic,
		codes: []int{404},
	}, a.getService)
	register(a, operation{
		method: "GET", path: backend, id: "getBackend", tagged: true, summary: "A backend: what is declared, what the kernel has, how it is", need: needPublic,
		codes: []int{404},
	}, a.getBackend)
	register(a, operation{
		method: "PUT", path: one, id: "putService", tagged: true, later: true, summary: "Make a service", need: needWrite, codes: []int{400, 409, 412, 413, 415, 507}, body: theObject{name: serviceSchema},
		text: "What is there already and is the same stays as it is (200); what differs is 409, unless replace says otherwise. A service that is hidden comes back.",
	}, a.putService)
	register(a, operation{
		method: "PUT", path: backend, id: "putBackend", tagged: true, later: true, summary: "Make a backend of a service", need: needWrite, codes: wrong,
		body: theObject{name: backendSchema},
		text: "What is there already and is the same stays as it is (200); what differs is 409, unless replace says otherwise. A backend that is hidden comes back.",
	}, a.putBackend)
	register(a, operation{
		method: "PATCH", path: one, id: "patchService", tagged: true, later: true, summary: "Change fields of a service", need: needWrite, codes: wrong,
		body: theObject{name: serviceSchema, patch: true},
	}, a.patchService)
	register(a, operation{
		method: "PATCH", path: backend, id: "patchBackend", tagged: true, later: true, summary: "Change fields of a backend", need: needWrite, codes: wrong,
		body: theObject{name: backendSchema, patch: true},
	}, a.patchBackend)
	register(a, operation{
		method: "DELETE", path: one, id: "deleteService", later: true, summary: "Take a service away", need: needWrite, codes: taken,
		text: "What was written over the sources goes, that of its backends too; where the sources declare the service, it is hidden.",
	}, a.deleteService)
	register(a, operation{
		method: "DELETE", path: backend, id: "deleteBackend", later: true, summary: "Take a backend away", need: needWrite, codes: taken,
		text: "What was written over the sources goes; where the sources declare the backend, it is hidden. It drains as its service says.",
	}, a.deleteBackend)
}

// layerRoutes are about what is written over the sources, and about these.
func (a *api) layerRoutes() {
	register(a, operation{
		method: "GET", path: "/overrides", id: "listOverrides", tagged: true, summary: "What is written over the sources, by object", need: needRead,
	}, a.listOverrides)
	register(a, operation{
		method: "POST", path: "/overrides", id: "writeOverride", later: true, summary: "Write over what the sources say of an object", need: needWrite,
		codes: []int{400, 409, 412, 413, 415, 507}, body: jsonOf[Change]{},
		text: "Other than PUT, PATCH and DELETE of the object it is stored though it has no effect as things are, or the kernel refuses it.",
	}, a.writeOverride)
	register(a, operation{
		method: "DELETE", path: "/overrides", id: "clearOverrides", later: true, summary: "Take back all that is written over the sources", need: needAdmin,
		codes: []int{409, 412, 507},
	}, a.clearOverrides)
	for _, path := range []string{"/overrides/{service}", "/overrides/{service}/{backend}"} {
		of, what := "Service", "a service itself"
		if path != "/overrides/{service}" {
			of, what = "Backend", "a backend"
		}
		get := operation{
			method: "GET", path: path, id: "get" + of + "Override", tagged: true, summary: "What is written over what the sources say of " + what, need: needRead,
			codes: []int{404},
		}
		clear := operation{
			method: "DELETE", path: path, id: "clear" + of + "Override", later: true, summary: "Take back what is written over what the sources say of " + what,
			need: needWrite, codes: []int{404, 409, 412, 507},
		}
		explain := operation{
			method: "GET", path: "/explain" + path[len("/overrides"):], id: "explain" + of, summary: "Where the fields of " + what + " come from",
			need: needRead, codes: []int{404},
		}
		if of == "Service" {
			register(a, get, a.getServiceOverride)
			register(a, clear, a.clearServiceOverride)
			register(a, explain, a.explainService)
		} else {
			register(a, get, a.getBackendOverride)
			register(a, clear, a.clearBackendOverride)
			register(a, explain, a.explainBackend)
		}
	}
	register(a, operation{
		method: "GET", path: "/sources", id: "listSources", summary: "Where the configuration comes from, the lowest layer first", need: needRead,
	}, a.listSources)
	register(a, operation{
		method: "GET", path: "/held", id: "listHeld", summary: "Services and backends whose removal is held", need: needRead,
	}, a.listHeld)
	register(a, operation{
		method: "POST", path: "/sources/{name}/accept", id: "acceptRemovals", summary: "Have the removals of a source done that are held",
		need: needAdmin, codes: []int{404, 409},
	}, a.accept)
	register(a, operation{
		method: "POST", path: "/reload", id: "reload", summary: "Read sources again, or all of them and the kernel's table", need: needWrite,
		codes: []int{400, 404, 413, 415}, body: jsonOf[ReloadRequest]{optional: true},
	}, a.reload)
}

// daemonRoutes are about the daemon and what it does.
func (a *api) daemonRoutes() {
	register(a, operation{
		method: "GET", path: "/status", id: "getStatus", summary: "How the gorb that runs is", need: needRead,
	}, a.status)
	register(a, operation{
		method: "GET", path: "/health", id: "getHealth", answer: jsonOf[Health]{}, summary: "How backends are, and how they are checked", need: needRead,
	}, a.health)
	register(a, operation{
		method: "POST", path: "/probe/{service}/{backend}", id: "probe", summary: "Check a backend now; the result counts for nothing",
		need: Need{Role: spec.RoleWrite}, codes: []int{404, 409},
	}, a.probe)
	register(a, operation{
		method: "GET", path: "/plan", id: "getPlan", summary: "What the next pass would do", need: needRead,
	}, a.plan)
	register(a, operation{
		method: "POST", path: "/plan", id: "planOf", summary: "What a configuration, or other sources, would come to here; nothing changes by it",
		need: needRead, codes: []int{400, 413, 415}, body: planBody{},
		text: "A body with the key layers is what several sources say, and any other is a configuration alone. Either takes the place of all sources of the gorb that is asked; " +
			"services and [defaults] are as it says, and what it leaves out of the other tables is as it is there. Overrides, health and held removals are part of the plan, as they would be.",
	}, a.planOf)
	register(a, operation{
		method: "GET", path: "/audit", id: "getAudit", summary: "Who changed what, the newest first",
		need: Need{Role: spec.RoleAdmin}, text: "The last 10,000 changes are kept.",
	}, a.audit)
}
