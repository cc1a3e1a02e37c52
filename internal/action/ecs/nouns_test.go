package ecs

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/awswire/reshape"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/tag"
)

// Some nouns are converted as a whole. Each of their fields has a field in AWS's shape with the same name and
// type, so a caller gets back what it registered.
func TestNounsSurviveTheWire(t *testing.T) {
	t.Run("ContainerDefinition", survives[ecs.ContainerDefinition, shape.ContainerDefinition])
	t.Run("Volume", survives[ecs.Volume, shape.Volume])
	t.Run("RuntimePlatform", survives[ecs.RuntimePlatform, shape.RuntimePlatform])
	t.Run("Overrides", survives[ecs.Overrides, shape.TaskOverride])
	t.Run("PlacementConstraint", survives[ecs.PlacementConstraint, shape.PlacementConstraint])
	t.Run("PlacementStrategy", survives[ecs.PlacementStrategy, shape.PlacementStrategy])
	t.Run("NetworkConfiguration", survives[ecs.NetworkConfiguration, shape.NetworkConfiguration])
	t.Run("LoadBalancer", survives[ecs.LoadBalancer, shape.LoadBalancer])
	t.Run("CircuitBreaker", survives[ecs.CircuitBreaker, shape.DeploymentCircuitBreaker])
	t.Run("ClusterConfiguration", survives[ecs.ClusterConfiguration, shape.ClusterConfiguration])
	t.Run("Setting", survives[ecs.Setting, shape.ClusterSetting])
}

// A tag of ECS is a key and a value. Propagate is for Auto Scaling groups only.
func TestTagsSurviveTheWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := tag.Tag{Key: rapid.String().Draw(t, "key"), Value: rapid.String().Draw(t, "value")}
		got, err := parsed[tag.Tag](reshape.Out[shape.Tag](want))
		if err != nil || got != want {
			t.Fatalf("%+v came back as %+v, %v", want, got, err)
		}
	})
}

func survives[Noun, Shape any](t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want Noun
		fill(t, "noun", reflect.ValueOf(&want).Elem())
		got, err := parsed[Noun](reshape.Out[Shape](want))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v came back as %+v, %v", want, got, err)
		}
	})
}

// fill draws a value of any type that nouns are made of. Numbers are within 32 bits, as on the wire.
func fill(t *rapid.T, label string, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(rapid.StringN(0, 4, -1).Draw(t, label))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, label))
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(int64(rapid.Int32().Draw(t, label)))
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "has "+label) {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, label, v.Elem())
		}
	case reflect.Slice:
		if n := rapid.IntRange(0, 2).Draw(t, "len "+label); n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				fill(t, label, v.Index(i))
			}
		}
	case reflect.Map:
		if n := rapid.IntRange(0, 2).Draw(t, "len "+label); n > 0 {
			v.Set(reflect.MakeMap(v.Type()))
			for i := range n {
				e := reflect.New(v.Type().Elem()).Elem()
				fill(t, label, e)
				v.SetMapIndex(reflect.ValueOf(fmt.Sprint(i)), e)
			}
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(int64(rapid.Int32Range(1, 1<<30).Draw(t, label)), 0).UTC()))
			return
		}
		for i := range v.NumField() {
			fill(t, v.Type().Field(i).Name, v.Field(i))
		}
	default:
		t.Fatalf("nouns have no %s", v.Type())
	}
}
