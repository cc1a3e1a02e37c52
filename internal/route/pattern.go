package route

// pattern is text with wildcards: * matches any bytes, ? matches one byte (alb.md 2.2).
type pattern struct {
	ops  []uint16 // a byte, or one of the two below
	fold bool     // ASCII letters of both cases are the same
}

const (
	anyRun uint16 = 256 + iota
	anyOne
)

// compilePattern compiles a pattern. If escapes, a backslash makes the next character literal.
func compilePattern(s string, fold, escapes bool) pattern {
	p := pattern{ops: make([]uint16, 0, len(s)), fold: fold}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case escapes && c == '\\' && i+1 < len(s):
			i++
			p.ops = append(p.ops, p.normal(s[i]))
		case c == '*':
			p.ops = append(p.ops, anyRun)
		case c == '?':
			p.ops = append(p.ops, anyOne)
		default:
			p.ops = append(p.ops, p.normal(c))
		}
	}
	return p
}

func (p pattern) normal(c byte) uint16 {
	if p.fold && 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return uint16(c)
}

// matches goes back to the last * only. That is enough: whatever an earlier * could match in
// addition, the last one can match too.
func (p pattern) matches(s string) bool {
	i, j := 0, 0          // next byte of s, next op
	star, resume := -1, 0 // op after the last *, and the byte that this * would match next
	for i < len(s) {
		switch {
		case j < len(p.ops) && p.ops[j] == anyRun:
			j++
			star, resume = j, i
		case j < len(p.ops) && (p.ops[j] == anyOne || p.ops[j] == p.normal(s[i])):
			i, j = i+1, j+1
		case star >= 0:
			resume++
			i, j = resume, star
		default:
			return false
		}
	}
	for j < len(p.ops) && p.ops[j] == anyRun {
		j++
	}
	return j == len(p.ops)
}
