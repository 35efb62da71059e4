// Package sources provides where desired state comes from: files and directories (File, Dir), web servers (URL), Consul KV
// (Consul), and the overrides that were written at runtime (OverrideStore). Read reads a FILE argument once. A Source
// delivers whole documents, never deltas; Layers keeps the newest good document of every source, merges them with the
// overrides and hands over each spec.Desired that is new.
//
// Contract: absence of knowledge is never "remove". What is bad, empty, gone or unreadable leaves the last good document
// in force, also over a restart (LastGood). A change of a file that would remove most services must be read twice before
// it counts, unless somebody asked for it; what a remote source would remove of most that it alone declared is held until
// that is confirmed. Nothing here touches the kernel, and what is written is in the state directory.
package sources
