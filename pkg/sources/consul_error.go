package sources

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/gorb-io/gorb/pkg/spec"
)

// plain says in the operator's words what the client's error means. It has no address in it that changes from one
// attempt to the next, so that the same failure twice reads the same.
func plain(err error) error {
	if e, ok := errors.AsType[api.StatusError](err); ok {
		text := printable(e.Body)
		if text == "" {
			text = http.StatusText(e.Code)
		}
		return fmt.Errorf("Consul answered %d: %s", e.Code, text)
	}
	if errors.Is(err, errTooMuch) {
		return fmt.Errorf("the values are over %d MiB, or the keys too many", spec.MaxRemoteSize>>20)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		if e.Op == "dial" && e.Addr != nil {
			return fmt.Errorf("connect to %v: %w", e.Addr, e.Err)
		}
		return fmt.Errorf("%s: %w", e.Op, e.Err)
	}
	_, syntax := errors.AsType[*json.SyntaxError](err)
	_, kind := errors.AsType[*json.UnmarshalTypeError](err)
	_, coding := errors.AsType[base64.CorruptInputError](err)
	if syntax || kind || coding {
		return fmt.Errorf("the answer is not Consul's: %w", err)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return errors.New("the connection ended within the answer")
	}
	return err
}

// printable is a text on one line, fit for a message.
func printable(s string) string {
	const most = 200
	s = strconv.Quote(strings.ToValidUTF8(strings.Join(strings.Fields(s), " "), "?"))
	s = strings.ReplaceAll(s[1:len(s)-1], `\"`, `"`)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
