package main

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/gorb-io/gorb/pkg/spec"
)

func schemaCommand() *command {
	return &command{
		name:    "schema",
		summary: "print the JSON Schema of the configuration",
		text: `Prints the schema (draft 2020-12) that gorb.toml and the JSON and YAML forms follow: every
key with what it is for, its type, range and default. Editors complete and check by it:

  gorb.toml   #:schema ./gorb.schema.json      (a comment at the top, for taplo)
  gorb.json   {"$schema": "./gorb.schema.json", "services": {}}
  gorb.yaml   # yaml-language-server: $schema=./gorb.schema.json

What gorb accepts the schema accepts. gorb check says more: what is in strings, such as the
range of a duration, and what does not go together.`,
		examples: []string{"gorb schema > gorb.schema.json"},
		flags: func(p *program, _ *pflag.FlagSet) func(context.Context, []string) error {
			return func(_ context.Context, args []string) error {
				if err := noArgs("schema", args); err != nil {
					return err
				}
				_, err := p.stdout.Write(spec.JSONSchema())
				return err
			}
		},
	}
}
