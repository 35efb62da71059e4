package kernel

import "syscall"

// contract lists sequences of operations, their answers, and the table they leave, destinations in dump order.
var contract = []struct {
	name  string
	steps []step
	want  string
}{
	{name: "empty table"},

	// docs/kernel.md, "Identity" and "Errors and dumps": identity, and what is there or not.
	{
		name: "services are told apart by protocol and family",
		steps: []step{
			{addService(web, rr), 0},
			{addService(dns, rr), 0},
			{addService(sctp, rr), 0},
			{addService(mark4, rr), 0},
			{addService(mark6, rr6), 0},
			{addService(web6, rr6), 0},
			{addService(ServiceKey{Family: IPv4, Mark: 0xffffffff}, rr), 0},
		},
		want: "-A -t 10.0.0.1:80 -s rr\n-A -u 10.0.0.1:80 -s rr\n-A --sctp-service 10.0.0.1:80 -s rr\n" +
			"-A -f 7 -s rr\n-A -f 7 -6 -s rr\n-A -t [2001:db8::1]:80 -s rr\n-A -f -1 -s rr",
	},
	{
		name: "what is there cannot be added",
		steps: []step{
			{addService(web, rr), 0},
			{addService(web, with("wrr", 0, 0, full)), syscall.EEXIST},
			{addService(web, with("nosuch", 0, 0, full)), syscall.EEXIST},
			{addService(mark6, rr6), 0},
			{addService(mark6, rr6), syscall.EEXIST},
			{addDest(web, "10.1.0.1:80", Dest{Weight: 1}), 0},
			{addDest(web, "10.1.0.1:80", Dest{Weight: 2}), syscall.EEXIST},
			{addDest(web, "10.1.0.1:80", Dest{Lower: 1}), syscall.ERANGE},
		},
		want: "-A -f 7 -6 -s rr\n-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 1",
	},
	{
		name: "what is not there cannot be changed",
		steps: []step{
			{editService(web, rr), syscall.ESRCH},
			{deleteService(web), syscall.ESRCH},
			{deleteService(mark6), syscall.ESRCH},
			{addDest(web, "10.1.0.1:80", Dest{}), syscall.ESRCH},
			{addDest(web, "224.0.0.1:80", Dest{Lower: 1}), syscall.ESRCH},
			{editDest(web, "10.1.0.1:80", Dest{}), syscall.ESRCH},
			{deleteDest(web, "10.1.0.1:80"), syscall.ESRCH},
			{addService(web, rr), 0},
			{editDest(web, "10.1.0.1:80", Dest{}), syscall.ENOENT},
			{editDest(web, "10.1.0.1:80", Dest{Lower: 1}), syscall.ERANGE},
			{deleteDest(web, "10.1.0.1:80"), syscall.ENOENT},
			{deleteService(web), 0},
			{deleteService(web), syscall.ESRCH},
		},
	},
	{
		name: "a service goes with its destinations",
		steps: []step{
			{addService(web, rr), 0},
			{addDest(web, "10.1.0.1:80", Dest{}), 0},
			{addDest(web, "10.1.0.2:80", Dest{}), 0},
			{deleteService(web), 0},
			{addService(web, rr), 0},
		},
		want: "-A -t 10.0.0.1:80 -s rr",
	},

	// Section 2: services.
	{
		name: "an edit replaces all attributes of a service",
		steps: []step{
			{addService(web, with("wrr", Persistent|OnePacket|Sched1|Sched2|Sched3, 300, 0xffff0000)), 0},
			{editService(web, with("sh", Sched2, 0, full)), 0},
			{addService(web6, with("wrr", Persistent, 300, 64)), 0},
			{editService(web6, with("mh", Persistent|Sched1, 10, 48)), 0},
		},
		want: "-A -t 10.0.0.1:80 -s sh -b sh-port\n-A -t [2001:db8::1]:80 -s mh -p 10 -M 48 -b mh-fallback",
	},
	{
		name: "every scheduler, and none",
		steps: func() (steps []step) {
			for _, s := range []string{"wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "sed", "nq", "fo", "ovf", "none"} {
				if s == "wrr" {
					steps = append(steps, step{addService(web, with(s, 0, 0, full)), 0})
				}
				steps = append(steps, step{editService(web, with(s, 0, 0, full)), 0})
			}
			return steps
		}(),
		want: "-A -t 10.0.0.1:80 -s none",
	},
	{
		name: "an unknown scheduler changes nothing",
		steps: []step{
			{addService(web, with("nosuch", 0, 0, full)), syscall.ENOENT},
			{addService(web, with("wrr", Persistent, 60, full)), 0},
			{editService(web, with("nosuch", 0, 0, 0)), syscall.ENOENT},
			{addService(web6, with("nosuch", 0, 0, 0)), syscall.ENOENT},
			{addService(web6, with("", 0, 0, 128)), syscall.EINVAL},
			{addService(web6, with("rr\x00", 0, 0, 128)), syscall.EINVAL},
		},
		want: "-A -t 10.0.0.1:80 -s wrr -p 60",
	},
	{
		name: "persistence engines",
		steps: []step{
			{addService(web, withEngine("rr", "nosuch")), syscall.ENOENT},
			{addService(web, withEngine("nosuch", "sip")), syscall.ENOENT},
			{addService(web, withEngine("rr", "../sip")), syscall.EINVAL},
			{addService(web6, Service{Scheduler: "rr", Engine: "nosuch"}), syscall.ENOENT}, // before its netmask
			{addService(web, withEngine("rr", "sip")), 0},
			{editService(web, withEngine("rr", "nosuch")), syscall.ENOENT},
			{addService(dns, withEngine("none", "sip")), 0},
			{editService(dns, with("rr", Persistent, 5, full)), 0},
			{addService(mark6, rr6), 0},
			{editService(mark6, Service{Scheduler: "wlc", Netmask: 64, Engine: "sip", Flags: OnePacket}), 0}, // needs no persistence
		},
		want: "-A -t 10.0.0.1:80 -s rr -p 60 --pe sip\n-A -u 10.0.0.1:80 -s rr -p 5\n-A -f 7 -6 -s wlc -M 64 --pe sip -o",
	},
	{
		name: "flags are kept as they are, but for HASHED",
		steps: []step{
			{addService(web, with("rr", 0x1c, 0, full)), 0},
			{addService(dns, with("rr", OnePacket, 0, full)), 0},
			{editService(dns, with("rr", 0, 0, full)), 0},
			{addService(sctp, with("rr", hashed, 0, full)), syscall.EINVAL},
		},
		want: "-A -t 10.0.0.1:80 -s rr -o -b flag-1,flag-2\n-A -u 10.0.0.1:80 -s rr",
	},
	{
		name: "IPv4 takes any netmask",
		steps: []step{
			{addService(web, with("rr", Persistent, 1, 0)), 0},
			{addService(dns, with("rr", Persistent, 1, 0xff00ff00)), 0},
			{addService(sctp, with("rr", 0, 0, 0xffffff00)), 0},
			{addService(mark4, with("rr", Persistent, 1, 0xfffffffe)), 0},
		},
		want: "-A -t 10.0.0.1:80 -s rr -p 1 -M 0.0.0.0\n-A -u 10.0.0.1:80 -s rr -p 1 -M 255.0.255.0\n" +
			"-A --sctp-service 10.0.0.1:80 -s rr -M 255.255.255.0\n-A -f 7 -s rr -p 1 -M 255.255.255.254",
	},
	{
		name: "IPv6 takes a prefix length",
		steps: []step{
			{addService(web6, with("rr", 0, 0, 0)), syscall.EINVAL},
			{addService(web6, with("rr", 0, 0, 129)), syscall.EINVAL},
			{addService(web6, with("rr", 0, 0, full)), syscall.EINVAL},
			{addService(web6, with("rr", 0, 0, 1)), 0},
			{editService(web6, with("wrr", 0, 0, 129)), syscall.EINVAL},
			{addService(mark6, with("rr", 0, 0, 0)), syscall.EINVAL},
			{addService(mark6, with("rr", 0, 0, 128)), 0},
		},
		want: "-A -t [2001:db8::1]:80 -s rr -M 1\n-A -f 7 -6 -s rr",
	},
	{
		name: "timeouts",
		steps: []step{
			{addService(web, with("rr", Persistent, 2678400, full)), 0},
			{addService(dns, with("rr", Persistent, 2678401, full)), syscall.ERANGE},
			{addService(dns, with("rr", 0, 5, full)), syscall.EINVAL},
			{addService(sctp, with("rr", Persistent, 0, full)), 0},
		},
		want: "-A -t 10.0.0.1:80 -s rr -p 2678400\n-A --sctp-service 10.0.0.1:80 -s rr -p 0",
	},
	{
		name: "port 0, and protocols and families that do not exist",
		steps: []step{
			{addService(service(TCP, "10.0.0.1:0"), rr), 0},
			{addService(service(1, "10.0.0.1:80"), rr), syscall.EINVAL},
			{addService(service(TCP, "[::ffff:10.0.0.1]:80"), rr6), syscall.EINVAL},
			{addService(service(TCP, "[fe80::1%eth0]:80"), rr6), syscall.EINVAL},
			{addService(ServiceKey{Family: 1, Mark: 1}, rr), syscall.EAFNOSUPPORT},
			{addService(ServiceKey{Family: IPv4, Mark: 1, Protocol: TCP}, rr), syscall.EINVAL},
			{addService(ServiceKey{Family: IPv4, Protocol: TCP}, rr), syscall.EINVAL},
			{addService(ServiceKey{Family: IPv4, Protocol: TCP, Addr: web6.Addr}, rr), syscall.EINVAL},
			{Op{Key: web}, syscall.EINVAL},
		},
		want: "-A -t 10.0.0.1:0 -s rr",
	},

	// Section 3: destinations.
	{
		name: "an edit replaces all attributes of a destination",
		steps: []step{
			{addService(web, rr), 0},
			{addDest(web, "10.1.0.1:8080", Dest{Forward: Masq, Weight: 5, Upper: 100, Lower: 50}), 0},
			{addDest(web, "10.1.0.2:80", Dest{Forward: Masq, Weight: 5, Upper: 100, Lower: 50}), 0},
			{editDest(web, "10.1.0.1:8080", Dest{Weight: 65535}), 0},
			{editDest(web, "10.1.0.2:80", Dest{Forward: Tunnel, Upper: 100000}), 0},
		},
		want: "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.1.0.2:80 -i -w 0 -x 100000\n" +
			"-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -m -w 65535",
	},
	{
		name: "forwarding methods",
		steps: []step{
			{addService(web, rr), 0},
			{addDest(web, "10.1.0.1:80", Dest{Forward: Masq}), 0},
			{addDest(web, "10.1.0.1:8080", Dest{Forward: Route}), 0}, // the kernel does not mind the port
			{addDest(web, "10.1.0.3:80", Dest{Forward: Tunnel}), 0},
			{addDest(web, "10.1.0.4:80", Dest{Forward: 5}), syscall.EINVAL},
			{addDest(web, "127.0.0.1:80", Dest{Forward: Route}), 0},
			{editDest(web, "10.1.0.1:80", Dest{Forward: Route}), 0},
		},
		want: "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 127.0.0.1:80 -g -w 0\n" +
			"-a -t 10.0.0.1:80 -r 10.1.0.3:80 -i -w 0\n-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -g -w 0\n" +
			"-a -t 10.0.0.1:80 -r 10.1.0.1:80 -g -w 0",
	},
	{
		name: "tunnels",
		steps: []step{
			{addService(web, rr), 0},
			{addDest(web, "10.1.0.1:80", tunnel(IPIP, 0, 0)), 0},
			{addDest(web, "10.1.0.2:80", tunnel(GUE, 6080, NoChecksum)), 0},
			{addDest(web, "10.1.0.3:80", tunnel(GUE, 1, Checksum)), 0},
			{addDest(web, "10.1.0.4:80", tunnel(GUE, 65535, RemoteChecksum)), 0},
			{addDest(web, "10.1.0.5:80", tunnel(GRE, 0, NoChecksum)), 0},
			{addDest(web, "10.1.0.6:80", tunnel(GRE, 0, Checksum)), 0},
			{addDest(web, "10.1.0.9:80", tunnel(IPIP, 1, 0)), syscall.EINVAL},
			{addDest(web, "10.1.0.9:80", tunnel(IPIP, 0, Checksum)), syscall.EINVAL},
			{addDest(web, "10.1.0.9:80", tunnel(GUE, 0, 0)), syscall.EINVAL},
			{addDest(web, "10.1.0.9:80", tunnel(GUE, 1, Checksum|RemoteChecksum)), syscall.EINVAL},
			{addDest(web, "10.1.0.9:80", tunnel(GRE, 1, 0)), syscall.EINVAL},
			{addDest(web, "10.1.0.9:80", tunnel(GRE, 0, RemoteChecksum)), syscall.EINVAL},
			{addDest(web, "10.1.0.9:80", tunnel(3, 0, 0)), syscall.EINVAL},
			{addDest(web, "10.1.0.9:80", Dest{Forward: Route, Encap: Encap{Type: GRE}}), syscall.EINVAL},
		},
		want: "-A -t 10.0.0.1:80 -s rr\n" +
			"-a -t 10.0.0.1:80 -r 10.1.0.6:80 -i -w 0 --tun-type gre --tun-csum\n" +
			"-a -t 10.0.0.1:80 -r 10.1.0.5:80 -i -w 0 --tun-type gre --tun-nocsum\n" +
			"-a -t 10.0.0.1:80 -r 10.1.0.4:80 -i -w 0 --tun-type gue --tun-port 65535 --tun-remcsum\n" +
			"-a -t 10.0.0.1:80 -r 10.1.0.3:80 -i -w 0 --tun-type gue --tun-port 1 --tun-csum\n" +
			"-a -t 10.0.0.1:80 -r 10.1.0.2:80 -i -w 0 --tun-type gue --tun-port 6080 --tun-nocsum\n" +
			"-a -t 10.0.0.1:80 -r 10.1.0.1:80 -i -w 0 --tun-type ipip",
	},
	{
		name: "an edit replaces all of a tunnel",
		steps: []step{
			{addService(web, rr), 0},
			{addDest(web, "10.1.0.1:80", tunnel(GRE, 0, Checksum)), 0},
			{addDest(web, "10.1.0.2:80", Dest{}), 0},
			{addDest(web, "10.1.0.3:80", tunnel(GUE, 6080, RemoteChecksum)), 0},
			{addDest(web, "10.1.0.4:80", tunnel(GUE, 6080, RemoteChecksum)), 0},
			{editDest(web, "10.1.0.1:80", tunnel(GUE, 7, NoChecksum)), 0},
			{editDest(web, "10.1.0.2:80", tunnel(GRE, 0, Checksum)), 0},
			{editDest(web, "10.1.0.3:80", Dest{Forward: Route, Weight: 1}), 0},
			{editDest(web, "10.1.0.4:80", tunnel(IPIP, 0, 0)), 0},
			{editDest(web, "10.1.0.4:80", tunnel(GUE, 0, 0)), syscall.EINVAL},
		},
		want: "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.1.0.4:80 -i -w 0 --tun-type ipip\n" +
			"-a -t 10.0.0.1:80 -r 10.1.0.3:80 -g -w 1\n" +
			"-a -t 10.0.0.1:80 -r 10.1.0.2:80 -i -w 0 --tun-type gre --tun-csum\n" +
			"-a -t 10.0.0.1:80 -r 10.1.0.1:80 -i -w 0 --tun-type gue --tun-port 7 --tun-nocsum",
	},
	{
		name: "weights and thresholds",
		steps: []step{
			{addService(web, rr), 0},
			{addDest(web, "10.1.0.1:80", Dest{Upper: 1, Lower: 2}), syscall.ERANGE},
			{addDest(web, "10.1.0.1:80", Dest{Lower: 1}), syscall.ERANGE},
			{addDest(web, "10.1.0.1:80", Dest{Upper: 2, Lower: 2}), 0},
			{editDest(web, "10.1.0.1:80", Dest{Upper: 2, Lower: 3}), syscall.ERANGE},
			{editDest(web, "10.1.0.1:80", Dest{Weight: 1 << 31}), syscall.ERANGE},
			{addDest(web, "10.1.0.2:80", Dest{Weight: 65536}), 0},
			{addDest(web, "10.1.0.3:80", Dest{Weight: 1<<31 - 1, Upper: 1<<31 - 1, Lower: 1<<31 - 1}), 0},
			{addDest(web, "10.1.0.4:80", Dest{}), 0},
			{editDest(web, "10.1.0.4:80", Dest{Weight: 1<<31 - 1}), 0},
			{addDest(web, "10.1.0.5:80", Dest{Weight: 1 << 31}), syscall.ERANGE},
		},
		want: "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.1.0.4:80 -m -w 2147483647\n" +
			"-a -t 10.0.0.1:80 -r 10.1.0.3:80 -m -w 2147483647 -x 2147483647 -y 2147483647\n" +
			"-a -t 10.0.0.1:80 -r 10.1.0.2:80 -m -w 65536\n" +
			"-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 0 -x 2 -y 2",
	},
	{
		name: "a destination is unicast or local",
		steps: []step{
			{addService(web, rr), 0},
			{addService(web6, rr6), 0},
			{addDest(web, "0.0.0.0:80", Dest{}), syscall.EINVAL},
			{addDest(web, "255.255.255.255:80", Dest{}), syscall.EINVAL},
			{addDest(web, "224.0.0.1:80", Dest{}), syscall.EINVAL},
			{addDest(web, "239.255.255.255:80", Dest{}), syscall.EINVAL},
			{addDest(web, "0.0.0.1:80", Dest{}), 0},
			{addDest(web, "169.254.0.1:80", Dest{}), 0},
			{addDest(web, "240.0.0.1:80", Dest{}), 0},
			{addDest(web6, "[::]:80", Dest{}), syscall.EINVAL},
			{addDest(web6, "[ff02::1]:80", Dest{}), syscall.EINVAL},
			{addDest(web6, "[fe80::1]:80", Dest{}), syscall.EINVAL},
			{addDest(web6, "[febf::1]:80", Dest{}), syscall.EINVAL},
			{addDest(web6, "[fe80::1%eth0]:80", Dest{}), syscall.EINVAL},
			{addDest(web6, "[::ffff:10.1.0.1]:80", Dest{}), syscall.EINVAL},
			{addDest(web6, "[::1]:80", Dest{}), 0},
			{addDest(web6, "[fec0::1]:80", Dest{}), 0},
			{addDest(web6, "[fd00::1]:80", Dest{}), 0},
		},
		want: "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 240.0.0.1:80 -m -w 0\n" +
			"-a -t 10.0.0.1:80 -r 169.254.0.1:80 -m -w 0\n-a -t 10.0.0.1:80 -r 0.0.0.1:80 -m -w 0\n" +
			"-A -t [2001:db8::1]:80 -s rr\n-a -t [2001:db8::1]:80 -r [fd00::1]:80 -m -w 0\n" +
			"-a -t [2001:db8::1]:80 -r [fec0::1]:80 -m -w 0\n-a -t [2001:db8::1]:80 -r [::1]:80 -m -w 0",
	},
	{
		name: "families mix by tunnel alone",
		steps: []step{
			{addService(web, rr), 0},
			{addService(web6, rr6), 0},
			{addService(mark4, rr), 0},
			{addService(mark6, rr6), 0},
			{deleteDest(web, "[2001:db8::1]:80"), syscall.ENOENT},
			{editDest(web, "[2001:db8::1]:80", tunnel(IPIP, 0, 0)), syscall.ENOENT},
			{addDest(missing, "[2001:db8::1]:80", tunnel(IPIP, 0, 0)), syscall.ESRCH},
			{addDest(web, "[2001:db8::1]:80", Dest{}), syscall.EINVAL},
			{addDest(web, "[2001:db8::1]:80", Dest{Forward: Route}), syscall.EINVAL},
			{addDest(web, "[2001:db8::1]:80", tunnel(IPIP, 0, 0)), 0},
			{addDest(web, "[2001:db8::1]:80", tunnel(IPIP, 0, 0)), syscall.EEXIST},
			{addDest(web, "[2001:db8::2]:80", tunnel(IPIP, 0, 0)), 0},
			{addDest(web, "32.1.13.184:80", Dest{}), 0}, // the first four bytes of 2001:db8::1
			{editDest(web, "[2001:db8::1]:80", Dest{Forward: Route}), syscall.EINVAL},
			{editDest(web, "[2001:db8::1]:80", tunnel(GUE, 6080, Checksum)), 0},
			{deleteDest(web, "[2001:db8::2]:80"), 0},
			{addDest(web, "[fe80::1]:80", tunnel(IPIP, 0, 0)), syscall.EINVAL},
			{addDest(web6, "10.1.0.1:80", Dest{}), syscall.EINVAL},
			{addDest(web6, "10.1.0.1:80", tunnel(GRE, 0, Checksum)), 0},
			{addDest(web6, "224.0.0.1:80", tunnel(GRE, 0, Checksum)), syscall.EINVAL},
			{addDest(mark4, "[2001:db8::1]:0", tunnel(IPIP, 0, 0)), 0},
			{addDest(mark6, "10.1.0.1:0", tunnel(IPIP, 0, 0)), 0},
		},
		want: "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 32.1.13.184:80 -m -w 0\n" +
			"-a -t 10.0.0.1:80 -r [2001:db8::1]:80 -i -w 0 --tun-type gue --tun-port 6080 --tun-csum\n" +
			"-A -t [2001:db8::1]:80 -s rr\n-a -t [2001:db8::1]:80 -r 10.1.0.1:80 -i -w 0 --tun-type gre --tun-csum\n" +
			"-A -f 7 -s rr\n-a -f 7 -r [2001:db8::1]:0 -i -w 0 --tun-type ipip\n" +
			"-A -f 7 -6 -s rr\n-a -f 7 -6 -r 10.1.0.1:0 -i -w 0 --tun-type ipip",
	},
	{
		name: "destinations of a mark are told apart by port",
		steps: []step{
			{addService(mark4, rr), 0},
			{addDest(mark4, "10.1.0.1:0", Dest{}), 0},
			{addDest(mark4, "10.1.0.1:80", Dest{}), 0},
			{addDest(mark4, "10.1.0.1:80", Dest{}), syscall.EEXIST},
			{deleteDest(mark4, "10.1.0.1:0"), 0},
		},
		want: "-A -f 7 -s rr\n-a -f 7 -r 10.1.0.1:80 -m -w 0",
	},

	// Section 6: order.
	{
		name: "the newest destination comes first",
		steps: []step{
			{addService(web, rr), 0},
			{addDest(web, "10.1.0.2:80", Dest{}), 0},
			{addDest(web, "10.1.0.3:80", Dest{}), 0},
			{addDest(web, "10.1.0.1:80", Dest{}), 0},
			{editDest(web, "10.1.0.2:80", Dest{Weight: 1}), 0},
			{deleteDest(web, "10.1.0.3:80"), 0},
			{addDest(web, "10.1.0.3:80", Dest{}), 0},
		},
		want: "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.1.0.3:80 -m -w 0\n" +
			"-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 0\n-a -t 10.0.0.1:80 -r 10.1.0.2:80 -m -w 1",
	},
}
