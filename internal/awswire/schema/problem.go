package schema

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ProblemKind says what is wrong with a part of a request.
type ProblemKind int

// The kinds of problems.
const (
	// Malformed: the text is not in the format at all. Have says where and why.
	Malformed ProblemKind = iota + 1
	// WrongType: the value has the type Have, and Want is the right one.
	WrongType
	// Unknown: there is no member of this name. Want is a member with a similar name, if there is one.
	Unknown
	// Missing: a required member is absent.
	Missing
	// BadEnum: Have is not one of Allowed.
	BadEnum
	// NotUnion: a union does not have exactly one member.
	NotUnion
	// Refused: the member exists, but the operation does not implement it.
	Refused
)

// Problem is one thing that is wrong with a request. Each service has its own rules for making a fault of it.
type Problem struct {
	Kind    ProblemKind
	Path    Path
	Have    string
	Want    string
	Allowed []string
}

// Path says where in a request a part of it is. Each step goes to a member or to an item of a list.
type Path []Step

// Step is the name of a member or the key of a map, or a position in a list, counted from 0.
type Step struct {
	Name string
	At   int // the position, if Name is ""
}

// Member returns the path to a member of the structure that p leads to. It never shares memory with p.
func (p Path) Member(name string) Path { return append(slices.Clip(p), Step{Name: name}) }

// Item returns the path to an item of the list that p leads to.
func (p Path) Item(at int) Path { return append(slices.Clip(p), Step{At: at}) }

// String returns the path as Go and JavaScript would write it: containerDefinitions[0].name.
func (p Path) String() string {
	var b strings.Builder
	for i, s := range p {
		switch {
		case s.Name == "":
			b.WriteString("[" + strconv.Itoa(s.At) + "]")
		case i > 0:
			b.WriteString("." + s.Name)
		default:
			b.WriteString(s.Name)
		}
	}
	return b.String()
}

// Constraint returns the path as AWS's validation messages write it: containerDefinitions.1.member.name, with first
// letters in lower case.
func (p Path) Constraint() string {
	parts := make([]string, len(p))
	for i, s := range p {
		if s.Name == "" {
			parts[i] = strconv.Itoa(s.At+1) + ".member"
		} else {
			parts[i] = lowerFirst(s.Name)
		}
	}
	return strings.Join(parts, ".")
}

// Parameter returns the path as EC2's messages write it: BlockDeviceMapping.1.DeviceName.
func (p Path) Parameter() string {
	parts := make([]string, len(p))
	for i, s := range p {
		if parts[i] = s.Name; s.Name == "" {
			parts[i] = strconv.Itoa(s.At + 1)
		}
	}
	return strings.Join(parts, ".")
}

func lowerFirst(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToLower(r)) + s[n:]
}

// Nearest returns the name of the member of s that is most similar to a mistaken name, or "" if none is similar enough.
func (s *Struct) Nearest(f Format, mistaken string) string {
	best, bestDistance := "", len(mistaken)/3+2
	for i := range s.Fields {
		name := s.Fields[i].WireName(f)
		if name == "" {
			continue
		}
		if strings.EqualFold(name, mistaken) {
			return name
		}
		if d := distance(mistaken, name, bestDistance); d < bestDistance {
			best, bestDistance = name, d
		}
	}
	return best
}

// distance returns how many letters must be added, removed or changed to make b of a. If that is limit or more, it may
// return limit.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit || len(a) > 200 {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
