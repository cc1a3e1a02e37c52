package awswire

import (
	"reflect"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/awswire/schema"
)

// maxResources is how many names of one member are recorded.
const maxResources = 10

// resources returns the names, IDs and ARNs at the top of the input, by member. Other members are
// left out, since they may be secret.
func (x *inflight) resources() map[string][]string {
	if x.in == nil {
		return nil
	}
	found := map[string][]string{}
	v := reflect.ValueOf(x.in).Elem()
	for i := range x.op.input.Fields {
		f := &x.op.input.Fields[i]
		name := f.WireName(x.protocol.format())
		if !namesResource(name) {
			continue
		}
		if texts := textsOf(v.Field(f.Index), f.Type); len(texts) > 0 {
			found[name] = texts
		}
	}
	return found
}

// textsOf returns the text of a string, or of the first strings of a list.
func textsOf(v reflect.Value, t *schema.Type) (texts []string) {
	if v.IsZero() {
		return nil
	}
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch {
	case t.Kind == schema.String:
		return []string{v.String()}
	case t.Kind == schema.List && t.Elem.Kind == schema.String:
		for i := range min(v.Len(), maxResources) {
			texts = append(texts, v.Index(i).String())
		}
	}
	return texts
}

// namesResource reports whether a member identifies what a call is about.
func namesResource(member string) bool {
	member = strings.ToLower(member[:min(1, len(member))]) + member[min(1, len(member)):]
	if member == "externalId" { // in AssumeRole it is a shared secret
		return false
	}
	known := []string{"arn", "name", "names", "cluster", "service", "task", "taskDefinition", "family",
		"containerInstance", "containerInstances", "resources"}
	return slices.Contains(known, member) || slices.ContainsFunc(
		[]string{"Arn", "ARN", "Arns", "ARNs", "Name", "Names", "Id", "Ids"}, func(end string) bool {
			return strings.HasSuffix(member, end)
		})
}
