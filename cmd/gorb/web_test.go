package main

import (
	"fmt"
	"net/http"
	"os"
)

// web is the program of the stories that serves a directory: web DIR ADDRESS.
func web() {
	if err := http.ListenAndServe(os.Args[2], http.FileServer(http.Dir(os.Args[1]))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
