// Package schema reads the tags of the generated shapes: the names of members in each format, their types, and which
// are required. The packages that decode and encode shapes (jsonwire, cborwire, querywire, xmlwire, restwire) use it.
//
// The tags of a shape's fields:
//
//	json:"clusterName"            the member's name in JSON and CBOR
//	json:"filters,omitempty"      an empty list at the top of an answer is left out; others are written
//	query:"Filter,flat"           its name as a Query parameter; flat: the number follows the name (Filter.1.Name)
//	query:"Tags,item=member"      the word between the name of a list and the number (Tags.member.1.Key)
//	xml:"Params,entry=entry,key=key,value=value"   the names of the elements that a map consists of
//	xml:"tagSet,item=item,omitempty"   an empty list is left out of answers; other empty lists are written
//	http:"label", http:"query=name", http:"header=Name", http:"prefix=x-amz-meta-", http:"payload", http:"status"
//	                              REST: the member is not in the body. It is in the path (under its name), in the
//	                              query string, in a header field, or in all header fields with a prefix; or it is
//	                              the whole body, or the status of an answer
//	http:"POST /zones/{Id} 201"   REST, on a blank field of an input: the operation's method, path and status
//	xml:"CreateZoneResponse"      REST, on a blank field: the root element of the body
//	enum:"LaunchType"             the enum that the string (or each string of a list or map) belongs to
//	required:"true"               requests without it are refused
//	shape:"union"                 on a blank field: exactly one of the struct's members is set
//
// A Cache is safe for concurrent use. What it returns never changes.
package schema

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"
)

// Kind is the kind of a member's value.
type Kind int

// The kinds of members.
const (
	String Kind = iota + 1
	Bool
	Integer // int32 or int64, see Type.Bits
	Float   // float32 or float64
	Time
	Blob
	List
	Map // keys are strings
	Structure
	Any // a document of any form; JSON only
)

// Type is the type of a member, or of a list's or map's elements.
type Type struct {
	Kind   Kind
	Bits   int     // of Integer and Float
	Enum   string  // of String: the name of its enum, "" if it may have any value
	Elem   *Type   // of List and Map
	Struct *Struct // of Structure
}

// Names are a member's names in Query or XML.
type Names struct {
	Name  string // "" when the format has no such member
	Flat  bool
	Item  string
	Entry string
	Key   string
	Value string
	// OmitEmpty leaves an empty list out of answers in XML; other empty lists are written.
	OmitEmpty bool
}

// Field is one member of a structure.
type Field struct {
	Index    int // of the Go struct's field
	Name     string
	Type     *Type
	Required bool
	JSON     string
	// OmitEmpty leaves an empty list at the top of an answer out in JSON and CBOR.
	OmitEmpty bool
	// WriteEmpty has an empty list below the top of an answer written in JSON and CBOR. Others are left out.
	WriteEmpty bool
	Query      Names
	XML        Names
	HTTP       Binding
}

// Struct is a structure's members in the order of their declaration.
type Struct struct {
	Name   string
	Union  bool
	Fields []Field
	// Route and Root are the tags http and xml of a blank field, in inputs and outputs of REST operations.
	Route, Root string
	// Body has the members that are in the body. It is the structure itself if all are.
	Body *Struct
	// Payload is the member that is the whole body, or nil.
	Payload *Field
	// Fixed are the parameters of the query string that are part of the route.
	Fixed map[string]bool

	byJSON, byQuery, byXML map[string]*Field
}

// Where says in which part of a request or an answer a member of a REST operation is.
type Where int

// The places of members.
const (
	InBody Where = iota
	InLabel
	InQuery
	InHeader
	InPrefix
	InPayload
	InStatus
)

// Binding says where a member is, and its name there.
type Binding struct {
	In   Where
	Name string
}

// Format is a format in which members have names.
type Format int

// The formats. CBOR has the names of JSON.
const (
	JSON Format = iota + 1
	Query
	XML
)

// Lookup finds a member by its exact name in a format.
func (s *Struct) Lookup(f Format, name string) (*Field, bool) {
	m := s.byJSON
	switch f {
	case Query:
		m = s.byQuery
	case XML:
		m = s.byXML
	}
	fd, ok := m[name]
	return fd, ok
}

// WireName returns the member's name in a format, "" when it has none.
func (f *Field) WireName(format Format) string {
	switch format {
	case Query:
		return f.Query.Name
	case XML:
		return f.XML.Name
	}
	return f.JSON
}

// Cache keeps the structures that it has read, so that shapes which several operations use are read once. The zero
// Cache is ready to use.
type Cache struct {
	mu      sync.Mutex
	structs map[reflect.Type]*Struct
}

// Of reads the Go struct type t and the types of its members. It returns an error for Go types that shapes do not have.
func (c *Cache) Of(t reflect.Type) (*Struct, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.structs == nil {
		c.structs = map[reflect.Type]*Struct{}
	}
	return c.structOf(t)
}

func (c *Cache) structOf(t reflect.Type) (*Struct, error) {
	if s, ok := c.structs[t]; ok {
		return s, nil
	}
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%s is not a struct", t)
	}
	s := &Struct{Name: t.Name()}
	c.structs[t] = s // before the members are read, since their types may contain t
	s.Fields = make([]Field, 0, t.NumField())
	for i := range t.NumField() {
		sf := t.Field(i)
		if sf.Name == "_" {
			s.Union = s.Union || sf.Tag.Get("shape") == "union"
			s.Route, s.Root = sf.Tag.Get("http"), sf.Tag.Get("xml")
			continue
		}
		f, err := c.field(sf, i)
		if err != nil {
			delete(c.structs, t)
			return nil, fmt.Errorf("%s.%s: %w", t, sf.Name, err)
		}
		s.Fields = append(s.Fields, f)
	}
	s.index()
	s.split()
	return s, nil
}

func (s *Struct) index() {
	s.byJSON, s.byQuery, s.byXML = map[string]*Field{}, map[string]*Field{}, map[string]*Field{}
	for i := range s.Fields {
		f := &s.Fields[i]
		s.byJSON[f.JSON], s.byQuery[f.Query.Name], s.byXML[f.XML.Name] = f, f, f
	}
	for _, m := range []map[string]*Field{s.byJSON, s.byQuery, s.byXML} {
		delete(m, "") // members that the format does not have
	}
}

// split sets Body, Payload and Fixed.
func (s *Struct) split() {
	s.Body, s.Fixed = s, map[string]bool{}
	_, query, _ := strings.Cut(s.Route, "?")
	query, _, _ = strings.Cut(query, " ")
	for pair := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		s.Fixed[name] = true
	}
	var body []Field
	for i := range s.Fields {
		switch f := &s.Fields[i]; f.HTTP.In {
		case InBody:
			body = append(body, *f)
		case InPayload:
			s.Payload = f
		}
	}
	if len(body) < len(s.Fields) {
		s.Body = &Struct{Name: s.Name, Fields: body}
		s.Body.index()
		s.Body.Body = s.Body
	}
}

func (c *Cache) field(sf reflect.StructField, index int) (Field, error) {
	f := Field{
		Index: index, Name: sf.Name,
		Query: parseNames(sf.Tag.Get("query")), XML: parseNames(sf.Tag.Get("xml")),
		Required: sf.Tag.Get("required") == "true",
	}
	name, options, _ := strings.Cut(sf.Tag.Get("json"), ",")
	f.JSON, f.OmitEmpty, f.WriteEmpty = name, options == "omitempty", options == "writeempty"
	where, at, _ := strings.Cut(sf.Tag.Get("http"), "=")
	f.HTTP = Binding{places[where], at}
	if f.HTTP.In == InLabel {
		f.HTTP.Name = cmp.Or(f.JSON, f.XML.Name)
	}
	var err error
	f.Type, err = c.typeOf(sf.Type, sf.Tag.Get("enum"))
	return f, err
}

// FillLists replaces nil lists at the top of an answer by empty ones, unless their tag says omitempty, because AWS's
// services with JSON write them. So actions need not do it. v is a struct described by s.
func (s *Struct) FillLists(v reflect.Value) {
	for i := range s.Fields {
		f := &s.Fields[i]
		if fv := v.Field(f.Index); f.Type.Kind == List && !f.OmitEmpty && fv.IsNil() {
			fv.Set(reflect.MakeSlice(fv.Type(), 0, 0))
		}
	}
}

var places = map[string]Where{
	"label": InLabel, "query": InQuery, "header": InHeader, "prefix": InPrefix, "payload": InPayload,
	"status": InStatus,
}

var (
	timeType = reflect.TypeFor[time.Time]()
	blobType = reflect.TypeFor[[]byte]()
	anyType  = reflect.TypeFor[any]()
)

func (c *Cache) typeOf(t reflect.Type, enum string) (*Type, error) {
	switch {
	case t.Kind() == reflect.Pointer:
		return c.typeOf(t.Elem(), enum)
	case t == timeType:
		return &Type{Kind: Time}, nil
	case t == blobType:
		return &Type{Kind: Blob}, nil
	case t == anyType:
		return &Type{Kind: Any}, nil
	}
	switch t.Kind() {
	case reflect.String:
		return &Type{Kind: String, Enum: enum}, nil
	case reflect.Bool:
		return &Type{Kind: Bool}, nil
	case reflect.Int32, reflect.Int64:
		return &Type{Kind: Integer, Bits: t.Bits()}, nil
	case reflect.Float32, reflect.Float64:
		return &Type{Kind: Float, Bits: t.Bits()}, nil
	case reflect.Struct:
		s, err := c.structOf(t)
		return &Type{Kind: Structure, Struct: s}, err
	case reflect.Slice:
		elem, err := c.typeOf(t.Elem(), enum)
		return &Type{Kind: List, Elem: elem}, err
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			return nil, fmt.Errorf("a map with keys of %s", t.Key())
		}
		elem, err := c.typeOf(t.Elem(), enum)
		return &Type{Kind: Map, Elem: elem}, err
	}
	return nil, fmt.Errorf("shapes have no members of type %s", t)
}

// parseNames reads name[,flat][,item=…][,entry=…][,key=…][,value=…].
func parseNames(tag string) Names {
	name, rest, _ := strings.Cut(tag, ",")
	n := Names{Name: name}
	for part := range strings.SplitSeq(rest, ",") {
		k, v, _ := strings.Cut(part, "=")
		switch k {
		case "flat":
			n.Flat = true
		case "omitempty":
			n.OmitEmpty = true
		case "item":
			n.Item = v
		case "entry":
			n.Entry = v
		case "key":
			n.Key = v
		case "value":
			n.Value = v
		}
	}
	return n
}
