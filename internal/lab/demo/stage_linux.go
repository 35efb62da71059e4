package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gorb-io/gorb/internal/lab"
)

// patience is how long something may take before the demo has failed.
const patience = 30 * time.Second

// A stage is where the demo plays: what it says and does there is printed.
type stage struct {
	net  *lab.Net
	gorb string // the program

	daemon *exec.Cmd
	logged sync.WaitGroup
	consul *exec.Cmd // nil: it does not run
	since  time.Time // the last thing that should have an effect

	mu   sync.Mutex // guards standard output and what follows
	last kind       // what was printed last
	said string     // what gorb has logged since it was started, or awaitSaid found something
}

// kind is what a line is, for the blank lines between.
type kind string

const (
	heading kind = "heading"
	speech  kind = "speech"
	command kind = "command"
	output  kind = "output"
	daemon  kind = "daemon"
)

// print prints whole lines, with a blank one before what begins something new.
func (s *stage) print(k kind, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last != "" && k != s.last && !(s.last == command && k != speech) {
		fmt.Println()
	}
	s.last = k
	if text = strings.TrimRight(text, "\n"); text != "" {
		fmt.Println(text)
	}
}

// say tells the audience something.
func (s *stage) say(format string, args ...any) { s.print(speech, "-- "+fmt.Sprintf(format, args...)) }

// act tells the audience that something new begins.
func (s *stage) act(title string) {
	rule := strings.Repeat("-", len(title))
	s.print(heading, fmt.Sprintf("%s\n%s\n%s", rule, title, rule))
}

// typed prints a command as one would type it where it is run.
func (s *stage) typed(ns, line string) {
	s.print(command, fmt.Sprintf("%s# %s", ns, strings.ReplaceAll(line, s.gorb, "gorb")))
}

// show types a command, runs it in a namespace and prints what it prints.
func (s *stage) show(ns, line string) error {
	s.typed(ns, line)
	s.since = time.Now()
	out, err := lab.Try(ns, "sh", "-c", line)
	if err != nil {
		return err
	}
	s.print(output, out)
	return nil
}

// showFile prints a file.
func (s *stage) showFile(name string) error { return s.show(s.net.Director, "cat "+name) }

// editFile changes a file as an editor does, which writes a new one and renames it, and shows the difference.
func (s *stage) editFile(name string, change func(string) string) error {
	before, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	after := change(string(before))
	if after == string(before) {
		return fmt.Errorf("%s: there was nothing to edit", name)
	}
	fresh := name + ".new"
	if err := os.WriteFile(fresh, []byte(after), 0o644); err != nil {
		return err
	}
	diff, err := exec.Command("diff", "-U0", name, fresh).Output()
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		return fmt.Errorf("diff: %w", err)
	}
	s.typed(s.net.Director, "vi "+name)
	for i, line := range strings.Split(string(diff), "\n") {
		if i > 2 && !strings.HasPrefix(line, "@@") { // the lines before name the files
			s.print(output, "  "+line)
		}
	}
	s.since = time.Now()
	return os.Rename(fresh, name)
}

// run starts gorb as a daemon, and prints its log as it comes.
func (s *stage) run(files ...string) error {
	log, w, err := os.Pipe()
	if err != nil {
		return err
	}
	args := append([]string{"run", "--log-format", "console"}, files...)
	s.daemon = exec.Command(s.gorb, args...)
	s.daemon.Stderr = w
	s.daemon.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s.typed(s.net.Director, "gorb run "+strings.Join(files, " ")+" &")
	s.since = time.Now()
	err = errors.Join(lab.Do(s.net.Director, s.daemon.Start), w.Close())
	if err != nil {
		return errors.Join(err, log.Close())
	}
	s.logged.Go(func() { s.printLog(log) })
	return nil
}

// printLog prints what gorb logs.
func (s *stage) printLog(log io.ReadCloser) {
	defer log.Close()
	for lines := bufio.NewScanner(log); lines.Scan(); {
		s.print(daemon, "gorb: "+lines.Text())
		s.mu.Lock()
		s.said += lines.Text() + "\n"
		s.mu.Unlock()
	}
}

// awaitSaid waits until gorb has logged a text, and forgets what it logged until then.
func (s *stage) awaitSaid(text string) error {
	err := s.poll(func() (bool, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		_, after, ok := strings.Cut(s.said, text)
		if ok {
			s.said = after
		}
		return ok, nil
	})
	if err != nil {
		return fmt.Errorf("gorb is to say %q: %w", text, err)
	}
	return nil
}

// stop ends gorb, and fails if it does not end well.
func (s *stage) stop(sig syscall.Signal) error {
	s.typed(s.net.Director, "kill %1")
	if err := s.daemon.Process.Signal(sig); err != nil {
		return err
	}
	s.logged.Wait()
	err := s.daemon.Wait()
	s.daemon = nil
	if err != nil {
		return fmt.Errorf("gorb run: %w", err)
	}
	return nil
}

// drop ends gorb and Consul, whatever they do.
func (s *stage) drop() {
	if s.daemon != nil && s.daemon.Process != nil {
		_ = s.daemon.Process.Kill()
		s.logged.Wait()
		_ = s.daemon.Wait()
	}
	s.killConsul()
}

// await waits until the table is what ipvsadm -Sn is to print of it, and says how long that took.
func (s *stage) await(what, table string) error {
	last := ""
	err := s.poll(func() (bool, error) {
		out, err := lab.Try(s.net.Director, "ipvsadm", "-Sn")
		last = out
		return out == table, err
	})
	if err != nil {
		return fmt.Errorf("%s: %w\nipvsadm -Sn should be\n%sand is\n%s", what, err, table, last)
	}
	s.say("After %d ms %s.", time.Since(s.since).Milliseconds(), what)
	return nil
}

// awaitConnections waits until the backends have so many connections.
func (s *stage) awaitConnections(n int) error {
	return s.poll(func() (bool, error) {
		out, err := lab.Try(s.net.Director, "ipvsadm", "-Lnc")
		return strings.Count(out, "ESTABLISHED") >= n, err
	})
}

// poll waits until something is so, but not for ever.
func (s *stage) poll(is func() (bool, error)) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		switch ok, err := is(); {
		case err != nil:
			return err
		case ok:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("that did not happen within %s", patience)
		}
	}
}

// requests asks for the page n times and fails unless each is answered, by one of the servers named, and each of these
// has a part.
func (s *stage) requests(n int, servers string) error {
	line := fmt.Sprintf("curl -sS 'http://10.0.0.1/?[1-%d]'", n) // a connection each, as the servers close it
	s.typed(s.net.Client, line)
	out, err := lab.Try(s.net.Client, "sh", "-c", line+" --fail --max-time 10")
	if err != nil {
		return err
	}
	answers := strings.Fields(out)
	s.print(output, strings.Join(answers, " "))
	parts := map[string]int{}
	for _, name := range answers {
		parts[name]++
	}
	names := slices.Sorted(maps.Keys(parts))
	counts := make([]string, len(names))
	for i, name := range names {
		counts[i] = fmt.Sprintf("%s %d", name, parts[name])
	}
	s.say("%d of %d requests answered: %s.", len(answers), n, strings.Join(counts, ", "))
	if len(answers) != n || strings.Join(names, " ") != servers {
		return fmt.Errorf("%s should have answered %d", servers, n)
	}
	return nil
}

// download starts n slow downloads at once; the results come as they end.
func (s *stage) download(n int) <-chan result {
	s.typed(s.net.Client, fmt.Sprintf("for i in $(seq %d); do curl -sS -o file$i http://10.0.0.1/download & done", n))
	results := make(chan result, n)
	for i := range n {
		file := filepath.Join(os.TempDir(), fmt.Sprintf("download%d", i))
		go func() {
			_, err := lab.Try(s.net.Client, "curl", "-sS", "--fail", "--max-time", "30", "-o", file, "http://10.0.0.1/download")
			results <- result{file, err}
		}()
	}
	return results
}

// result is what became of a download.
type result struct {
	file string
	err  error
}

// downloaded says what became of a download, and fails unless it is whole.
func (s *stage) downloaded(r result) error {
	if r.err != nil {
		return r.err
	}
	defer os.Remove(r.file)
	data, err := os.ReadFile(r.file)
	if err != nil {
		return err
	}
	name := string(data[:min(1, len(data))])
	s.say("The download from %s has ended: %d of %d bytes.", name, len(data), downloadSize)
	if len(data) != downloadSize {
		return errors.New("it should have been whole")
	}
	return nil
}
