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

// What can be wrong.
const (
	Malformed ProblemKind = iota + 1 // the text is not in the format at all
	WrongType                        // Have was found where Want belongs
	// there is no member of this name; Want is the nearest one that there is, if any is near
	Unknown
	Missing  // a required member is absent
	BadEnum  // Have is none of Allowed
	NotUnion // a union has not exactly one member
	Refused  // the member exists but the operation does not implement it
)

// Problem is one thing that is wrong with a request. It is turned into a fault by the service's own rules.
type Problem struct {
	Kind    ProblemKind
	Path    Path
	Have    string
	Want    string
	Allowed []string
}

// Path leads from the request to one of its parts: names of members, and positions in lists counted from 0.
type Path []Step

// Step is a member's or map key's name, or a position in a list.
type Step struct {
	Name string
	At   int // when Name is ""
}

// Member returns the path to a member of what p leads to. It never shares memory with p.
func (p Path) Member(name string) Path { return append(slices.Clip(p), Step{Name: name}) }

// Item returns the path to an item of the list that p leads to.
func (p Path) Item(at int) Path { return append(slices.Clip(p), Step{At: at}) }

// String returns the path as a programmer writes it: containerDefinitions[0].name.
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

// Constraint returns the path as AWS's validation messages have it: containerDefinitions.1.member.name,
// first letters in lower case.
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

// Parameter returns the path as EC2's messages have it: BlockDeviceMapping.1.DeviceName.
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

// Nearest returns the member of s whose name is closest to a mistaken one, or "" when none is close enough to be meant.
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

// distance returns the number of letters to add, drop or change to make a of b; it may stop at limit.
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
