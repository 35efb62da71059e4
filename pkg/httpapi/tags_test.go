package httpapi

import (
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"testing"
)

// TestTagsTellNoSecrets has somebody who guesses a secret of a check, and knows all else that is shown: the tag does not tell
// him when he is right.
func TestTagsTellNoSecrets(t *testing.T) {
	f := over(t, web+"[services.web.backends.s]\nhost = \"10.1.0.2\"\nport = 80\n"+
		"pulse = { type = \"http\", args = { headers = { Authorization = \"pin 0042\" } } }\n")
	tag := exchange(routes(f), "GET", "/service/web/s", "").Header().Get("ETag")
	s := f.Desired().Service("web")
	h := fnv.New128a()
	h.Write(s.BackendOptionsJSON(s.Backend("s")))
	if guess := fmt.Sprintf("%q", hex.EncodeToString(h.Sum(nil))); guess == tag {
		t.Error("the tag is made of the secret, and of nothing else that is not known")
	}
}
