package kernel

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestOpError(t *testing.T) {
	mh := with("mh", 0, 0, full)
	d := "10.0.0.9:80"
	for _, tt := range []struct {
		op   Op
		err  error
		want string
	}{
		{addService(web, rr), syscall.EEXIST, "add tcp 10.0.0.1:80: it is already there (ERRNO)"},
		{addService(web, mh), syscall.ENOENT, "add tcp 10.0.0.1:80: the kernel has no scheduler mh: modprobe ip_vs_mh (ERRNO)"},
		{editService(web, mh), syscall.ENOENT, "edit tcp 10.0.0.1:80: the kernel has no scheduler mh: modprobe ip_vs_mh (ERRNO)"},
		{
			addService(web, withEngine("mh", "sip")), syscall.ENOENT,
			"add tcp 10.0.0.1:80: the kernel has no scheduler mh or no persistence engine sip: modprobe -a ip_vs_mh ip_vs_pe_sip (ERRNO)",
		},
		{
			addService(web, withEngine("none", "sip")), syscall.ENOENT,
			"add tcp 10.0.0.1:80: the kernel has no persistence engine sip: modprobe ip_vs_pe_sip (ERRNO)",
		},
		{editService(mark6, rr6), syscall.ESRCH, "edit fwmark 7 ipv6: it is not there (ERRNO)"},
		{deleteService(dns), syscall.ESRCH, "delete udp 10.0.0.1:80: it is not there (ERRNO)"},
		{addService(web6, with("rr", 0, 0, 129)), syscall.EINVAL, "add tcp [2001:db8::1]:80: its netmask 129 is not a prefix length from 1 to 128 (ERRNO)"},
		{addService(web6, rr6), syscall.EAFNOSUPPORT, "add tcp [2001:db8::1]:80: IPv6 is switched off in this kernel, or in its IPVS (ERRNO)"},
		{addService(web, rr), syscall.EPERM, "add tcp 10.0.0.1:80: needs CAP_NET_ADMIN: run as root or give the capability (ERRNO)"},
		{addService(web, rr), syscall.ENOPROTOOPT, "add tcp 10.0.0.1:80: the module ip_vs is being unloaded (ERRNO)"},
		{addDest(web, d, Dest{}), syscall.EEXIST, "add 10.0.0.9:80 to tcp 10.0.0.1:80: it is already there (ERRNO)"},
		{addDest(web, d, Dest{}), syscall.ESRCH, "add 10.0.0.9:80 to tcp 10.0.0.1:80: its service is not there (ERRNO)"},
		{addDest(web, "224.0.0.1:80", Dest{}), syscall.EINVAL, "add 224.0.0.1:80 to tcp 10.0.0.1:80: its address must be unicast: not unspecified, multicast, or broadcast in a network of this machine; and this network namespace must have had an address, if only that of lo (ERRNO)"},
		{addDest(web6, "[fe80::1]:80", Dest{}), syscall.EINVAL, "add [fe80::1]:80 to tcp [2001:db8::1]:80: its address must be unicast or local: not unspecified, multicast or link-local (ERRNO)"},
		{
			addDest(web, "[2001:db8::1]:80", tunnel(IPIP, 0, 0)), syscall.EINVAL,
			"add [2001:db8::1]:80 to tcp 10.0.0.1:80: it is not of its service's family ipv4, which the kernel allows only while " +
				"no sync daemon runs: ipvsadm -L --daemon shows whether one does; if none does, its address must be unicast or " +
				"local: not unspecified, multicast or link-local (ERRNO)",
		},
		{
			editDest(web6, d, tunnel(GRE, 0, 0)), syscall.EINVAL,
			"edit 10.0.0.9:80 of tcp [2001:db8::1]:80: it is not of its service's family ipv6, which the kernel allows only while " +
				"no sync daemon runs: ipvsadm -L --daemon shows whether one does (ERRNO)",
		},
		{editDest(web, d, Dest{}), syscall.EINVAL, "edit 10.0.0.9:80 of tcp 10.0.0.1:80: the kernel takes no such attributes (ERRNO)"},
		{editDest(web, d, Dest{}), syscall.ENOENT, "edit 10.0.0.9:80 of tcp 10.0.0.1:80: it is not there (ERRNO)"},
		{editDest(web, d, Dest{Upper: 1, Lower: 2}), syscall.ERANGE, "edit 10.0.0.9:80 of tcp 10.0.0.1:80: the lower threshold 2 is over the upper one, 1 (ERRNO)"},
		{editDest(web, d, Dest{Upper: 1 << 31}), syscall.ERANGE, "edit 10.0.0.9:80 of tcp 10.0.0.1:80: its weight or a threshold is out of the kernel's range (ERRNO)"},
		{deleteDest(web, d), syscall.ENOENT, "delete 10.0.0.9:80 from tcp 10.0.0.1:80: it is not there (ERRNO)"},
		{deleteDest(web, d), syscall.ENOMEM, "delete 10.0.0.9:80 from tcp 10.0.0.1:80: the kernel has no memory for it (ERRNO)"},
		{deleteDest(web, d), syscall.ENOBUFS, "delete 10.0.0.9:80 from tcp 10.0.0.1:80: the kernel has no buffer for the request (ERRNO)"},
		{deleteDest(web, d), syscall.EIO, "delete 10.0.0.9:80 from tcp 10.0.0.1:80: ERRNO"},
		{deleteDest(web, d), ErrNoIPVS, "delete 10.0.0.9:80 from tcp 10.0.0.1:80: the kernel has no IPVS: load it with modprobe ip_vs"},
		{deleteDest(web, d), &lostError{os.ErrDeadlineExceeded}, "delete 10.0.0.9:80 from tcp 10.0.0.1:80: the kernel's answer was lost, so it may have been done: i/o timeout"},
	} {
		err := error(&OpError{tt.op, tt.err})
		if want := strings.ReplaceAll(tt.want, "ERRNO", tt.err.Error()); err.Error() != want { // systems have words of their own
			t.Errorf("got  %s\nwant %s", err, want)
		}
		if !errors.Is(err, tt.err) {
			t.Errorf("%v hides its cause %v", err, tt.err)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		op   Op
		want string
	}{
		{
			addDest(web, "[2001:db8::1]:80", Dest{Forward: Route}),
			"add [2001:db8::1]:80 to tcp 10.0.0.1:80: it is not of its service's family ipv4: the kernel mixes families only by tunnel",
		},
		{addDest(web, "10.1.0.1:80", Dest{Forward: 5}), "add 10.1.0.1:80 to tcp 10.0.0.1:80: 5 is no forwarding method"},
		{
			addDest(web, "10.1.0.1:80", Dest{Encap: Encap{Type: GUE}}),
			"add 10.1.0.1:80 to tcp 10.0.0.1:80: only a tunnel has a kind, a port and checksums",
		},
		{addDest(web, "10.1.0.1:80", tunnel(IPIP, 1, 0)), "add 10.1.0.1:80 to tcp 10.0.0.1:80: an ipip tunnel has neither a port nor checksums"},
		{editDest(web, "10.1.0.1:80", tunnel(GUE, 0, 0)), "edit 10.1.0.1:80 of tcp 10.0.0.1:80: a gue tunnel needs a port, 1 to 65535"},
		{
			addDest(web, "10.1.0.1:80", tunnel(GUE, 1, Checksum|RemoteChecksum)),
			"add 10.1.0.1:80 to tcp 10.0.0.1:80: a gue tunnel has no checksum, a checksum or a remote checksum, but not flags 0x3",
		},
		{addDest(web, "10.1.0.1:80", tunnel(GRE, 1, 0)), "add 10.1.0.1:80 to tcp 10.0.0.1:80: a gre tunnel has no port"},
		{
			addDest(web, "10.1.0.1:80", tunnel(GRE, 0, RemoteChecksum)),
			"add 10.1.0.1:80 to tcp 10.0.0.1:80: a gre tunnel has no checksum or a checksum, but not flags 0x2",
		},
		{addDest(web, "10.1.0.1:80", tunnel(3, 0, 0)), "add 10.1.0.1:80 to tcp 10.0.0.1:80: tunnel(3) is no kind of tunnel that gorb knows"},
		{
			addService(service(TCP, "[::ffff:10.0.0.1]:80"), rr6),
			"add tcp [::ffff:10.0.0.1]:80: an IPv4-mapped address must be written as 10.0.0.1",
		},
		{
			addService(web, with("RR", 0, 0, full)),
			`add tcp 10.0.0.1:80: "RR" is no name of a scheduler`,
		},
		{
			addService(web, with("rr", Persistent, 2678401, full)),
			"add tcp 10.0.0.1:80: a persistence timeout of 2678401 s is over 31 days",
		},
		{
			addService(web, withEngine("rr", "a name too long for it")),
			`add tcp 10.0.0.1:80: "a name too long for it" is no name of a persistence engine`,
		},
		{
			addDest(web, "10.1.0.1:80", Dest{Weight: 1 << 31}),
			"add 10.1.0.1:80 to tcp 10.0.0.1:80: the weight 2147483648 is over 2147483647",
		},
		{
			addService(service(99, "10.0.0.1:80"), rr),
			"add protocol(99) 10.0.0.1:80: IPVS schedules no protocol(99)",
		},
	} {
		if err := NewFake().Apply(t.Context(), []Op{tt.op})[0]; err == nil || !strings.HasPrefix(err.Error(), tt.want+" (") {
			t.Errorf("got  %v\nwant %s (...)", err, tt.want)
		}
	}
}
