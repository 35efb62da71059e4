package sources

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/gorb-io/gorb/pkg/spec"
)

const (
	checkTTL = 60 * time.Second
	// deregisterAfter is when an agent forgets a service whose check was critical for so long. It is for those that a gorb
	// left behind which never comes back, such as that of a machine that was made anew: they would be critical for ever.
	// It is long because a service without any live backend is critical, too, and an outage over a weekend should show.
	deregisterAfter = 72 * time.Hour
	// agentTimeout is of one request to an agent. One that brings thousands of new services to its servers answers nothing
	// else meanwhile, for some seconds.
	agentTimeout = 10 * time.Second
)

// An agent is a Consul agent with which services are registered. It belongs to one goroutine.
type agent struct{ store store }

func newAgent(c spec.Consul) registry {
	return &agent{store{
		decl:    spec.SourceDecl{TokenFile: c.TokenFile, CAFile: c.CAFile},
		address: strings.TrimRight(c.Address, "/"),
		tls:     strings.HasPrefix(c.Address, "https://"),
		most:    mostAnswer,
		reuse:   true, // there may be ten thousand checks to pass
	}}
}

// list returns all that is registered with the agent, whoever did it.
func (a *agent) list(ctx context.Context) (list []Registration, err error) {
	err = a.ask(ctx, func(of *api.Agent, q *api.QueryOptions) error {
		services, err := of.ServicesWithFilterOpts("", q)
		if err != nil {
			return err
		}
		checks, err := of.ChecksWithFilterOpts("", q)
		if err != nil {
			return err
		}
		for id, s := range services {
			if s == nil {
				continue
			}
			r := Registration{ID: id, Name: s.Service, Address: s.Address, Port: s.Port, Tags: s.Tags, Meta: s.Meta}
			if c := checks[checkID(id)]; c != nil && c.Type == "ttl" {
				r.Status, r.Output = c.Status, c.Output
			}
			list = append(list, r)
		}
		return nil
	})
	return list, err
}

// do does one thing.
func (a *agent) do(ctx context.Context, op registerOp) error {
	return a.ask(ctx, func(of *api.Agent, q *api.QueryOptions) error {
		switch {
		case op.Register != nil:
			if err := register(of, q, op.Register); err != nil || op.Register.Status == api.HealthPassing {
				return err
			}
			return pass(of, q, op.Register) // which says why not; a new check cannot
		case op.Pass != nil:
			return pass(of, q, op.Pass)
		}
		err := of.ServiceDeregisterOpts(op.Deregister, q)
		if e, ok := errors.AsType[api.StatusError](err); ok && e.Code == http.StatusNotFound {
			return nil // somebody else did it
		}
		return err
	})
}

func register(of *api.Agent, q *api.QueryOptions, r *Registration) error {
	return of.ServiceRegisterOpts(&api.AgentServiceRegistration{
		ID: r.ID, Name: r.Name, Address: r.Address, Port: r.Port, Tags: r.Tags, Meta: r.Meta,
		Check: &api.AgentServiceCheck{
			CheckID: checkID(r.ID), Name: "gorb", TTL: checkTTL.String(), Status: r.Status,
			DeregisterCriticalServiceAfter: deregisterAfter.String(),
		},
	}, api.ServiceRegisterOpts{Token: q.Token}.WithContext(q.Context()))
}

func pass(of *api.Agent, q *api.QueryOptions, r *Registration) error {
	return of.UpdateTTLOpts(checkID(r.ID), r.Output, r.Status, q)
}

// checkID is what Consul calls a service's only check.
func checkID(id string) string { return "service:" + id }

// ask asks the agent something, with the token as it is now. The error is a refusedError if the agent answered.
func (a *agent) ask(ctx context.Context, question func(*api.Agent, *api.QueryOptions) error) error {
	ctx, cancel := context.WithTimeout(ctx, agentTimeout)
	defer cancel()
	err := a.store.open()
	if err != nil {
		return err
	}
	token, err := a.store.token()
	if err != nil {
		return err
	}
	err = question(a.store.client.Agent(), (&api.QueryOptions{Token: token}).WithContext(ctx))
	_, refused := errors.AsType[api.StatusError](err)
	switch {
	case err == nil:
		return nil
	case refused:
		return refusedError{plain(err)}
	}
	a.store.rest()
	if ctx.Err() != nil {
		return errors.New("no answer in time")
	}
	return plain(err)
}

// close ends the connections.
func (a *agent) close() { a.store.rest() }

// refusedError is why an agent does not do what it was asked: the next thing it may well do.
type refusedError struct{ error }
