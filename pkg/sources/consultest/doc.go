// Package consultest provides a Consul agent in the test's own process: its KV store over HTTP, with blocking queries,
// and with what goes wrong in real ones: indexes that go back, servers that lag, errors, hangs, refused tokens, restarts.
package consultest
