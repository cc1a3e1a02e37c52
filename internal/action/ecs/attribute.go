package ecs

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
)

// maxCustomAttributes bounds the attributes that callers put on an instance; those of the agent and
// of the platform do not count (ecs.md 1.3.9).
const maxCustomAttributes = 10

var (
	attributeName  = regexp.MustCompile(`^[A-Za-z0-9_\-./\\]{1,128}$`)
	attributeValue = regexp.MustCompile(`^[A-Za-z0-9_\-./\\@:]([A-Za-z0-9_\-./\\@: ]{0,126}[A-Za-z0-9_\-./\\@:])?$`)
)

func (a *api) putAttributes(
	ctx context.Context, call *awswire.Call, in *shape.PutAttributesInput,
) (*shape.PutAttributesOutput, error) {
	if err := batch("Attributes", len(in.Attributes), 10); err != nil {
		return nil, err
	}
	for _, at := range in.Attributes {
		switch name := request.Value(at.Name); {
		case !attributeName.MatchString(name):
			return nil, invalid("Attribute name '%s' is not valid: use 1 to 128 letters, digits and _ - . / \\.", name)
		case builtIn(name):
			return nil, invalid("Attribute name '%s' is reserved.", name)
		case request.Value(at.Value) != "" && !attributeValue.MatchString(*at.Value):
			return nil, invalid("Attribute value '%s' is not valid: use up to 128 letters, digits, spaces "+
				"inside and _ - . / \\ @ :.", *at.Value)
		}
	}
	out := &shape.PutAttributesOutput{}
	err := a.changeAttributes(ctx, call, in.Cluster, in.Attributes,
		func(i *ecs.ContainerInstance, at shape.Attribute) error {
			i.Attributes = slices.DeleteFunc(slices.Clone(i.Attributes),
				func(o ecs.Attribute) bool { return o.Name == *at.Name })
			i.Attributes = append(i.Attributes, ecs.Attribute{Name: *at.Name, Value: request.Value(at.Value)})
			if customAttributes(i) > maxCustomAttributes {
				return fault.New("AttributeLimitExceededException",
					"A container instance may have at most %d custom attributes.", maxCustomAttributes)
			}
			out.Attributes = append(out.Attributes,
				answerTarget(i, ecs.Attribute{Name: *at.Name, Value: request.Value(at.Value)}))
			return nil
		})
	return out, err
}

func customAttributes(i *ecs.ContainerInstance) int {
	n := 0
	for _, a := range i.Attributes {
		if !builtIn(a.Name) {
			n++
		}
	}
	return n
}

// builtIn reports whether the agent or the platform gives the attribute: callers neither put nor
// delete it (ecs.md 1.3.8).
func builtIn(name string) bool {
	return strings.HasPrefix(name, "ecs.") || strings.HasPrefix(name, "com.amazonaws.")
}

func (a *api) deleteAttributes(
	ctx context.Context, call *awswire.Call, in *shape.DeleteAttributesInput,
) (*shape.DeleteAttributesOutput, error) {
	if err := batch("Attributes", len(in.Attributes), 10); err != nil {
		return nil, err
	}
	for _, at := range in.Attributes {
		if builtIn(request.Value(at.Name)) {
			return nil, invalid("Attribute name '%s' is reserved.", *at.Name)
		}
	}
	out := &shape.DeleteAttributesOutput{}
	err := a.changeAttributes(ctx, call, in.Cluster, in.Attributes,
		func(i *ecs.ContainerInstance, at shape.Attribute) error {
			i.Attributes = slices.DeleteFunc(slices.Clone(i.Attributes), func(o ecs.Attribute) bool {
				gone := o.Name == request.Value(at.Name) && (at.Value == nil || o.Value == *at.Value)
				if gone {
					out.Attributes = append(out.Attributes, answerTarget(i, o))
				}
				return gone
			})
			return nil
		})
	return out, err
}

func (a *api) changeAttributes(ctx context.Context, call *awswire.Call, clusterRef *string,
	attributes []shape.Attribute, change func(*ecs.ContainerInstance, shape.Attribute) error) error {
	return a.store.Update(ctx, func(tx *state.Tx) error {
		c, err := cluster(&tx.Tables, call, clusterRef)
		if err != nil {
			return err
		}
		for _, at := range attributes {
			i, _, ok := instanceIn(&tx.Tables, c, request.Value(at.TargetId))
			if !ok {
				return fault.New("TargetNotFoundException",
					"The container instance '%s' was not found in the cluster.", request.Value(at.TargetId))
			}
			n := *i
			if err := change(&n, at); err != nil {
				return err
			}
			if !slices.Equal(n.Attributes, i.Attributes) {
				n.Version++
				tx.ContainerInstances.Put(&n)
			}
		}
		return nil
	})
}

func (a *api) listAttributes(
	_ context.Context, call *awswire.Call, in *shape.ListAttributesInput,
) (*shape.ListAttributesOutput, error) {
	if in.AttributeValue != nil && in.AttributeName == nil {
		return nil, invalid("attributeValue needs an attributeName.")
	}
	snap := a.store.View()
	c, err := cluster(&snap.Tables, call, in.Cluster)
	if err != nil {
		return nil, err
	}
	var list []shape.Attribute
	for i := range snap.ContainerInstances.By(state.ContainerInstancesByCluster, c.ClusterARN) {
		for _, at := range i.Attributes {
			if i.Present() && (in.AttributeName == nil || at.Name == *in.AttributeName) &&
				(in.AttributeValue == nil || at.Value == *in.AttributeValue) {
				list = append(list, answerTarget(i, at))
			}
		}
	}
	key := func(a shape.Attribute) string { return *a.TargetId + "\x00" + *a.Name }
	page, next, err := request.Page(call, pages.Ask(in.MaxResults, in.NextToken), list, key,
		c.ClusterARN, request.Value(in.AttributeName), request.Value(in.AttributeValue))
	return &shape.ListAttributesOutput{Attributes: page, NextToken: next}, err
}

// answerTarget is an attribute with the instance that has it.
func answerTarget(i *ecs.ContainerInstance, a ecs.Attribute) shape.Attribute {
	out := answerAttribute(a)
	out.TargetId, out.TargetType = &i.ContainerInstanceARN, "container-instance"
	return out
}
