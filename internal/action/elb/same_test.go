package elb

import (
	"reflect"
	"slices"
	"testing"

	"github.com/berthhq/berth/internal/elb"
)

// A call that repeats an earlier one changes nothing, and one with other settings is refused (alb.md L1, T8). So a
// member that a call can set must be compared: a new one belongs in the comparison, or here with the reason why not.
func TestEverySettingIsCompared(t *testing.T) {
	compare(t, sameLoadBalancer, "ARN", "Name", "DNSName", "VPCID", "Created", "Slot", // made by the call, or the key
		"Attributes") // ModifyLoadBalancerAttributes sets them
	compare(t, sameTargetGroup, "ARN", "Name", "Created", "ProtocolVersion", "IPAddressType", // have one value
		"Attributes") // ModifyTargetGroupAttributes sets them
	compare(t, func(a, b *elb.Action) bool { return sameActions([]elb.Action{*a}, []elb.Action{*b}) })
	compare(t, func(a, b *elb.Forward) bool {
		return sameActions([]elb.Action{{Forward: a}}, []elb.Action{{Forward: b}})
	})
}

// compare fails for each field of T in which two values differ that same finds equal, other than those that are left
// out, and for each that is left out and compared.
func compare[T any](t *testing.T, same func(a, b *T) bool, leftOut ...string) {
	t.Helper()
	for i := range reflect.TypeFor[T]().NumField() {
		var a, b T
		field := reflect.TypeFor[T]().Field(i)
		change(t, reflect.ValueOf(&b).Elem().Field(i))
		if equal := same(&a, &b); equal != slices.Contains(leftOut, field.Name) {
			t.Errorf("%T: with another %s they are the same: %t", a, field.Name, equal)
		}
	}
}

// change sets a value to another one than its zero value.
func change(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				change(t, v.Field(i))
				return
			}
		}
	default:
		t.Fatalf("no other value of %s", v.Type())
	}
}
