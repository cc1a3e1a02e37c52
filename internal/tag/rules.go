package tag

import (
	"cmp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/berthhq/berth/internal/fault"
)

// Max is how many tags users can put on a resource. Tags that AWS services set do not count.
const Max = 50

// Reserved reports whether only AWS services may set a key: it begins with "aws:", in any case.
func Reserved(key string) bool { return len(key) >= 4 && strings.EqualFold(key[:4], "aws:") }

// Rules are a service's rules for tags. They are the same for all services but for the words of
// their errors, in which {key} stands for the key and {value} for the value.
type Rules struct {
	Code string // of faults about one tag
	// Size is the error for an empty key, and for a key or a value that is too long. "" means words that
	// name the limits, of 128 and 256 characters.
	Size string
	// Reserved is the error for a key that begins with aws:. "" means that Size is used.
	Reserved string
	// Characters is the error for a key or a value with other characters than letters, digits, spaces
	// and _.:/=+-@. "" allows every character.
	Characters string
	// Duplicate is the error for a key that is given twice, and DuplicateCode its code if that is
	// not Code. "" means that the last of the values is used.
	Duplicate, DuplicateCode string
	// Wrong returns what is wrong with the value of a tag that has a meaning, or "". nil accepts every value.
	Wrong func(t Tag) string
	// TooMany is the error for more than Max tags.
	TooMany *fault.Error
	// MaxKey and MaxValue are the greatest lengths in characters; 0 means 128 and 256.
	MaxKey, MaxValue int
}

// New returns the tags of a new resource.
func (r *Rules) New(tags []Tag) (Set, error) { return r.Add(nil, tags) }

// Add returns s with the tags added; a tag whose key is in s already replaces that one.
func (r *Rules) Add(s Set, tags []Tag) (Set, error) {
	seen := make(map[string]bool, len(tags))
	for _, t := range tags {
		if err := r.check(t); err != nil {
			return nil, err
		}
		if seen[t.Key] && r.Duplicate != "" {
			return nil, r.fault(cmp.Or(r.DuplicateCode, r.Code), r.Duplicate, t)
		}
		seen[t.Key] = true
	}
	s = s.With(tags...)
	if len(s.Keep(func(t Tag) bool { return !Reserved(t.Key) })) > Max {
		return nil, r.TooMany
	}
	return s, nil
}

func (r *Rules) check(t Tag) error {
	switch {
	case t.Key == "", utf8.RuneCountInString(t.Key) > cmp.Or(r.MaxKey, 128),
		utf8.RuneCountInString(t.Value) > cmp.Or(r.MaxValue, 256):
		return r.fault(r.Code, cmp.Or(r.Size, size), t)
	case Reserved(t.Key):
		return r.fault(r.Code, cmp.Or(r.Reserved, r.Size, size), t)
	case r.Characters != "" && strings.ContainsFunc(t.Key+t.Value, unusual):
		return r.fault(r.Code, r.Characters, t)
	}
	if r.Wrong == nil {
		return nil
	}
	if wrong := r.Wrong(t); wrong != "" {
		return fault.New(r.Code, "%s", wrong)
	}
	return nil
}

const size = "The tag \"{key}\" is not valid: keys have 1 to 128 characters and do not begin with aws:, " +
	"values have up to 256."

func unusual(r rune) bool {
	return !unicode.In(r, unicode.L, unicode.N, unicode.Z) && !strings.ContainsRune("_.:/=+-@", r)
}

func (r *Rules) fault(code, words string, t Tag) error {
	return fault.New(code, "%s", strings.NewReplacer("{key}", t.Key, "{value}", t.Value).Replace(words))
}
