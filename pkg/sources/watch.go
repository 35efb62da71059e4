package sources

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"
)

// A watcher says that something happened in one of the directories that decide what a path leads to. It says no more,
// because sequences of events cannot be trusted: whoever hears it looks again. Its methods belong to one goroutine.
type watcher struct {
	log     zerolog.Logger
	notify  *fsnotify.Watcher      // nil: there is none to be had
	dirs    map[string]fs.FileInfo // what is watched, and which directory that was
	said    bool                   // that something cannot be watched
	changed chan struct{}          // of capacity one: many events are one
	drained sync.WaitGroup
}

// newWatcher starts a watcher on what open gives, which is fsnotify.NewWatcher but for tests. Where the system has none
// to give, such as at the limit of inotify instances, that is logged, and the watcher never says anything.
func newWatcher(log zerolog.Logger, open func() (*fsnotify.Watcher, error)) *watcher {
	w := &watcher{log: log, dirs: make(map[string]fs.FileInfo), changed: make(chan struct{}, 1)}
	notify, err := open()
	if err != nil {
		w.say(err)
		return w
	}
	w.notify = notify
	w.drained.Go(w.drain)
	return w
}

// drain turns events into "changed". It is a goroutine of its own because fsnotify sends while it holds the lock that
// Add and Remove want.
func (w *watcher) drain() {
	events, errs := w.notify.Events, w.notify.Errors
	for events != nil || errs != nil {
		select {
		case _, ok := <-events:
			if !ok {
				events = nil
			}
		case _, ok := <-errs: // an overflow: events are lost, so look
			if !ok {
				errs = nil
			}
		}
		select {
		case w.changed <- struct{}{}:
		default:
		}
	}
}

// close ends the watching and waits for its goroutines.
func (w *watcher) close() {
	if w.notify == nil {
		return
	}
	_ = w.notify.Close()
	w.drained.Wait()
}

// follow makes the watched directories those that decide now what is read.
func (w *watcher) follow(deciding func() []string) {
	if w.notify == nil {
		return
	}
	// What was swapped before its directory was watched was not heard, so look once more after adding one. Whoever
	// swaps faster than this is caught by the next event or poll.
	for range 3 {
		if !w.watch(deciding()) {
			return
		}
	}
}

// watch makes the watched directories these, and says whether one was added.
func (w *watcher) watch(dirs []string) (added bool) {
	// The kernel drops a watch whose directory goes, and fsnotify knows; that another directory has come to be at the
	// same path, only a look tells.
	live := w.notify.WatchList()
	for dir, was := range w.dirs {
		is, err := os.Stat(dir)
		if err == nil && os.SameFile(was, is) && slices.Contains(live, dir) && slices.Contains(dirs, dir) {
			continue
		}
		delete(w.dirs, dir)
		_ = w.notify.Remove(dir) // what is gone already is as good as removed
	}
	for _, dir := range dirs {
		if w.dirs[dir] != nil {
			continue
		}
		info, err := os.Stat(dir)
		if err == nil {
			err = w.notify.Add(dir)
		}
		switch {
		case err == nil:
			w.dirs[dir], added = info, true
		case !errors.Is(err, fs.ErrNotExist): // gone since: the next look finds what is there instead
			w.say(err)
		}
	}
	return added
}

// say says once that something cannot be watched.
func (w *watcher) say(err error) {
	if w.said {
		return
	}
	w.said = true
	w.log.Warn().Err(err).Msg("changes cannot be watched, only polled for")
}

// deciding lists the directories in which a change can change where path leads: those of every symbolic link on the
// way, the one that holds the file, and where something is missing, the one in which it would appear. The path is
// absolute.
func deciding(path string) []string {
	const most = 255 // components and links: where the kernel gives up long before
	root := string(filepath.Separator)
	var dirs []string
	dir, rest := root, strings.Split(path, root)
	for n := 0; n < most && len(rest) > 0; n++ {
		name := rest[0]
		rest = rest[1:]
		next := filepath.Join(dir, name) // dir is free of links, so ".." means what it says
		if name == "" || name == "." || name == ".." {
			dir = next
			continue
		}
		info, err := os.Lstat(next)
		if err != nil {
			break
		}
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			dirs = append(dirs, dir)
			target, err := os.Readlink(next)
			if err != nil {
				return unique(dirs)
			}
			if filepath.IsAbs(target) {
				dir = root
			}
			rest = append(strings.Split(target, root), rest...)
		case info.IsDir() && len(rest) > 0:
			dir = next
		default:
			rest = nil
		}
	}
	return unique(append(dirs, dir))
}

// unique is dirs in order, each once.
func unique(dirs []string) []string {
	slices.Sort(dirs)
	return slices.Compact(dirs)
}
