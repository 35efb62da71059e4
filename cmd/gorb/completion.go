package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

func completionCommand() *command {
	return &command{
		name:    "completion",
		args:    "bash|zsh|fish",
		summary: "print a script that completes gorb's commands and flags in a shell",
		text: `For bash, put the script where bash-completion looks; for zsh, in a directory of
$fpath under the name _gorb; for fish, in ~/.config/fish/completions/gorb.fish.`,
		examples: []string{
			"gorb completion bash > /etc/bash_completion.d/gorb",
			"gorb completion fish > ~/.config/fish/completions/gorb.fish",
		},
		flags: func(p *program, _ *pflag.FlagSet) func(context.Context, []string) error {
			return func(_ context.Context, args []string) error {
				shells := map[string]func() string{
					"bash": p.completeBash, "zsh": p.completeZsh, "fish": p.completeFish,
				}
				if len(args) != 1 || shells[args[0]] == nil {
					return &usageError{err: fmt.Errorf("completion is for bash, zsh or fish, and got %q",
						strings.Join(args, " "))}
				}
				_, err := fmt.Fprint(p.stdout, shells[args[0]]())
				return err
			}
		},
	}
}

// verbsOf are the words of which one follows the name of a command; nil: it has none.
func verbsOf(c *command) []string {
	switch c.name {
	case "override":
		return overrideVerbs
	case "token":
		return tokenVerbs
	}
	return nil
}

// eachFlag calls do with each flag of a command.
func (p *program) eachFlag(c *command, do func(*pflag.Flag)) {
	fs, _ := p.flagSet(c)
	fs.VisitAll(do)
}

func (p *program) completeBash() string {
	var b strings.Builder
	b.WriteString("# bash completion for gorb\n_gorb() {\n  local word=${COMP_WORDS[COMP_CWORD]} flags=\n")
	fmt.Fprintf(&b, "  if ((COMP_CWORD == 1)); then\n    COMPREPLY=($(compgen -W '%s' -- \"$word\"))\n    return\n  fi\n",
		strings.Join(commandNames(), " "))
	b.WriteString("  case ${COMP_WORDS[1]} in\n")
	for _, c := range commands() {
		var flags []string
		p.eachFlag(c, func(f *pflag.Flag) { flags = append(flags, "--"+f.Name) })
		switch c.name {
		case "completion":
			flags = []string{"bash", "zsh", "fish"}
		case "help":
			flags = commandNames()
		default:
			flags = append(slices.Clone(verbsOf(c)), flags...)
		}
		fmt.Fprintf(&b, "    %s) flags='%s' ;;\n", c.name, strings.Join(flags, " "))
	}
	b.WriteString(`  esac
  COMPREPLY=($(compgen -W "$flags" -- "$word"))
  if [[ $word != -* ]]; then COMPREPLY+=($(compgen -f -- "$word")); fi
}
complete -o filenames -F _gorb gorb
`)
	return b.String()
}

func (p *program) completeZsh() string {
	var b strings.Builder
	b.WriteString("#compdef gorb\n_gorb() {\n  local -a commands=(\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "    '%s:%s'\n", c.name, quote(c.summary))
	}
	b.WriteString("  )\n  if ((CURRENT == 2)); then\n    _describe command commands\n    return\n  fi\n  case $words[2] in\n")
	for _, c := range commands() {
		switch c.name {
		case "completion":
			b.WriteString("    completion) _values shell bash zsh fish ;;\n")
			continue
		case "help":
			b.WriteString("    help) _describe command commands ;;\n")
			continue
		}
		fmt.Fprintf(&b, "    %s) _arguments", c.name)
		p.eachFlag(c, func(f *pflag.Flag) {
			value := ""
			if f.NoOptDefVal == "" {
				value = ":value:_files"
			}
			fmt.Fprintf(&b, " \\\n      '--%s[%s]%s'", f.Name, quote(strings.NewReplacer("[", "(", "]", ")").Replace(f.Usage)), value)
		})
		if verbs := verbsOf(c); verbs != nil {
			fmt.Fprintf(&b, " \\\n      '2:what:(%s)'", strings.Join(verbs, " "))
		}
		b.WriteString(" \\\n      '*:file:_files' ;;\n")
	}
	b.WriteString("  esac\n}\n_gorb \"$@\"\n")
	return b.String()
}

func (p *program) completeFish() string {
	var b strings.Builder
	b.WriteString("# fish completion for gorb\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "complete -c gorb -f -n __fish_use_subcommand -a %s -d '%s'\n", c.name, quote(c.summary))
		p.eachFlag(c, func(f *pflag.Flag) {
			short := ""
			if f.Shorthand != "" {
				short = " -s " + f.Shorthand
			}
			value := " -f"
			if f.NoOptDefVal == "" {
				value = " -r"
			}
			fmt.Fprintf(&b, "complete -c gorb -n '__fish_seen_subcommand_from %s' -l %s%s%s -d '%s'\n",
				c.name, f.Name, short, value, quote(f.Usage))
		})
	}
	b.WriteString("complete -c gorb -f -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'\n")
	for _, c := range commands() {
		if verbs := verbsOf(c); verbs != nil {
			fmt.Fprintf(&b, "complete -c gorb -f -n '__fish_seen_subcommand_from %s' -a '%s'\n", c.name, strings.Join(verbs, " "))
		}
	}
	fmt.Fprintf(&b, "complete -c gorb -f -n '__fish_seen_subcommand_from help' -a '%s'\n", strings.Join(commandNames(), " "))
	b.WriteString("complete -c gorb -F -n '__fish_seen_subcommand_from run check plan apply probe'\n")
	return b.String()
}

// quote makes a text fit between single quotes in a shell.
func quote(s string) string { return strings.ReplaceAll(s, "'", "’") }
