package examples_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/spec"
)

// noDaemon is who is not asked for more than what it is.
type noDaemon struct{ httpapi.Daemon }

func (noDaemon) Version() string { return "test" }

// TestRoutesDocumented: the table of routes in docs/api.md has those that GET /openapi.json has, and no others.
func TestRoutesDocumented(t *testing.T) {
	access := httpapi.NewAccess(zerolog.Nop(), time.Now)
	if err := access.Use(spec.API{Anonymous: true}); err != nil {
		t.Fatal(err)
	}
	nothing := http.NotFoundHandler()
	api := httpapi.New(noDaemon{}, httpapi.Options{
		Access: access, Log: zerolog.Nop(),
		Events: nothing, Metrics: nothing, Live: nothing, Ready: nothing,
	})
	server := httptest.NewServer(api)
	defer server.Close()
	answer, err := http.Get(server.URL + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.NewDecoder(answer.Body).Decode(&document); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v", answer.Status, err)
	}
	var there []string
	for path, item := range document.Paths {
		for method := range item {
			there = append(there, strings.ToUpper(method)+" "+path)
		}
	}

	text, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Routes\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var told []string
	for line := range strings.Lines(section) {
		if row := strings.Split(line, " | "); strings.HasPrefix(line, "| `") {
			for _, route := range regexp.MustCompile("`([A-Z]+ /[^`]*)`").FindAllStringSubmatch(row[0], -1) {
				told = append(told, route[1])
			}
		}
	}
	slices.Sort(there)
	slices.Sort(told)
	if diff := cmp.Diff(there, told); diff != "" {
		t.Errorf("docs/api.md (-there are +it tells of):\n%s", diff)
	}
}
