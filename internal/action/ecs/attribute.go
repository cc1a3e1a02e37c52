package ecs

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
)

// maxCustomAttributes bounds the attributes that callers put on an instance; those of the agent and of the platform do not count (ecs.md 1.3.9).
const maxCustomAttributes = 10

var (
	attributeName  = regexp.MustCompile(`^[A-Za-z0-9_\-./\\]{1,128}$`)
	attributeValue = regexp.MustCompile(`^[A-Za-z0-9_\-./\\@:]([A-Za-z0-9_\-./\\@: ]{0,126}[A-Za-z0-9_\-./\\@:])?$`)
)

func (a *api) putAttributes(ctx context.Context, call *awswire.Call, in *shape.PutAttributesInput) (*shape.PutAttributesOutput, error) {
	if len(in.Attributes) == 0 || len(in.Attributes) > 10 {
		return nil, invalid("Between 1 and 10 attributes must be given.")
	}
	for _, at := range in.Attributes {
		switch name := deref(at.Name); {
		case !attributeName.MatchString(name):
			return nil, invalid("Attribute name '%s' is not valid: use 1 to 128 letters, digits and _ - . / \\.", name)
		case strings.HasPrefix(name, "ecs.") || strings.HasPrefix(name, "com.amazonaws."):
			return nil, invalid("Attribute name '%s' is reserved.", name)
		case deref(at.Value) != "" && !attributeValue.MatchString(*at.Value):
			return nil, invalid("Attribute value '%s' is not valid: use up to 128 letters, digits, spaces inside and _ - . / \\ @ :.", *at.Value)
		}
	}
	out := &shape.PutAttributesOutput{Attributes: []shape.Attribute{}}
	err := a.changeAttributes(ctx, call, in.Cluster, in.Attributes, func(i *ecs.ContainerInstance, at shape.Attribute) error {
		i.Attributes = slices.DeleteFunc(slices.Clone(i.Attributes), func(o ecs.Attribute) bool { return o.Name == *at.Name })
		i.Attributes = append(i.Attributes, ecs.Attribute{Name: *at.Name, Value: deref(at.Value)})
		if customAttributes(i) > maxCustomAttributes {
			return fault.New("AttributeLimitExceededException", "A container instance may have at most %d custom attributes.", maxCustomAttributes)
		}
		out.Attributes = append(out.Attributes, shape.Attribute{Name: at.Name, Value: at.Value, TargetId: &i.ContainerInstanceARN, TargetType: "container-instance"})
		return nil
	})
	return out, err
}

func customAttributes(i *ecs.ContainerInstance) int {
	n := 0
	for _, a := range i.Attributes {
		if !strings.HasPrefix(a.Name, "ecs.") && !strings.HasPrefix(a.Name, "com.amazonaws.") {
			n++
		}
	}
	return n
}

func (a *api) deleteAttributes(ctx context.Context, call *awswire.Call, in *shape.DeleteAttributesInput) (*shape.DeleteAttributesOutput, error) {
	out := &shape.DeleteAttributesOutput{Attributes: []shape.Attribute{}}
	err := a.changeAttributes(ctx, call, in.Cluster, in.Attributes, func(i *ecs.ContainerInstance, at shape.Attribute) error {
		i.Attributes = slices.DeleteFunc(slices.Clone(i.Attributes), func(o ecs.Attribute) bool {
			gone := o.Name == deref(at.Name) && (at.Value == nil || o.Value == *at.Value)
			if gone {
				out.Attributes = append(out.Attributes, shape.Attribute{Name: &o.Name, Value: new(o.Value), TargetId: &i.ContainerInstanceARN, TargetType: "container-instance"})
			}
			return gone
		})
		return nil
	})
	return out, err
}

func (a *api) changeAttributes(ctx context.Context, call *awswire.Call, clusterRef *string, attributes []shape.Attribute, change func(*ecs.ContainerInstance, shape.Attribute) error) error {
	return a.store.Update(ctx, func(tx *state.Tx) error {
		c, err := cluster(&tx.Tables, call, clusterRef)
		if err != nil {
			return err
		}
		for _, at := range attributes {
			i, ok := tx.ContainerInstances.Get(inCluster(c, ecs.TypeContainerInstance, deref(at.TargetId)))
			if !ok {
				return fault.New("TargetNotFoundException", "The container instance '%s' was not found in the cluster.", deref(at.TargetId))
			}
			n := *i
			if err := change(&n, at); err != nil {
				return err
			}
			n.Version++
			tx.ContainerInstances.Put(&n)
		}
		return nil
	})
}

func (a *api) listAttributes(_ context.Context, call *awswire.Call, in *shape.ListAttributesInput) (*shape.ListAttributesOutput, error) {
	if in.AttributeValue != nil && in.AttributeName == nil {
		return nil, invalid("attributeValue needs an attributeName.")
	}
	snap := a.store.View()
	c, err := cluster(&snap.Tables, call, in.Cluster)
	if err != nil {
		return nil, err
	}
	// A line per attribute that sorts by instance, then name, and holds all of the answer.
	var lines []string
	for i := range snap.ContainerInstances.By(state.ByCluster, c.ClusterARN) {
		for _, at := range i.Attributes {
			if i.Present() && (in.AttributeName == nil || at.Name == *in.AttributeName) && (in.AttributeValue == nil || at.Value == *in.AttributeValue) {
				lines = append(lines, i.ContainerInstanceARN+"\x00"+at.Name+"\x00"+at.Value)
			}
		}
	}
	slices.Sort(lines)
	page, next, err := paged(call, lines, in.MaxResults, in.NextToken, 100, strings.Join([]string{c.ClusterARN, deref(in.AttributeName), deref(in.AttributeValue)}, "|"))
	out := &shape.ListAttributesOutput{Attributes: []shape.Attribute{}, NextToken: next}
	for _, l := range page {
		p := strings.SplitN(l, "\x00", 3)
		at := answerAttribute(ecs.Attribute{Name: p[1], Value: p[2]})
		at.TargetId, at.TargetType = &p[0], "container-instance"
		out.Attributes = append(out.Attributes, at)
	}
	return out, err
}
