package cborwire

import (
	"reflect"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/berthhq/berth/internal/awswire/shape/cloudwatch"
)

// The encoder writes the lists below the top of an answer that AWS writes when they are empty, whatever the action has
// set.
func TestEmptyListsOfAWS(t *testing.T) {
	out := cloudwatch.GetMetricDataOutput{MetricDataResults: []cloudwatch.MetricDataResult{{}}}
	data, err := Encode(reflect.ValueOf(&out).Elem(), structOf(t, reflect.TypeOf(out)))
	if err != nil {
		t.Fatal(err)
	}
	text, err := cbor.Diagnose(data)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"MetricDataResults": [{"Values": [], "Timestamps": []}]}`; text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}
