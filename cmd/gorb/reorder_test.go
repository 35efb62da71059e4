package main

import (
	"bytes"
	"context"
	"net/netip"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/internal/lab"
	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
)

var webKey = kernel.ServiceKey{Family: kernel.IPv4, Protocol: kernel.TCP, Addr: netip.MustParseAddrPort("10.0.0.1:80")}

// backend returns a destination at weight 10.
func backend(addr string) kernel.RealServer {
	return kernel.RealServer{DestKey: kernel.DestKey{Addr: netip.MustParseAddrPort(addr)}, Dest: kernel.Dest{Weight: 10}}
}

// disordered is an sh service in whose order 10.1.0.2 and 10.1.0.3 have to move.
func disordered() kernel.VirtualService {
	return kernel.VirtualService{
		Service: kernel.Service{Scheduler: "sh", Netmask: kernel.FullNetmask(kernel.IPv4)},
		Dests:   []kernel.RealServer{backend("10.1.0.1:80"), backend("10.1.0.3:80"), backend("10.1.0.2:80")},
	}
}

// TestReorderFails has the kernel and other people get in the way. A backend that was taken out is put back, or the
// operator is told how.
func TestReorderFails(t *testing.T) {
	third := kernel.DestKey{Addr: netip.MustParseAddrPort("10.1.0.3:80")}
	for _, tt := range []struct {
		name string
		fail func(f *kernel.Fake, op kernel.Op, nth int) error // nth: how often this operation was tried before
		want string                                            // of the error; "" for none
		left string                                            // the table then
	}{
		{
			name: "nothing", left: "3 2 1",
		},
		{
			name: "an addition fails once",
			fail: func(_ *kernel.Fake, op kernel.Op, nth int) error {
				return failing(op.Kind == kernel.AddDest && op.DestKey == third && nth == 0, syscall.ENOMEM)
			},
			left: "3 2 1",
		},
		{
			name: "an addition fails for good",
			fail: func(_ *kernel.Fake, op kernel.Op, _ int) error {
				return failing(op.Kind == kernel.AddDest && op.DestKey == third, syscall.ENOMEM)
			},
			want: `(?s)no memory.*1 backend of tcp 10.0.0.1:80 \(web\) could not be put back; do it by hand:\n` +
				`  ipvsadm -a -t 10.0.0.1:80 -r 10.1.0.3:80 -m -w 10$`,
			left: "2 1",
		},
		{
			name: "no right",
			fail: func(*kernel.Fake, kernel.Op, int) error { return syscall.EPERM },
			want: `(?s)^delete 10.1.0.2:80 .*CAP_NET_ADMIN.*still not in canonical order`,
			left: "1 3 2",
		},
		{
			name: "somebody deletes a backend meanwhile",
			fail: func(f *kernel.Fake, op kernel.Op, nth int) error {
				if op.Kind == kernel.DeleteDest && op.DestKey == third && nth == 0 {
					v := f.Snapshot()[webKey]
					v.Dests = v.Dests[:2] // 10.1.0.2, put back already, and 10.1.0.1
					f.Put(webKey, v)
				}
				return nil
			},
			want: `^10.1.0.3:80 was deleted by somebody else meanwhile, and stays so$`,
			left: "2 1",
		},
		{
			name: "somebody deletes the service meanwhile",
			fail: func(f *kernel.Fake, op kernel.Op, nth int) error {
				if op.Kind == kernel.DeleteDest && op.DestKey == third && nth == 0 {
					f.Apply(context.Background(), []kernel.Op{{Kind: kernel.DeleteService, Key: webKey}})
				}
				return nil
			},
			want: `^tcp 10.0.0.1:80 \(web\) is no longer in the table: somebody else deleted it$`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fake, tried := kernel.NewFake(), map[kernel.Op]int{}
			fake.Put(webKey, disordered())
			fake.Fail = func(op kernel.Op) error {
				nth := tried[op]
				if tried[op]++; tt.fail == nil {
					return nil
				}
				return tt.fail(fake, op, nth)
			}
			err := reorderOn(t.Context(), fake, true)
			if got := describe(err); tt.want == "" && err != nil || !regexp.MustCompile(tt.want).MatchString(got) {
				t.Errorf("it says %q, want %q", got, tt.want)
			}
			var left []string
			for _, d := range fake.Snapshot()[webKey].Dests {
				left = append(left, strings.TrimPrefix(d.Addr.Addr().String(), "10.1.0."))
			}
			if d := cmp.Diff(tt.left, strings.Join(left, " ")); d != "" {
				t.Errorf("the table (-want +got):\n%s", d)
			}
		})
	}
}

// TestReorderRefuses asks for what must not be done.
func TestReorderRefuses(t *testing.T) {
	unknown := disordered()
	unknown.Dests[1].Unknown = "it has an attribute 99"
	for name, tt := range map[string]struct {
		v    kernel.VirtualService
		yes  bool
		want string
	}{
		"nobody to ask": {v: disordered(), want: "say --yes"},
		"unknown":       {v: unknown, yes: true, want: "cannot be reordered: its backend 10.1.0.3:80: it has an attribute 99"},
	} {
		t.Run(name, func(t *testing.T) {
			fake := kernel.NewFake()
			fake.Put(webKey, tt.v)
			if err := reorderOn(t.Context(), fake, tt.yes); !strings.Contains(describe(err), tt.want) {
				t.Errorf("it says %v, want %q", err, tt.want)
			}
			if ops := fake.Ops(); len(ops) > 0 {
				t.Errorf("it did %v", ops)
			}
		})
	}
}

// TestReorderInterrupted shows that a signal ends nothing halfway.
func TestReorderInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	fake := kernel.NewFake()
	fake.Put(webKey, disordered())
	fake.Fail = func(kernel.Op) error {
		cancel()
		return nil
	}
	if err := reorderOn(ctx, fake, true); err != nil || len(fake.Ops()) != 4 {
		t.Errorf("%v after %v", err, fake.Ops())
	}
}

// reorderOn reorders the service web.
func reorderOn(ctx context.Context, k reconcile.Kernel, yes bool) error {
	memory := reconcile.Memory{Services: map[kernel.ServiceKey]reconcile.Owned{webKey: {Name: "web"}}}
	chosen, err := choose("web", memory, nil)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	r := &reorderer{program: &program{stdin: strings.NewReader("y\n"), stdout: &out, stderr: &out}, table: k, say: &out, yes: yes}
	return r.run(ctx, chosen, memory)
}

func failing(ok bool, errno syscall.Errno) error {
	if ok {
		return errno
	}
	return nil
}

func describe(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestReorderUnderTraffic reorders a service while transfers are in flight: with the kernel's default, none is lost.
func TestReorderUnderTraffic(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.NewNet(t, 3)
		setExpireNodestConn(t, n.Director, "0")
		service := netip.AddrPortFrom(n.VIP(1), 80)
		lab.Exec(t, n.Director, "ipvsadm", "-A", "-t", service.String(), "-s", "sh", "-b", "sh-port")
		for _, i := range []int{2, 1, 0} {
			lab.Exec(t, n.Director, "ipvsadm", "-a", "-t", service.String(), "-r", n.BackendAddr(i).String(), "-m")
		}
		const parts = 2
		l := newLoad(t, n, transferSize/parts+1, parts)
		for range 40 {
			l.open(service)
		}
		l.release(0)
		l.want("at the start")
		l.release(1) // and so on its way
		out := lab.Exec(t, n.Director, "gorb", "reorder", "--yes", service.String())
		if !strings.Contains(out, "2 of 3 backends are not in canonical order") || !strings.Contains(out, "\ndone: ") {
			t.Errorf("it says:\n%s", out)
		}
		l.want("while backends were out for an instant")
	})
}
