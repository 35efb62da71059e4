package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/pflag"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/spec"
)

// tokenVerbs are what can be done with tokens.
var tokenVerbs = []string{"new"}

func tokenCommand() *command {
	return &command{
		name:    "token",
		args:    "new",
		summary: "make a token for the API",
		text: `Prints a new token, which is kept nowhere: whoever is to use the API gets it, and sends it as
'Authorization: Bearer TOKEN'. What the configuration of gorb needs to know it goes to
standard error, as TOML: a hash, of which nobody can make the token. Once there is a token,
all changes over TCP need one, from this host too. The socket needs none.

With --file the hash goes at the end of that file, one of those that [[api.tokens]] can
name in place of a hash. gorb reads it again when it changes: a line more is a token more,
and a line less takes one back, within a second and without a reload. The old token and
its successor can both be there for a while.

Roles: read sees everything, write may change services and backends too, and admin may do
all there is.`,
		examples: []string{
			"gorb token new --name ci --role write",
			"gorb token new --name ci 2>> /etc/gorb/gorb.toml > ci.token",
			"gorb token new --name ci --file /etc/gorb/ci.tokens",
			"gorb token new --json | jq -r .hash",
		},
		flags: func(p *program, fs *pflag.FlagSet) func(context.Context, []string) error {
			var t newToken
			fs.StringVar(&t.Name, "name", "", "who has it, as the audit says (default: by its hash)")
			fs.StringVar(&t.role, "role", string(spec.RoleWrite), "what it may do: read, write or admin")
			fs.StringVar(&t.File, "file", "", "put its hash at the end of this file of hashes")
			asJSON := fs.Bool("json", false, "print JSON")
			return func(_ context.Context, args []string) error {
				if len(args) != 1 || args[0] != "new" {
					return &usageError{"token", fmt.Errorf("token takes 'new', and got %q", strings.Join(args, " "))}
				}
				if err := t.make(); err != nil {
					return err
				}
				if *asJSON {
					return printJSON(p.stdout, t)
				}
				fmt.Fprintln(p.stdout, t.Token)
				_, err := fmt.Fprint(p.stderr, t.declaration())
				return err
			}
		},
	}
}

// newToken is a token that was just made, and its JSON.
type newToken struct {
	Name  string    `json:"name"`
	Role  spec.Role `json:"role"`
	Token string    `json:"token"`
	Hash  string    `json:"hash"`
	File  string    `json:"file,omitempty"` // that has the hash now

	role string
}

// make makes it, and puts its hash into the file if there is to be one.
func (t *newToken) make() error {
	t.Role = spec.Role(t.role)
	if !slices.Contains([]spec.Role{spec.RoleRead, spec.RoleWrite, spec.RoleAdmin}, t.Role) {
		return &usageError{"token", fmt.Errorf("--role: %q is none of read, write and admin", t.role)}
	}
	const longest = 256
	if unprintable := func(r rune) bool { return !unicode.IsPrint(r) }; strings.TrimSpace(t.Name) != t.Name ||
		len(t.Name) > longest || strings.ContainsFunc(t.Name, unprintable) {
		return &usageError{"token", fmt.Errorf("--name: %q: a name is at most %d bytes, on one line and without space around it", t.Name, longest)}
	}
	t.Token, t.Hash = httpapi.NewToken()
	if t.Name == "" {
		_, digits, _ := strings.Cut(t.Hash, ":")
		t.Name = "token-" + digits[:8]
	}
	if t.File == "" {
		return nil
	}
	var err error
	if t.File, err = filepath.Abs(t.File); err != nil {
		return err
	}
	return t.add()
}

// add puts the hash at the end of the file, which is made where it is missing, for nobody else to read. It goes there in one
// write, so that gorb never reads half of it.
func (t *newToken) add() error {
	old, err := os.ReadFile(t.File)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	line := t.Hash + " # " + t.Name + "\n"
	if len(old) > 0 && !bytes.HasSuffix(old, []byte("\n")) {
		line = "\n" + line
	}
	f, err := os.OpenFile(t.File, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	return errors.Join(err, f.Close())
}

// declaration is what the configuration needs. What is said beside it are comments, so that it can go into a file as it is.
func (t *newToken) declaration() string {
	head := "# The token is shown this once. gorb's configuration needs this to know it:\n"
	what := "hash = " + strconv.Quote(t.Hash)
	if t.File != "" {
		head = "# The token is shown this once; its hash is in the file. gorb's configuration needs this, once:\n"
		what = "file = " + strconv.Quote(t.File)
	}
	return fmt.Sprintf("\n%s[[api.tokens]]\nname = %s\nrole = %q\n%s\n", head, strconv.Quote(t.Name), t.Role, what)
}
