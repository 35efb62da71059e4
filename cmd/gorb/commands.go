package main

import (
	"fmt"
	"slices"
)

// commands returns the commands in the order in which help lists them.
func commands() []*command {
	return []*command{
		runCommand(), checkCommand(), planCommand(), applyCommand(), statusCommand(), probeCommand(), explainCommand(),
		overrideCommand(), reloadCommand(), acceptCommand(), reorderCommand(), exportCommand(), schemaCommand(), tokenCommand(),
		completionCommand(), versionCommand(), helpCommand(),
	}
}

// find returns the command of a name, or nil.
func find(name string) *command {
	for _, c := range commands() {
		if c.name == name {
			return c
		}
	}
	return nil
}

func commandNames() []string {
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	return names
}

// unknown is the error for a word that is none of those known, with the one that it was perhaps to be.
func unknown(what, word string, known []string) error {
	best, distance := "", 3
	for _, k := range known {
		if d := editDistance(word, k); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return fmt.Errorf("there is no %s %q; did you mean %q?", what, word, best)
	}
	return fmt.Errorf("there is no %s %q", what, word)
}

// editDistance is the number of letters to insert, delete or replace to make b of a (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], slices.Min([]int{row[j+1] + 1, row[j] + 1, diagonal + cost})
		}
	}
	return row[len(b)]
}
