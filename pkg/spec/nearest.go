package spec

import "strings"

// nearest returns the word that s was most likely meant to be: one that differs in case only, or in so few places
// that a slip of the fingers explains it. Of two as near, it is the first.
func nearest(s string, words []string) (string, bool) {
	best, distance := "", 0
	for _, w := range words {
		if strings.EqualFold(s, w) {
			return w, true
		}
		if len(s) > 2*len(w)+2 { // far apart, and perhaps megabytes long
			continue
		}
		d := edits(strings.ToLower(s), w)
		if d <= slips(w) && (best == "" || d < distance) {
			best, distance = w, d
		}
	}
	return best, best != ""
}

// slips is how many edits away a word is still recognised: one in three letters, but never all of them.
func slips(word string) int {
	return min(max(len(word)/3, 1), len(word)-1, 3)
}

// edits counts the insertions, deletions, replacements and swaps of neighbours that turn a into b (the optimal
// string alignment distance, by bytes).
func edits(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(row[j]+1, last[j+1]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
