package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testdata returns a file of testdata: what a program really printed.
func testdata(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// wantError fails unless err has this text; "" is no error.
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case err == nil && want != "":
		t.Errorf("no error, want one of %q", want)
	case err != nil && (want == "" || !strings.Contains(err.Error(), want)):
		t.Errorf("error %q, want one of %q", err, want)
	}
}

func TestParseStrace(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       int
		err        string
	}{
		{"with errors", testdata(t, "strace.txt"), 1950, ""},
		{"without errors", "100.00    0.003002          28       106           total\n", 106, ""},
		{"empty", "", 0, "has no total"},
		{"no number", "100.00    0.0   28   many   total\n", 0, "no number of calls"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseStrace(tt.text)
			wantError(t, err, tt.err)
			if got != tt.want {
				t.Errorf("%d calls, want %d", got, tt.want)
			}
		})
	}
}

func TestParseApplied(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       applied
		err        string
	}{
		{
			"done", `{"operations":[{"args":"-A"}],"errors":[],"decode_ms":3.5,"read_ms":1.25,"write_ms":0.5}`,
			applied{DecodeMS: 3.5, ReadMS: 1.25, WriteMS: 0.5, Errors: []string{}},
			"",
		},
		{"refused", `{"errors":["it is full"],"read_ms":1}`, applied{ReadMS: 1, Errors: []string{"it is full"}}, "it is full"},
		{"another program", `{}`, applied{}, "how long reading took"},
		{"no JSON", `nothing to do`, applied{}, "gorb apply --json"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseApplied([]byte(tt.text))
			wantError(t, err, tt.err)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]string{
		"ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)": "1.31",
		"Keepalived v2.2.7 (01/16,2022)\n\nCopyright(C) 2001-2022":      "2.2.7",
		"something": "of unknown version",
	} {
		if got := parseVersion(text); got != want {
			t.Errorf("%q is version %s, want %s", text, got, want)
		}
	}
}

func TestParseShowDepends(t *testing.T) {
	want := []string{"/r/libcrc32c.ko", "/r/ip_vs.ko", "/r/ip_vs_wrr.ko"}
	got := parseShowDepends(`builtin crc32c
insmod /r/libcrc32c.ko 
insmod /r/ip_vs.ko 
insmod /r/libcrc32c.ko 
insmod /r/ip_vs.ko 
insmod /r/ip_vs_wrr.ko conn=1
`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestParseLdd(t *testing.T) {
	want := map[string]string{
		"libpopt.so.0":                "/lib/x86_64-linux-gnu/libpopt.so.0",
		"libc.so.6":                   "/lib/x86_64-linux-gnu/libc.so.6",
		"/lib64/ld-linux-x86-64.so.2": "/lib64/ld-linux-x86-64.so.2",
	}
	got, err := parseLdd(`	linux-vdso.so.1 (0x00007ffe36bf5000)
	libpopt.so.0 => /lib/x86_64-linux-gnu/libpopt.so.0 (0x00007f51d2a7d000)
	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f51d289c000)
	/lib64/ld-linux-x86-64.so.2 (0x00007f51d2ad2000)
`)
	wantError(t, err, "")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	_, err = parseLdd("\tlibnl-3.so.200 => not found\n")
	wantError(t, err, "libnl-3.so.200 => not found")
}
