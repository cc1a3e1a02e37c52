package cli

import (
	"cmp"
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berthhq/berth/internal/quote"
)

// shapeOf is the annotation of a command's flag --json that lists the fields of the output.
const shapeOf = "shape"

// jsonFlag adds --json to a command whose output is a value of this type. --help lists the fields;
// docs/running.md lists them too, and a test compares both. Fields are never renamed, as programs read them.
func jsonFlag(c *cobra.Command, asJSON *bool, value any) {
	c.Flags().BoolVar(asJSON, "json", false, "print JSON")
	c.Flags().Lookup("json").Annotations = map[string][]string{shapeOf: {shape(reflect.TypeOf(value))}}
}

// jsonShape returns the fields of a command's JSON, or "" when it has no flag --json.
func jsonShape(c *cobra.Command) string {
	f := c.Flags().Lookup("json")
	if f == nil || len(f.Annotations[shapeOf]) == 0 {
		return ""
	}
	return f.Annotations[shapeOf][0]
}

// shape lists the names of a type's fields in JSON: "{Name, Tasks [{ID}]}".
func shape(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return shape(t.Elem())
	case reflect.Slice:
		return "[" + shape(t.Elem()) + "]"
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			return ""
		}
		return "{" + strings.Join(fields(t), ", ") + "}"
	}
	return ""
}

func fields(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag := strings.Split(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			names = append(names, fields(f.Type)...)
		case f.IsExported() && tag[0] != "-":
			names = append(names, strings.TrimSpace(cmp.Or(tag[0], f.Name)+" "+shape(f.Type)))
		}
	}
	return names
}

// printJSON prints a value as --json shows it. Lists and maps without elements are [] and {}, not null.
func printJSON(w io.Writer, v any) error {
	text, err := json.MarshalIndent(withoutNil(reflect.ValueOf(v)).Interface(), "", "  ")
	return writeJSON(w, text, err)
}

// printJSONLine prints a value on one line.
func printJSONLine(w io.Writer, v any) error {
	text, err := json.Marshal(v)
	return writeJSON(w, text, err)
}

// withoutNil returns a copy of a value in which nil slices and maps, at any depth, are empty ones. The types must
// be those of commands' output: structs of exported fields, slices, maps and plain values.
func withoutNil(v reflect.Value) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			out.Set(reflect.New(v.Type().Elem()))
			out.Elem().Set(withoutNil(v.Elem()))
		}
	case reflect.Slice:
		out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			out.Index(i).Set(withoutNil(v.Index(i)))
		}
	case reflect.Map:
		out.Set(reflect.MakeMap(v.Type()))
		for key, value := range v.Seq2() {
			out.SetMapIndex(key, withoutNil(value))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out.Field(i).Set(withoutNil(v.Field(i)))
			}
		}
	}
	return out
}

func writeJSON(w io.Writer, text []byte, err error) error {
	if err != nil {
		return err
	}
	_, err = w.Write(append(quote.JSON(text), '\n'))
	return err
}
