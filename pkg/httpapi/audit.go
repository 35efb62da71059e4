package httpapi

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// AuditList is who changed what, the newest first.
type AuditList struct {
	Entries []AuditEntry `json:"entries"`
	Next    uint64       `json:"next,omitempty" doc:"What before takes for the entries that come after these; none: there are no more."`
}

// AuditEntry is one change, or one that was tried and refused.
type AuditEntry struct {
	ID     uint64          `json:"id"`
	At     time.Time       `json:"at"`
	Who    string          `json:"who" doc:"\"token ci\", \"user bob\", \"uid 0 (root)\"."`
	From   string          `json:"from" doc:"An address, or the socket and the process."`
	What   string          `json:"what" doc:"The request: \"PUT /service/web?ttl=1h\"."`
	Object string          `json:"object,omitempty" doc:"\"web\", \"web/a\"; none: no single one."`
	Body   json.RawMessage `json:"body,omitempty" doc:"What is written over the sources."`
	Reason string          `json:"reason,omitempty"`
	Status int             `json:"status" doc:"Of the answer."`
	Result string          `json:"result"`
}

type auditIn struct {
	Before uint64 `query:"before" doc:"Only entries before this one."`
	Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"How many at most."`
}

func (a *api) audit(_ context.Context, _ *caller, in *auditIn) (*reply[AuditList], error) {
	list := a.daemon.Audit(in.Before, in.Limit)
	out := AuditList{Entries: []AuditEntry{}}
	for _, e := range list {
		out.Entries = append(out.Entries, AuditEntry{e.ID, e.At, e.Who, e.From, e.What, e.Object, e.Body, e.Reason, e.Status, e.Result})
	}
	if n := len(list); n == in.Limit && list[n-1].ID > 1 {
		out.Next = list[n-1].ID
	}
	return ok(out), nil
}

// entry is what the audit says of a change that is done, by writing a body over what the sources say; nil: it has none.
func (a *api) entry(c *caller, at object, body []byte, reason string) *sources.Entry {
	result := "stored"
	if c.Method == http.MethodDelete {
		result = "cleared"
	}
	return &sources.Entry{
		At: time.Now(), Who: c.who.Name, From: c.who.From, What: c.Method + " " + c.URL.RequestURI(), Object: at.String(),
		Body: spec.HideSecrets(body), Reason: reason, Status: http.StatusOK, Result: result,
	}
}

// amend says in the audit what became of a change, unless that is what was to be expected when it was stored.
func (a *api) amend(entry uint64, status int, result, pending string) {
	if status != http.StatusOK {
		_ = a.daemon.Amend(entry, status, result+"; pending: "+pending) // the answer says it
	}
}

// keep has in the audit what changed something else than overrides, or was refused, f; once, and not what it has already.
// A dry run is not in it, as that changes nothing.
func (a *api) keep(c *caller, f *Failure) {
	if c.kept {
		return
	}
	c.kept = true
	query := c.URL.Query()
	if dry, _ := strconv.ParseBool(query.Get("dry_run")); dry {
		return
	}
	at := cmp.Or(c.at, object{c.PathValue("service"), c.PathValue("backend")})
	e := sources.Entry{
		At: time.Now(), Who: c.who.Name, From: c.who.From, What: c.Method + " " + c.URL.RequestURI(),
		Object: at.String(), Reason: cmp.Or(c.reason, query.Get("reason")), Status: http.StatusOK, Result: "done",
	}
	if f != nil {
		e.Status, e.Result = f.Code, f.Error()
	}
	// Also for a client that has gone.
	if _, err := a.daemon.Record(context.WithoutCancel(c.Context()), e); err != nil {
		a.logUnkept(c, &e, err)
	}
}

// maxUnkeptText is how long a text is at most in the line of what the audit could not take; it is as in the audit.
const maxUnkeptText = 1 << 10

// logUnkept has in the log what the audit could not take, as where the disk is full: who did what, and what came of it. Of
// the request it has the path alone.
func (a *api) logUnkept(c *caller, e *sources.Entry, why error) {
	if !a.unkept.may(time.Now()) {
		return
	}
	line := a.log.Error().Err(why).Str("who", e.Who).Str("from", e.From).
		Str("method", c.Method).Str("path", cutAt(c.URL.Path, maxUnkeptText))
	if e.Object != "" {
		line = line.Str("object", cutAt(e.Object, maxUnkeptText))
	}
	a.unkept.say(line.Int("status", e.Status).Str("result", cutAt(e.Result, maxUnkeptText)), "a change is not in the audit")
}
