package spec

// ProblemKind says what sort of fault a problem is, for programs: messages are for people, and change.
type ProblemKind string

// The kinds. A Problem that has none says how many more there are, or is not about a document.
const (
	KindSyntax      ProblemKind = "syntax"      // the text cannot be read: it is no JSON, or no UTF-8
	KindLimit       ProblemKind = "limit"       // it is too long, nested too deep, or has too many keys
	KindType        ProblemKind = "type"        // a string where a number is wanted
	KindUnknownKey  ProblemKind = "unknown key" // there is no such key
	KindTwice       ProblemKind = "twice"       // something is said twice
	KindUnder       ProblemKind = "under"       // a value is under the least that there may be
	KindOver        ProblemKind = "over"        // or over the most, as is a string that is too long
	KindValue       ProblemKind = "value"       // it is none of those that there are, or not of the form that is wanted
	KindPlace       ProblemKind = "place"       // what is said may not be said here, by who says it
	KindMissing     ProblemKind = "missing"     // what an object cannot do without is not said
	KindFamilies    ProblemKind = "families"    // a backend is of the other address family than its service
	KindTaken       ProblemKind = "taken"       // a service, or a backend, is at the address of another
	KindCombination ProblemKind = "combination" // each is right alone, and they do not go together
)

// ObjectKind is what sort of object something is about.
type ObjectKind string

// The kinds of objects.
const (
	ServiceObject ObjectKind = "service"
	BackendObject ObjectKind = "backend"
)

// Field splits the path of a problem into the kind of the object that it is about and the key within, such as
// "pulse.interval"; "" is the object itself. What is about no object has no kind, and its whole path for a key.
func (p Problem) Field() (of ObjectKind, key string) {
	scan := tomlScanner{text: p.Path, line: 1}
	ok := scan.key(0)
	at, rest := scan.at, p.Path[min(scan.pos, len(p.Path)):] // an element of an array
	switch {
	case !ok || len(at) < 2 || at[0] != "services":
		return "", p.Path
	case len(at) >= 4 && at[2] == "backends":
		return BackendObject, at[4:].String() + rest
	}
	return ServiceObject, at[2:].String() + rest
}

// at makes a problem of what was found wrong, on a line.
func (p pending) at(line int) Problem {
	kind := p.kind
	if kind == "" {
		kind = KindSyntax
	}
	return Problem{Line: line, Path: p.path.String(), Message: p.message, Kind: kind}
}
