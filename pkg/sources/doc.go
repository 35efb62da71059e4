// Package sources provides where desired state comes from: today the files that the operator named, later URLs, Consul
// and overrides. Read reads a FILE argument once; a File watches one and delivers whole documents, never deltas;
// Layers keeps the newest good document of every layer, merges them and hands over each spec.Desired that is new.
//
// Contract: absence of knowledge is never "remove". A file that is bad, empty, gone or unreadable leaves the last good
// document in force, and a change that would remove most services must be read twice before it counts, unless somebody
// asked for it. Nothing here writes a file or touches the kernel.
package sources
