// Package examples is configurations that run. Its tests hold them, the README and the documentation to what gorb does.
package examples
