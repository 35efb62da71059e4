package httpapi

import (
	"testing"

	"github.com/gorb-io/gorb/pkg/sources"
)

// slowTrial has something happen once after a trial, before what was decided by it is written.
type slowTrial struct {
	*fakeDaemon
	then func()
}

func (s *slowTrial) TryWrites(w ...sources.Write) (*sources.Tried, error) {
	tried, err := s.fakeDaemon.TryWrites(w...)
	if then := s.then; then != nil {
		s.then = nil
		then()
	}
	return tried, err
}

// TestPatchMakesNoSecondBackend has somebody make a backend that a patch of the service was about to make: his is patched, and
// not replaced by one that was made for nothing being there.
func TestPatchMakesNoSecondBackend(t *testing.T) {
	f := over(t, web)
	s := &slowTrial{fakeDaemon: f}
	h := routes(s)
	s.then = func() {
		if w := exchange(h, "PUT", "/service/web/n", `{"host":"10.1.0.9","port":99,"weight":3,"pulse":{"type":"none"}}`); w.Code != 200 {
			t.Errorf("the other: %d %s", w.Code, w.Body)
		}
	}
	exchange(h, "PATCH", "/service/web", `{"backends":{"n":{"host":"10.1.0.8","port":88}}}`)
	if n := f.Desired().Service("web").Backend("n"); n.Weight != 3 || n.Port != 88 {
		t.Errorf("%+v: %s", n, stored(f))
	}
}
