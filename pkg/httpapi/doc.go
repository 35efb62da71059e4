// Package httpapi is how programs talk to a gorb that runs: HTTP with JSON over a unix socket, and the client that the
// command line uses.
//
// Contract: whoever may open the socket may do everything; its mode and group are the access control (Listen). What a
// client sends is bounded in size and time, and never makes the server crash, hang or grow. Every error is a JSON object
// with "error", one sentence, and "problems" where there are several, each with its place.
package httpapi
