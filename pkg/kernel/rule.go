package kernel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// rule is one line of `ipvsadm -Sn`, option by option.
type rule struct {
	command string // -A or -a

	protocol Protocol
	virtual  string // the service's address and port
	mark     uint32
	ipv6     bool // of a mark

	service    Service // but for what depends on the service's family or scheduler:
	netmask    string
	schedFlags *string // the list of -b; nil without

	real   string // the destination's address and port
	dest   Dest
	tunnel string // the last option of a tunnel; "" without
}

// switches are the options without a value that ipvsadm 1.31 writes.
var switches = map[string]func(*rule){
	"-6": func(r *rule) { r.ipv6 = true },
	"-o": func(r *rule) { r.service.Flags |= OnePacket },
	"-m": func(r *rule) { r.dest.Forward = Masq },
	"-g": func(r *rule) { r.dest.Forward = Route },
	"-i": func(r *rule) { r.dest.Forward = Tunnel },

	"--tun-nocsum":  func(*rule) {},
	"--tun-csum":    func(r *rule) { r.dest.Encap.Flags |= Checksum },
	"--tun-remcsum": func(r *rule) { r.dest.Encap.Flags |= RemoteChecksum },
}

// settings are the options with a value that ipvsadm 1.31 writes, and the thresholds.
var settings = map[string]func(*rule, string) error{
	"-t":             func(r *rule, v string) error { return r.setVirtual(TCP, v) },
	"-u":             func(r *rule, v string) error { return r.setVirtual(UDP, v) },
	"--sctp-service": func(r *rule, v string) error { return r.setVirtual(SCTP, v) },
	"-f":             (*rule).setMark,
	"-s":             (*rule).setScheduler,
	"-p": func(r *rule, v string) error {
		r.service.Flags |= Persistent
		return setNumber(&r.service.Timeout, v)
	},
	"-M":         func(r *rule, v string) error { r.netmask = v; return nil },
	"-b":         func(r *rule, v string) error { r.schedFlags = &v; return nil },
	"--pe":       (*rule).setEngine,
	"-r":         func(r *rule, v string) error { r.real = v; return nil },
	"-w":         func(r *rule, v string) error { return setNumber(&r.dest.Weight, v) },
	"-x":         func(r *rule, v string) error { return setNumber(&r.dest.Upper, v) },
	"-y":         func(r *rule, v string) error { return setNumber(&r.dest.Lower, v) },
	"--tun-type": (*rule).setTunnel,
	"--tun-port": (*rule).setTunnelPort,
}

// parseRule reads the words of a line, of which there is at least one. What is not given has ipvsadm's default.
func parseRule(words []string) (rule, error) {
	r := rule{
		command: words[0],
		service: Service{Scheduler: "wlc"},
		dest:    Dest{Forward: Route, Weight: 1},
	}
	given := make(map[string]bool)
	for rest := words[1:]; len(rest) > 0; {
		option := rest[0]
		rest = rest[1:]
		if given[option] {
			return rule{}, fmt.Errorf("%s: it is given twice", option)
		}
		given[option] = true
		if strings.HasPrefix(option, "--tun-") {
			r.tunnel = option
		}
		if set, ok := switches[option]; ok {
			set(&r)
			continue
		}
		set, ok := settings[option]
		if !ok {
			return rule{}, fmt.Errorf("%s: gorb knows no such option of ipvsadm", option)
		}
		var value string
		if len(rest) > 0 {
			value, rest = rest[0], rest[1:]
		} else if option != "-b" { // whose list ipvsadm leaves empty where it has no word for a flag
			return rule{}, fmt.Errorf("%s: it lacks its value", option)
		}
		if err := set(&r, value); err != nil {
			return rule{}, fmt.Errorf("%s %s: %w", option, value, err)
		}
	}
	return r, nil
}

func (r *rule) setVirtual(p Protocol, v string) error {
	if r.virtual != "" {
		return errors.New("one line names one service")
	}
	r.protocol, r.virtual = p, v
	return nil
}

// setMark takes negative numbers too: ipvsadm writes marks over 2147483647 so.
func (r *rule) setMark(v string) error {
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < -1<<31 || n >= 1<<32 || n == 0 {
		return errors.New("it is no firewall mark, 1 to 4294967295")
	}
	r.mark = uint32(n)
	return nil
}

func (r *rule) setScheduler(v string) error {
	if !moduleName.MatchString(v) {
		return errors.New("it is no name of a scheduler")
	}
	r.service.Scheduler = v
	return nil
}

func (r *rule) setEngine(v string) error {
	if !moduleName.MatchString(v) {
		return errors.New("it is no name of a persistence engine")
	}
	r.service.Engine = v
	return nil
}

func (r *rule) setTunnel(v string) error {
	for _, kind := range []EncapType{IPIP, GUE, GRE} {
		if v == kind.String() {
			r.dest.Encap.Type = kind
			return nil
		}
	}
	return errors.New("it is no kind of tunnel that gorb knows: ipip, gue or gre")
}

func (r *rule) setTunnelPort(v string) error {
	n, err := strconv.ParseUint(v, 10, 16)
	if err != nil || n == 0 {
		return errors.New("it is no port from 1 to 65535")
	}
	r.dest.Encap.Port = uint16(n)
	return nil
}

// setNumber takes a number as the kernel holds it, 31 bits.
func setNumber(n *uint32, v string) error {
	u, err := strconv.ParseUint(v, 10, 31)
	if err != nil {
		return errors.New("it is not a number from 0 to 2147483647")
	}
	*n = uint32(u)
	return nil
}

// key returns the key of the service that the line names.
func (r *rule) key() (ServiceKey, error) {
	switch {
	case r.virtual == "" && r.mark == 0:
		return ServiceKey{}, errors.New("it names no service: -t, -u, --sctp-service or -f")
	case r.virtual != "" && r.mark != 0:
		return ServiceKey{}, errors.New("one line names one service")
	case r.mark != 0 && r.ipv6:
		return ServiceKey{Family: IPv6, Mark: r.mark}, nil
	case r.mark != 0:
		return ServiceKey{Family: IPv4, Mark: r.mark}, nil
	case r.ipv6:
		return ServiceKey{}, errors.New("-6: it is for marks, -f")
	}
	addr, err := parseAddrPort(r.protocol, r.virtual)
	if err != nil {
		return ServiceKey{}, fmt.Errorf("%s: %w", r.virtual, err)
	}
	return ServiceKey{Family: FamilyOf(addr.Addr()), Protocol: r.protocol, Addr: addr}, nil
}

// parseAddrPort reads 10.0.0.1:80 or [2001:db8::1]:http.
func parseAddrPort(p Protocol, s string) (netip.AddrPort, error) {
	host, name, err := net.SplitHostPort(s)
	if err != nil {
		return netip.AddrPort{}, errors.New("it is not address:port or [address]:port")
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Zone() != "" {
		return netip.AddrPort{}, errors.New("the host is not an address, and gorb asks no name server: let `ipvsadm -Sn` write the rules")
	}
	port, err := parsePort(p, name)
	return netip.AddrPortFrom(addr, port), err
}

// parsePort reads a port's number or name.
func parsePort(p Protocol, s string) (uint16, error) {
	if n, err := strconv.ParseUint(s, 10, 16); err == nil {
		return uint16(n), nil
	}
	network := "tcp" // ipvsadm's choice for marks, and there are hardly any names for SCTP
	if p == UDP {
		network = "udp"
	}
	// Go's own resolver looks into a file and at no server.
	local := net.Resolver{PreferGo: true}
	n, err := local.LookupPort(context.Background(), network, s)
	if err != nil || s == "" || s[0] == '+' || s[0] == '-' {
		return 0, fmt.Errorf("%q is no port from 0 to 65535, nor the name of one", s)
	}
	return uint16(n), nil
}
