package lab

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
)

var missing sync.Map // the programs of which it was said that they are

// Need returns the path of a program that a test calls: the machine's, or that which `make deps` fetched. Where there is
// none the test is skipped, loudly; with GORB_REQUIRE_KERNEL=1, for nginx GORB_REQUIRE_NGINX=1, it fails instead. A test
// that calls [Run] needs it before that: what is said inside is not seen.
func Need(t testing.TB, program string) string {
	t.Helper()
	path, require := find(program), envRequire
	if program == "nginx" {
		require = envRequireNginx
	}
	switch {
	case path != "":
		return path
	case os.Getenv(require) == "1":
		t.Fatalf("no %s, and %s=1 (make deps)", program, require)
	default:
		err := fmt.Errorf("there is no %s (make deps)", program)
		if _, said := missing.LoadOrStore(program, true); !said {
			warn(strings.ToUpper(program)+" TESTS SKIPPED", err)
		}
		t.Skip(err)
	}
	return ""
}
