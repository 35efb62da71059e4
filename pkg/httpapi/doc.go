// Package httpapi is gorb's API, HTTP with JSON over a unix socket and TCP, and the client of it that the command line uses.
//
// The routes and bodies of GORB are the main ones; GET /openapi.json describes all of them (api.go). What is written is an
// override, durable before it is answered, and the answer waits for the kernel (write.go, write_settle.go).
//
// Contract: Access decides of each request whether it may be; whoever may open the socket may do everything, and its mode
// and group are the access control there (Listen). What a client sends is bounded in size and time, and never makes the
// server crash, hang or grow. Every error is a JSON object with "error", one sentence, and "problems" where there are
// several, each with its place. Nothing that is secret is in an answer, the log, an event or a metric.
package httpapi
