package awswire

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/berthhq/berth/internal/awswire/restwire"
	"github.com/berthhq/berth/internal/awswire/schema"
)

// Service is one AWS API. The generated shape packages have its constants.
type Service struct {
	Name string // in the signature's scope: "ecs", "elasticloadbalancing", …
	// Protocols are those that clients may use. Refuses takes the names of the first one.
	Protocols    []Protocol
	TargetPrefix string // JSON: what stands before the dot in X-Amz-Target; CBOR: the service's name in the path
	Version      string // Query: the API's date
	Namespace    string // Query: the XML namespace of answers
	Operations   []Operation

	// ValidationCode is the code of an error about an input that could be decoded and is invalid: a
	// missing member, a value outside its enum, an unknown member. "" means ValidationException in
	// JSON and ValidationError in Query; EC2 has codes of its own.
	ValidationCode string
	// RefusalCode is the code of an error about a member that the operation does not implement; ""
	// means ValidationCode.
	RefusalCode string
	// QueryCodes maps codes to those that Query has instead; codes that are the same may be left
	// out.
	QueryCodes map[string]string
	// Statuses are the HTTP statuses of faults without one of their own, by code; other faults have
	// 400.
	Statuses map[string]int
	// TokenCode is the code of an error about a page token; "" means ValidationCode.
	TokenCode string
	// TokenName is the member with the page token, as its error names it; "" means nextToken.
	TokenName string
	// MaxBody is the size of the largest body in bytes; 0 means DefaultMaxBody.
	MaxBody int64
}

// Operation is one action of a service; Op makes it.
type Operation struct {
	name    string
	refuses []string
	in, out reflect.Type
	enums   func(string) []string
	run     func(context.Context, *Call, any) (any, error)
	support Support
}

// Support says how far an operation is implemented.
type Support int

// An operation does what AWS's does, or lists things that cannot exist here (Absent makes it), or refuses every call.
const (
	Works Support = iota
	ListsNothing
	Refused
)

// Op makes the operation with a name from a function. I and O are generated shapes, or structs with
// the same tags. The caller gets an error that is a *fault.Error; any other is logged, and the
// caller gets AWS's internal error. A nil output is an empty one.
func Op[I, O any](name string, fn func(context.Context, *Call, *I) (*O, error)) Operation {
	op := Operation{name: name, in: reflect.TypeFor[I](), out: reflect.TypeFor[O]()}
	if e, ok := any(new(I)).(enumValues); ok {
		op.enums = e.EnumValues
	}
	op.run = func(ctx context.Context, c *Call, in any) (any, error) {
		out, err := fn(ctx, c, in.(*I))
		if out == nil {
			out = new(O)
		}
		return out, err
	}
	return op
}

// enumValues is implemented by generated inputs.
type enumValues interface{ EnumValues(enum string) []string }

// Name returns the name of the action.
func (o Operation) Name() string { return o.name }

// Support returns how far the operation is implemented.
func (o Operation) Support() Support { return o.support }

// With returns the operation with another Support.
func (o Operation) With(s Support) Operation {
	o.support = s
	return o
}

// Refuses returns the operation with members that it does not implement, by their wire names: "a",
// "a.b", "list[].member", "map{}.member". A call that sets one to something other than false, 0, ""
// or an empty collection gets an error that names it.
func (o Operation) Refuses(members ...string) Operation {
	o.refuses = append(o.refuses[:len(o.refuses):len(o.refuses)], members...)
	return o
}

// Accepts returns the operation with values of an enum that its shapes do not list, so that the
// action can refuse them in AWS's words.
func (o Operation) Accepts(enum string, values ...string) Operation {
	listed := o.enums
	o.enums = func(name string) []string {
		if name != enum {
			return listed(name)
		}
		return slices.Concat(listed(name), values)
	}
	return o
}

// service is a Service with its compiled shapes.
type service struct {
	Service
	operations map[string]*operation
}

type operation struct {
	Operation
	input, output *schema.Struct
	refused       *schema.Refusals
	route         *restwire.Route // of a REST operation; nil for others
}

func compile(s Service, cache *schema.Cache) (*service, error) {
	if len(s.Protocols) == 0 {
		return nil, errors.New("no protocol")
	}
	if s.MaxBody == 0 {
		s.MaxBody = DefaultMaxBody
	}
	c := &service{Service: s, operations: make(map[string]*operation, len(s.Operations))}
	for _, o := range s.Operations {
		if c.operations[o.name] != nil {
			return nil, fmt.Errorf("two operations %s", o.name)
		}
		op := &operation{Operation: o}
		var err error
		if op.input, err = cache.Of(o.in); err != nil {
			return nil, fmt.Errorf("%s: %w", o.name, err)
		}
		if op.output, err = cache.Of(o.out); err != nil {
			return nil, fmt.Errorf("%s: %w", o.name, err)
		}
		if op.refused, err = op.input.Refuse(s.Protocols[0].format(), o.refuses...); err != nil {
			return nil, fmt.Errorf("%s: %w", o.name, err)
		}
		if op.input.Route != "" {
			if op.route, err = restwire.ParseRoute(op.input.Route); err != nil {
				return nil, fmt.Errorf("%s: %w", o.name, err)
			}
		} else if _, rest := s.Protocols[0].(restProtocol); rest {
			return nil, fmt.Errorf("%s: an operation of REST without a route", o.name)
		}
		c.operations[o.name] = op
	}
	return c, nil
}
