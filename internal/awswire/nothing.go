package awswire

import (
	"context"
	"reflect"

	"github.com/berthhq/berth/internal/fault"
)

// Unknown is the fault of a call that asks for a certain thing of a kind that never exists here.
type Unknown struct {
	Member  string // the input's field that names things: a string or a list of strings
	Code    string
	Message string // with %s for the first name
}

// Nothing makes the operation that lists things of a kind that cannot exist here. Tools call such
// operations unasked, for instance to learn that nothing is left to delete, so the answer is an
// empty list. Asking for certain things by name is the fault of those that do not exist.
func Nothing[I, O any](name string, unknown ...Unknown) Operation {
	return Op(name, func(_ context.Context, _ *Call, in *I) (*O, error) {
		for _, u := range unknown {
			if first := firstText(reflect.ValueOf(in).Elem().FieldByName(u.Member)); first != "" {
				return nil, fault.New(u.Code, u.Message, first)
			}
		}
		return emptyLists[O](), nil
	})
}

// firstText is a string, or the first one of a list.
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

// emptyLists is an output whose lists are all there and empty.
func emptyLists[O any]() *O {
	out := new(O)
	v := reflect.ValueOf(out).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); {
		case f.Kind() == reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 0, 0))
		case v.Type().Field(i).Name == "IsTruncated":
			f.Set(reflect.ValueOf(new(bool)))
		}
	}
	return out
}
