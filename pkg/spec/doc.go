// Package spec provides the desired state: its types, the strict decoding of TOML and JSON documents, merging with
// provenance, defaults, validation and encoding.
//
// Contract: Decode checks a document alone (syntax, keys, types, ranges); Merge lays documents over one another,
// field by field, applies the defaults once and checks the whole (completeness, identity, combinations). What Merge
// returns cannot be wrong, except that a service may lack its host, which WithHost supplies. Nothing here opens a
// socket, resolves a name or reads a file, so that a check means the same in a pipeline and on the director. All
// problems are reported together, each with the place and the path as the operator typed it.
package spec
