package httpapi

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

// TestTagsTellNoSecrets has somebody who guesses a secret of a check, and knows all else that is shown, and how tags are made:
// the tag does not tell him when he is right.
func TestTagsTellNoSecrets(t *testing.T) {
	f := over(t, web+"[services.web.backends.s]\nhost = \"10.1.0.2\"\nport = 80\n"+
		"pulse = { type = \"http\", args = { headers = { Authorization = \"pin 0042\" } } }\n")
	h, s := routes(f), f.Desired().Service("web")
	backend, service := string(s.BackendOptionsJSON(s.Backend("s"))), string(s.OptionsJSON())
	for i := range s.Backends {
		service += "\n" + s.Backends[i].Name + "\n" + string(s.BackendOptionsJSON(&s.Backends[i]))
	}
	for target, text := range map[string]string{"/service/web/s": backend, "/service/web": service} {
		tag := exchange(h, "GET", target, "").Header().Get("ETag")
		guess := sha256.Sum256([]byte(text))
		size := hex.DecodedLen(len(tag) - len(`""`))
		if size < 16 || tag == `"`+hex.EncodeToString(guess[:size])+`"` {
			t.Errorf("%s: the tag %s is made of the secret, and of nothing else that is not known", target, tag)
		}
	}
}
