package spec

// Origin says where a document came from, as far as that decides what it may say.
type Origin uint8

// The origins.
const (
	Local Origin = iota // a file that the operator named: it may say everything
	// Remote is a URL, Consul or REST: no [gorb], [consul], [[sources]] or include, nothing that names a file, a command
	// or a credential.
	Remote
)

// Options say how a document is decoded. The zero value is that of a whole document of the operator's own.
type Options struct {
	Origin Origin
	// At is where in the configuration the document belongs: {"services", "web"} is the table of a service. Nil: it is a
	// whole one. {"backends", NAME} is a record of GORB's: its key vsid names the service.
	At []string
	// Dir is the directory from which names of files in the document count, where they do not begin at the root; "": the
	// working directory. What it includes is a matter of who reads that.
	Dir string
	// Env is what ${NAME} stands for in the strings of a document that asks for that with [gorb] env; nil: the environment
	// is not looked at, and asking is an error.
	Env func(name string) (value string, ok bool)
	// MaxSize is the size in bytes over which the document is refused unread; 0: as its origin has it.
	MaxSize int
	// Expand says that the document's source has env = true, so that the document need not ask itself.
	Expand bool
}
