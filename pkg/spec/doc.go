// Package spec provides the desired state: its types, the strict decoding of TOML, JSON and YAML documents, merging with
// provenance, defaults, validation and encoding.
//
// Contract: Decode checks a document alone (syntax, keys, types, ranges); Merge lays documents over one another,
// field by field, applies the defaults once and checks the whole (completeness, identity, combinations). What Merge
// returns cannot be wrong, except that a service may lack its host, which WithHost supplies. Overrides lie on top of
// documents: MergeWith is strict about them, Lay sets aside what does not go with the rest, and Explain tells where a
// field comes from. Nothing here opens a socket, resolves a name or reads a file, so that a check means the same in a
// pipeline and on the director. All problems are reported together, each with the place and the path as the operator
// typed it.
package spec
