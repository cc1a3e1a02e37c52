package awswire

import (
	"context"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/berthhq/berth/internal/awswire/shape"
	"github.com/berthhq/berth/internal/fault"
)

// Absent returns operations that list what cannot exist here. Tools call such operations on their
// own, for instance to check that nothing is left to delete, so they return an empty list. If a
// caller names certain things, the answer is AWS's error for things that do not exist.
func Absent(list []shape.Absent) []Operation {
	var ops []Operation
	for _, a := range list {
		op := Operation{name: a.Name, in: reflect.TypeOf(a.In), out: reflect.TypeOf(a.Out), support: ListsNothing}
		if e, ok := reflect.New(op.in).Interface().(enumValues); ok {
			op.enums = e.EnumValues
		}
		op.run = func(_ context.Context, _ *Call, in any) (any, error) {
			for _, u := range a.Unknown {
				if first := firstText(reflect.ValueOf(in).Elem().FieldByName(u.Member)); first != "" {
					return nil, fault.New(u.Code, "The %s '%s' does not exist", kindOf(u.Member), first)
				}
			}
			return emptyLists(op.out), nil
		}
		ops = append(ops, op)
	}
	return ops
}

// kindOf returns the kind of thing that a member names, as EC2's messages write it: "vpnGateway ID"
// for VpnGatewayIds.
func kindOf(member string) string {
	first, n := utf8.DecodeRuneInString(member)
	kind := strings.TrimSuffix(string(unicode.ToLower(first))+member[n:], "s")
	if what, isID := strings.CutSuffix(kind, "Id"); isID {
		return what + " ID"
	}
	return kind
}

// firstText returns a string, or the first one of a list.
func firstText(v reflect.Value) string {
	if v.Kind() == reflect.Slice && v.Len() > 0 {
		v = v.Index(0)
	}
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Kind() != reflect.String {
		return ""
	}
	return v.String()
}

// emptyLists returns an output in which every list is present and empty, and which is the last
// page.
func emptyLists(output reflect.Type) any {
	out := reflect.New(output)
	for i := range output.NumField() {
		switch f := out.Elem().Field(i); {
		case f.Kind() == reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 0, 0))
		case output.Field(i).Name == "IsTruncated":
			f.Set(reflect.ValueOf(new(bool)))
		}
	}
	return out.Interface()
}
