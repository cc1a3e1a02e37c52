package awswire

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/berthhq/berth/internal/awswire/schema"
)

// Protocol is how a service is spoken to.
type Protocol int

// The protocols of the front desk.
const (
	JSON10 Protocol = iota + 1
	JSON11
	Query
	EC2Query
)

func (p Protocol) isJSON() bool { return p == JSON10 || p == JSON11 }

// format is where the names of a protocol's members are found in the tags.
func (p Protocol) format() schema.Format {
	if p.isJSON() {
		return schema.JSON
	}
	return schema.Query
}

// Service is one AWS API. The generated shape packages have its constants.
type Service struct {
	Name         string // in the signature's scope: "ecs", "elasticloadbalancing", …
	Protocol     Protocol
	TargetPrefix string // JSON: what stands before the dot in X-Amz-Target
	Version      string // Query: the API's date
	Namespace    string // Query: the XML namespace of answers
	Operations   []Operation

	// ValidationCode is the code of a fault about an input that was understood but is not right: a missing member, a value
	// outside its enum, an unknown member. "" is ValidationException in JSON and ValidationError in Query; EC2 has its own codes.
	ValidationCode string
	// RefusalCode is the code of a fault about a member that the operation does not implement; "" is ValidationCode.
	RefusalCode string
	// TokenCode is the code of a fault about a page token; "" is ValidationCode.
	TokenCode string
	// TokenName is the member that holds a page token, as its fault names it; "" is nextToken.
	TokenName string
	// MaxBody is the size of the largest body in bytes; 0 is DefaultMaxBody.
	MaxBody int64
}

// Operation is one action of a service; Op makes it.
type Operation struct {
	name    string
	refuses []string
	in, out reflect.Type
	enums   func(string) []string
	run     func(context.Context, *Call, any) (any, error)
}

// Op makes the operation called name of a function. I and O are generated shapes, or structs with the same tags. An error that
// is a *fault.Error is told to the caller, any other is logged and told as AWS's internal fault. A nil output is an empty one.
func Op[I, O any](name string, fn func(context.Context, *Call, *I) (*O, error)) Operation {
	op := Operation{name: name, in: reflect.TypeFor[I](), out: reflect.TypeFor[O]()}
	if e, ok := any(new(I)).(interface{ EnumValues(string) []string }); ok {
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

// Name is the name of the action.
func (o Operation) Name() string { return o.name }

// Refuses returns the operation with members that it does not implement, by their wire names: "a", "a.b", "list[].member",
// "map{}.member". A call that sets one to more than false, 0, "" or an empty collection is refused with a fault that names it.
func (o Operation) Refuses(members ...string) Operation {
	o.refuses = append(o.refuses[:len(o.refuses):len(o.refuses)], members...)
	return o
}

// Accepts returns the operation with values that its shapes do not list for an enum, so that the action refuses them in AWS's
// own words.
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

// service is a Service with its shapes read.
type service struct {
	Service
	operations map[string]*operation
}

type operation struct {
	Operation
	input, output *schema.Struct
	refused       *schema.Refusals
}

func compile(s Service, cache *schema.Cache) (*service, error) {
	if s.Protocol < JSON10 || s.Protocol > EC2Query {
		return nil, fmt.Errorf("no protocol %d", s.Protocol)
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
		if op.refused, err = op.input.Refuse(s.Protocol.format(), o.refuses...); err != nil {
			return nil, fmt.Errorf("%s: %w", o.name, err)
		}
		c.operations[o.name] = op
	}
	return c, nil
}
