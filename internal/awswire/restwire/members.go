package restwire

import (
	"net/http"
	"net/url"
	"reflect"
	"strings"

	"github.com/berthhq/berth/internal/awswire/schema"
	"github.com/berthhq/berth/internal/awswire/textwire"
)

// Request has the parts of a request other than its body.
type Request struct {
	Labels map[string]string
	Query  url.Values
	Header http.Header
}

// Decode reads the members that are not in the body into dst, a settable struct described by s. enums returns the
// values of an enum by its name; if it is nil, enums are not checked. Parameters of the query string that belong to no
// member are problems, except those that aboutTheCall returns true for. Problems have the names that members have in
// format.
func Decode(
	r Request, dst reflect.Value, s *schema.Struct, format schema.Format, enums func(string) []string,
) []schema.Problem {
	d := decoder{enums: enums}
	known := map[string]bool{}
	for i := range s.Fields {
		f := &s.Fields[i]
		fv, path := dst.Field(f.Index), schema.Path{}.Member(f.WireName(format))
		switch f.HTTP.In {
		case schema.InLabel:
			d.texts([]string{r.Labels[f.HTTP.Name]}, fv, f.Type, path)
		case schema.InQuery:
			known[f.HTTP.Name] = true
			d.texts(r.Query[f.HTTP.Name], fv, f.Type, path)
		case schema.InHeader:
			values := r.Header.Values(f.HTTP.Name)
			if f.Type.Kind == schema.List && len(values) > 0 {
				values = splitList(values, f.Type.Elem.Kind == schema.Time)
			}
			d.texts(values, fv, f.Type, path)
		case schema.InPrefix:
			d.prefixed(r.Header, f.HTTP.Name, fv)
		}
	}
	for name := range r.Query {
		if !known[name] && !s.Fixed[name] && !aboutTheCall(name) {
			d.problems = append(d.problems, schema.Problem{Kind: schema.Unknown, Path: schema.Path{}.Member(name)})
		}
	}
	return d.problems
}

// aboutTheCall reports whether a parameter is no member: it is part of a presigned URL, or names the operation for
// logs.
func aboutTheCall(name string) bool {
	return strings.HasPrefix(name, "X-Amz-") || strings.EqualFold(name, "x-id")
}

// splitList returns the values of a list in header fields. They are separated by commas. A date has a comma in itself.
func splitList(fields []string, dates bool) (values []string) {
	for _, field := range fields {
		parts := strings.Split(field, ",")
		for i := 0; i < len(parts); i++ {
			part := parts[i]
			if dates && i+1 < len(parts) {
				i++
				part += "," + parts[i]
			}
			values = append(values, strings.Trim(strings.TrimSpace(part), `"`))
		}
	}
	return values
}

type decoder struct {
	enums    func(string) []string
	problems []schema.Problem
}

// texts reads the values of one member. If there are none, the member is absent.
func (d *decoder) texts(values []string, dst reflect.Value, t *schema.Type, path schema.Path) {
	if len(values) == 0 {
		return
	}
	if t.Kind == schema.List {
		list := reflect.MakeSlice(dst.Type(), len(values), len(values))
		for i, text := range values {
			d.set(list.Index(i), t.Elem, text, path.Item(i))
		}
		dst.Set(list)
		return
	}
	if len(values) > 1 {
		d.problems = append(d.problems, schema.Problem{Kind: schema.Malformed, Path: path,
			Have: "the parameter '" + path.String() + "' is given more than once"})
	}
	d.set(dst, t, values[0], path)
}

func (d *decoder) set(dst reflect.Value, t *schema.Type, text string, path schema.Path) {
	target := dst
	if dst.Kind() == reflect.Pointer {
		target = reflect.New(dst.Type().Elem()).Elem()
	}
	if p := textwire.Set(target, t, text, d.enums); p != nil {
		p.Path = path
		d.problems = append(d.problems, *p)
		return
	}
	if dst.Kind() == reflect.Pointer {
		dst.Set(target.Addr())
	}
}

// prefixed reads the header fields whose names begin with a prefix into a map of strings.
func (d *decoder) prefixed(header http.Header, prefix string, dst reflect.Value) {
	found := map[string]string{}
	for name, values := range header {
		if rest, ok := strings.CutPrefix(strings.ToLower(name), strings.ToLower(prefix)); ok && rest != "" {
			found[rest] = strings.Join(values, ",")
		}
	}
	if len(found) > 0 {
		dst.Set(reflect.ValueOf(found))
	}
}

// Encode returns the members of v, a struct described by s, that are not in the body: header fields and the status of
// the answer. status is 0 if no member has it.
func Encode(v reflect.Value, s *schema.Struct) (header map[string]string, status int) {
	header = map[string]string{}
	for i := range s.Fields {
		f := &s.Fields[i]
		fv := v.Field(f.Index)
		if fv.IsZero() {
			continue
		}
		switch f.HTTP.In {
		case schema.InHeader:
			header[f.HTTP.Name] = headerText(fv, f.Type)
		case schema.InPrefix:
			for it := fv.MapRange(); it.Next(); {
				header[f.HTTP.Name+it.Key().String()] = it.Value().String()
			}
		case schema.InStatus:
			status = int(reflect.Indirect(fv).Int())
		}
	}
	return header, status
}

func headerText(v reflect.Value, t *schema.Type) string {
	v = reflect.Indirect(v)
	switch t.Kind {
	case schema.Time:
		return v.Interface().(interface{ Format(string) string }).Format(http.TimeFormat)
	case schema.List:
		texts := make([]string, v.Len())
		for i := range texts {
			texts[i] = headerText(v.Index(i), t.Elem)
		}
		return strings.Join(texts, ", ")
	}
	return textwire.Text(v, t)
}
