package httpapi

import (
	"bufio"
	"context"
	"strconv"
	"strings"
	"time"
)

// snapshot is what GORB's metrics are written of. The client library would make some 800,000 objects of a director with
// 200,000 backends, a gigabyte; this has a text of the labels and four numbers of each.
type snapshot struct {
	services []serviceSample
	backends []backendSample
	labels   []byte // of all samples, one after the other
}

// span is where the labels of a sample are.
type span struct{ from, to uint32 }

func (s span) at() span { return s }

type serviceSample struct {
	span
	backends uint32
	health   float64
}

type backendSample struct {
	span
	weight  uint32
	status  uint8
	weighed bool // its weight is known
	health  float64
	uptime  float64 // seconds
}

// gather asks a source.
func gather(ctx context.Context, src MetricsSource) (*snapshot, error) {
	weights, err := src.Weights(ctx)
	if err != nil {
		weights = nil // then it is what gorb gives
	}
	var s snapshot
	err = src.Health(ctx, nil, func(h ServiceHealth) error {
		s.add(&h, weights, time.Now())
		return ctx.Err()
	})
	return &s, err
}

func (s *snapshot) add(h *ServiceHealth, weights WeightOf, now time.Time) {
	host, port, protocol := h.endpoint()
	s.services = append(s.services, serviceSample{
		span:     s.label("name", h.Name, "host", host, "port", port, "protocol", protocol),
		backends: uint32(len(h.Backends)), health: h.share(),
	})
	for i := range h.Backends {
		b := &h.Backends[i]
		sample := backendSample{
			span: s.label("service_name", h.Name, "name", b.Name,
				"host", b.Address.Addr().String(), "port", strconv.Itoa(int(b.Address.Port()))),
			status: uint8(b.gorbStatus()), health: b.share(), uptime: b.uptime(now).Seconds(),
		}
		switch {
		case weights != nil:
			sample.weighed = true
			sample.weight, _ = weights(h.ServiceState, b.Address) // what the kernel does not have has 0
		case b.Effective != nil:
			sample.weighed = true
			sample.weight = *b.Effective
		}
		s.backends = append(s.backends, sample)
	}
}

// escapes are those of a label's value, in both formats.
var escapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

// label writes names and values, in turn.
func (s *snapshot) label(list ...string) span {
	from := len(s.labels)
	before := byte('{')
	for i := 0; i < len(list); i += 2 {
		value := strings.ToValidUTF8(list[i+1], "\ufffd")
		if strings.ContainsAny(value, "\\\n\"") {
			value = escapes.Replace(value)
		}
		s.labels = append(append(s.labels, before), list[i]...)
		s.labels = append(append(append(s.labels, `="`...), value...), '"')
		before = ','
	}
	s.labels = append(s.labels, "} "...)
	return span{uint32(from), uint32(len(s.labels))}
}

// families writes GORB's metrics, the whole of each before the next, as the formats want it. What fails shows at Flush.
func (s *snapshot) families(out *bufio.Writer) {
	family(out, s, "gorb_service_health",
		"Mean health of the backends of the service, from 0 to 1; 1 if it has none.",
		s.services, func(text []byte, v *serviceSample) []byte { return appendFloat(text, v.health) })
	family(out, s, "gorb_service_backends",
		"Number of backends of the service.",
		s.services, func(text []byte, v *serviceSample) []byte { return strconv.AppendUint(text, uint64(v.backends), 10) })
	family(out, s, "gorb_service_backend_uptime_seconds",
		"Time since the backend came up; 0 while it is not up, or is not checked.",
		s.backends, func(text []byte, v *backendSample) []byte { return appendFloat(text, v.uptime) })
	family(out, s, "gorb_service_backend_health",
		"Share of the last checks that were good, from 0 to 1; 1 if there were none.",
		s.backends, func(text []byte, v *backendSample) []byte { return appendFloat(text, v.health) })
	family(out, s, "gorb_service_backend_status",
		"1 if the checks say that the backend is down, 0 otherwise.",
		s.backends, func(text []byte, v *backendSample) []byte { return append(text, "01"[v.status]) })
	family(out, s, "gorb_service_backend_weight",
		"Weight that the backend has in the kernel.",
		s.backends, func(text []byte, v *backendSample) []byte {
			if !v.weighed {
				return nil
			}
			return strconv.AppendUint(text, uint64(v.weight), 10)
		})
}

func appendFloat(text []byte, f float64) []byte { return strconv.AppendFloat(text, f, 'g', -1, 64) }

// labelled is a sample that knows where its labels are.
type labelled[T any] interface {
	*T
	at() span
}

// family writes a metric, without the samples that have no value.
func family[T any, P labelled[T]](out *bufio.Writer, s *snapshot, name, help string, samples []T, value func([]byte, *T) []byte) {
	_, _ = out.WriteString("# HELP " + name + " " + help + "\n# TYPE " + name + " gauge\n")
	var room [32]byte
	for i := range samples {
		number := value(room[:0], &samples[i])
		if len(number) == 0 {
			continue
		}
		_, _ = out.WriteString(name)
		where := P(&samples[i]).at()
		_, _ = out.Write(s.labels[where.from:where.to])
		_, _ = out.Write(number)
		_ = out.WriteByte('\n')
	}
}
