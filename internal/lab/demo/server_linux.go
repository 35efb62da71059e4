package main

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gorb-io/gorb/internal/lab"
)

// A download is chunks of chunkSize, one each chunkTime: 2 MB in 3 s.
const (
	chunks       = 40
	chunkSize    = 50_000
	chunkTime    = 75 * time.Millisecond
	downloadSize = chunks * chunkSize
)

// serve serves HTTP on port 8080 of a namespace, until the program ends. Every answer is the server's name, or is made
// of it.
func serve(ns, name string) error {
	var listener net.Listener
	err := lab.Do(ns, func() (err error) {
		listener, err = net.Listen("tcp", ":8080")
		return err
	})
	if err != nil {
		return fmt.Errorf("server %s: %w", name, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, name)
	})
	mux.HandleFunc("/download", func(w http.ResponseWriter, _ *http.Request) {
		chunk := strings.Repeat(name, chunkSize)
		for range chunks {
			if _, err := fmt.Fprint(w, chunk); err != nil {
				return
			}
			time.Sleep(chunkTime)
		}
	})
	server := &http.Server{Handler: mux}
	server.SetKeepAlivesEnabled(false) // so that each request is a connection, which IPVS schedules
	go func() { _ = server.Serve(listener) }()
	return nil
}
