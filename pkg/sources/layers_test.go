package sources

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// rig is Layers in a bubble, whose files are played by the test.
type rig struct {
	t        *testing.T
	layers   *Layers
	files    []*File
	readings chan Reading
	out      chan *spec.Desired
	log      bytes.Buffer // to be read when the bubble is idle
	finish   error        // what finish answers
}

// inBubble runs a test with a rig whose layers begin with documents, "" being a file that is missing.
func inBubble(t *testing.T, first []string, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, readings: make(chan Reading), out: make(chan *spec.Desired)}
		for i, text := range first {
			var doc *spec.Document
			if text != "" {
				doc = document(t, text)
			}
			r.files = append(r.files, NewFile(fmt.Sprintf("f%d.toml", i), i, "", zerolog.Nop(), doc))
		}
		r.layers = NewLayers(zerolog.New(&r.log), Tops(r.files...), func(d *spec.Desired) (*spec.Desired, error) {
			return d, r.finish
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go r.layers.loop(ctx, r.readings, r.out)
		test(r)
	})
}

// say has a layer give a reading.
func (r *rig) say(reading Reading, text string) {
	r.t.Helper()
	if reading.Err == nil {
		reading.Document = document(r.t, text)
	}
	r.readings <- reading
	synctest.Wait()
}

// want takes what is handed over once documents were gathered; "-" is nothing. What is said next is judged at once.
func (r *rig) want(services string) {
	r.t.Helper()
	time.Sleep(between)
	synctest.Wait()
	got := "-"
	select {
	case d := <-r.out:
		got = serviceNames(d)
		synctest.Wait()
	default:
	}
	equal(r.t, "handed over", services, got)
	time.Sleep(between)
	synctest.Wait()
}

// asked says whether a layer was told to read, and takes the order.
func (r *rig) asked(c chan struct{}) bool {
	synctest.Wait()
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// lines wants a number of log lines that hold a text.
func (r *rig) lines(n int, part string) {
	r.t.Helper()
	synctest.Wait()
	if got := strings.Count(r.log.String(), part); got != n {
		r.t.Fatalf("%d times %q in the log, want %d:\n%s", got, part, n, r.log.String())
	}
}

func TestLayersHandOverWhatIsNew(t *testing.T) {
	inBubble(t, []string{config(1), config(2)}, func(r *rig) {
		r.want("s1 s2")
		r.want("-")
		r.say(Reading{Layer: 0}, config(1)) // the first look of a File
		r.say(Reading{Layer: 1}, "# a comment is nothing new\n"+config(2))
		r.want("-")
		r.say(Reading{Layer: 1}, config(2, 3))
		r.want("s1 s2 s3")
		r.lines(2, "configuration read")
	})
}

func TestLayersSeeEveryPart(t *testing.T) {
	for name, more := range map[string]string{
		"gorb": "[gorb]\nresync = \"1m\"\n",
		"ipvs": "[ipvs.sysctl]\nconntrack = true\n",
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, []string{config(1)}, func(r *rig) {
				r.want("s1")
				r.say(Reading{}, config(1)+more)
				r.want("s1")
			})
		})
	}
}

func TestLayersWaitForEveryFile(t *testing.T) {
	inBubble(t, []string{config(1), ""}, func(r *rig) {
		r.want("-")
		r.say(Reading{Layer: 0}, config(1, 2))
		r.say(Reading{Layer: 1, Err: errors.New("torn")}, "")
		r.lines(1, "there is no good content of it yet")
		r.want("-")
		r.say(Reading{Layer: 1}, config(3))
		r.want("s1 s2 s3")
	})
}

func TestLayersReplaceWhatNobodyTook(t *testing.T) {
	inBubble(t, []string{config(1)}, func(r *rig) {
		for n := 2; n < 100; n++ {
			r.say(Reading{}, config(1, n))
		}
		r.want("s1 s99")
		r.want("-")
	})
}

func TestLayersKeepTheLastGood(t *testing.T) {
	inBubble(t, []string{config(1), config(2)}, func(r *rig) {
		r.want("s1 s2")
		r.say(Reading{Layer: 0, Err: errors.New("torn")}, "")
		r.say(Reading{Layer: 0, Err: errors.New("torn"), Same: true, Again: true}, "")
		r.lines(1, "file refused, its last good content stays in force")
		r.say(Reading{Layer: 1}, config(2, 3)) // goes on meanwhile
		r.want("s1 s2 s3")
		r.say(Reading{Layer: 0, Err: errors.New("torn"), Same: true, Asked: true}, "")
		r.lines(2, "file refused") // somebody asked
		r.lines(0, "file is good again")
		r.say(Reading{Layer: 0}, config(1))
		r.lines(1, "file is good again")
		r.want("-")
	})
}

func TestLayersKeepTheLastGoodWhole(t *testing.T) {
	const half = "[services.x]\nhost = \"10.0.0.9\"\n" // a port must come from somewhere
	inBubble(t, []string{config(1), config(2)}, func(r *rig) {
		r.want("s1 s2")
		r.say(Reading{Layer: 0}, config(1)+half)
		r.say(Reading{Layer: 1}, config(2)+"# still\n")
		r.want("-")
		if r.lines(1, `"problems":["test.toml`); !strings.Contains(r.log.String(), "services.x") {
			t.Errorf("does not name what is missing:\n%s", r.log.String())
		}
		r.say(Reading{Layer: 1}, config(2)+"[services.x]\nport = 80\n")
		r.lines(1, "configuration is good again")
		r.want("s1 s2 x")
	})
}

func TestLayersTreatFinishLikeADocument(t *testing.T) {
	inBubble(t, []string{config(1)}, func(r *rig) {
		r.want("s1")
		r.finish = errors.New("eth0 has no address")
		r.say(Reading{}, config(1, 2))
		r.say(Reading{}, config(1, 2, 3))
		r.want("-")
		r.lines(1, "eth0 has no address")
		r.finish = nil
		r.say(Reading{Same: true, Asked: true}, config(1, 2, 3)) // a SIGHUP tries again
		r.want("s1 s2 s3")
	})
}

// What an earlier run left and the first configuration leaves out goes, once the file has said so again.
func TestLayersConfirmWhatLeftBeforeTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, err := spec.Merge(document(t, config(1)))
		must(t, err)
		file := NewFile("f0.toml", 0, "", zerolog.Nop(), document(t, config(2)))
		r := &rig{t: t, files: []*File{file}, readings: make(chan Reading), out: make(chan *spec.Desired)}
		r.layers = NewLayers(zerolog.New(&r.log), Tops(file), nil)
		r.layers.Before = before
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go r.layers.loop(ctx, r.readings, r.out)
		r.say(Reading{Layer: 0}, config(2)) // the first look of a File
		r.want("-")
		time.Sleep(2 * r.layers.Wait)
		equal(t, "asked again", true, r.asked(file.again))
		r.say(Reading{Layer: 0, Again: true, Same: true}, config(2))
		r.want("s2")
	})
}

func TestReloadIsOneChange(t *testing.T) {
	inBubble(t, []string{config(1, 2), config(3)}, func(r *rig) {
		r.want("s1 s2 s3")
		r.layers.Reload()
		for _, f := range r.files {
			equal(t, "asked", true, r.asked(f.asked))
		}
		r.say(Reading{Layer: 0, Asked: true}, config(1)) // s2 moves from one to the other
		r.say(Reading{Layer: 1}, config(3))
		r.want("-")
		r.say(Reading{Layer: 1, Asked: true}, config(2))
		r.want("s1 s2")
		r.layers.Reload()
		synctest.Wait()
		r.say(Reading{Layer: 0, Asked: true, Same: true}, config(1))
		r.say(Reading{Layer: 1, Asked: true, Same: true}, config(2))
		r.want("-")
		r.lines(1, "nothing has changed")
	})
}

// TestLayersOfConsulAlone: what only the registration goes by is a change like any other.
func TestLayersOfConsulAlone(t *testing.T) {
	inBubble(t, []string{config(1)}, func(r *rig) {
		r.want("s1")
		r.layers.Reload("f0.toml")
		synctest.Wait()
		r.say(Reading{Layer: 0, Asked: true}, config(1)+"\n[consul]\nregister = true\n")
		r.want("s1")
		r.lines(0, "nothing has changed")
	})
}

func TestReloadDoesNotWaitForTheDead(t *testing.T) {
	inBubble(t, []string{config(1, 2), config(3)}, func(r *rig) {
		r.want("s1 s2 s3")
		r.layers.Reload()
		synctest.Wait()
		r.say(Reading{Layer: 0, Asked: true}, config(4))
		r.want("-")
		time.Sleep(gathering)
		r.want("s3 s4")
		r.say(Reading{Layer: 1, Asked: true}, config(5)) // better late
		r.want("s4 s5")
	})
}

// TestLayersWithFiles is the whole way, from a directory to what is handed over.
func TestLayersWithFiles(t *testing.T) {
	dir := t.TempDir()
	var book logBook
	log := zerolog.New(&book)
	var files []*File
	var paths []string
	for i, text := range []string{config(1, 2, 3), config(4)} {
		path := filepath.Join(dir, fmt.Sprintf("%d.toml", i))
		write(t, path, text)
		doc, err := Read(t.Context(), path, "", nil)
		must(t, err)
		files = append(files, NewFile(path, i, "", log, doc))
		paths = append(paths, path)
	}
	l := NewLayers(log, Tops(files...), nil)
	l.Wait = 200 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	out := make(chan *spec.Desired)
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx, out) }()
	want := func(services string) {
		t.Helper()
		equal(t, "services", services, serviceNames(receive(t, out)))
	}

	want("s1 s2 s3 s4")
	replace(t, paths[0], config(1))
	want("s1 s4")
	write(t, paths[0], "[services") // bad
	write(t, paths[1], config(4, 5))
	want("s1 s4 s5")
	must(t, os.Remove(paths[1]))
	l.Reload()
	write(t, paths[0], config(1, 2))
	want("s1 s2 s4 s5")
	write(t, paths[1], config(6))
	want("s1 s2 s6")
	replace(t, paths[1], config())
	want("s1 s2")
	began := time.Now()
	replace(t, paths[0], config(7))
	if want("s7"); time.Since(began) < l.Wait {
		t.Error("the guard did not wait")
	}
	write(t, paths[0], config())
	l.Reload()
	want("")

	cancel()
	must(t, receive(t, done))
	equal(t, "lines", 8, book.count(`"component":"sources"`, `"message":"configuration read"`))
}
