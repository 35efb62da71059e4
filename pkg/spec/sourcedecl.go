package spec

import "time"

// SourceDecl is a source that a local document declares, [[sources]]: checked, with defaults.
type SourceDecl struct {
	URL  string // https://, http://, consul://HOST:PORT/PATH, or a file or directory
	Name string // default: the URL
	// Below puts the source directly below the document that declares it; default: directly above.
	Below bool

	Format   Format        // "": by Content-Type, then by the path's ending
	Interval time.Duration // between polls of a URL (default 30s)
	Timeout  time.Duration // of one request (default 10s)
	Settle   time.Duration // how long a Consul prefix must have been still (default 200ms)
	Wait     time.Duration // of a blocking query (default 5m)

	CAFile, CertFile, KeyFile string            // TLS; "": the system's, and none
	BearerTokenFile           string            // reread for each request; "": none
	HeaderFiles               map[string]string // header to the file that has its value, reread
	TokenFile                 string            // Consul's ACL token; "": CONSUL_HTTP_TOKEN
	Datacenter, Namespace     string            // Consul's; "": the agent's
	Stale                     bool              // Consul may answer from any server (default true)
	Env                       bool              // ${NAME} in strings is the environment's; only for files

	// The guard against mass removal: more than MaxRemoval percent (default 50) and at least MaxRemovalFloor (default 5)
	// of what this source alone declares, or all of it, is held for Hold (default: twice the interval, at least 60s).
	MaxRemoval, MaxRemovalFloor int
	Hold                        time.Duration
}

// SourceKind is how a source is read.
type SourceKind string

// The kinds.
const (
	FileSource   SourceKind = "file" // or a directory
	URLSource    SourceKind = "url"
	ConsulSource SourceKind = "consul"
)

// Kind returns how the source is read, by its URL.
func (s SourceDecl) Kind() SourceKind { return kindOf(s.URL) }

// NewSourceDecl returns a source of which nothing is known but its address, as an argument of the command line is: with
// all defaults. The error is what [[sources]] would say of the address.
func NewSourceDecl(address string) (SourceDecl, error) {
	if why := badSource(address); why != "" {
		return SourceDecl{}, pending{message: why}
	}
	return declaredSource{url: some(address)}.complete(), nil
}

// The defaults of sources.
const (
	defaultPoll            = 30 * time.Second
	defaultSourceTimeout   = 10 * time.Second
	defaultSettle          = 200 * time.Millisecond
	defaultWait            = 5 * time.Minute
	defaultMaxRemoval      = 50
	defaultMaxRemovalFloor = 5
	minHold                = time.Minute
)

func (d declaredSource) complete() SourceDecl {
	s := SourceDecl{
		URL:             d.url.value,
		Name:            d.name.or(d.url.value),
		Below:           d.below.or(false),
		Format:          d.format.or(""),
		Interval:        d.interval.or(defaultPoll),
		Timeout:         d.timeout.or(defaultSourceTimeout),
		Settle:          d.settle.or(defaultSettle),
		Wait:            d.wait.or(defaultWait),
		CAFile:          d.caFile.or(""),
		CertFile:        d.certFile.or(""),
		KeyFile:         d.keyFile.or(""),
		BearerTokenFile: d.bearerTokenFile.or(""),
		HeaderFiles:     d.headerFiles,
		TokenFile:       d.tokenFile.or(""),
		Datacenter:      d.datacenter.or(""),
		Namespace:       d.namespace.or(""),
		Stale:           d.stale.or(true),
		Env:             d.env.or(false),
		MaxRemoval:      d.maxRemoval.or(defaultMaxRemoval),
		MaxRemovalFloor: int(d.maxRemovalFloor.or(defaultMaxRemovalFloor)),
	}
	s.Hold = d.hold.or(max(minHold, 2*s.Interval))
	return s
}
