package awslogs

import (
	"fmt"
	"regexp"
	"strings"
)

// directives are the directives of awslogs-datetime-format with what they match. Docker includes the point
// before milliseconds; people write formats with and without it.
var directives = map[byte]string{
	'a': `(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)`,
	'A': `(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)`,
	'b': `(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)`,
	'B': `(?:January|February|March|April|May|June|July|August|September|October|November|December)`,
	'd': `(?:0[1-9]|[12][0-9]|3[01])`,
	'f': `\d{6}`,
	'H': `(?:[01][0-9]|2[0-3])`,
	'I': `(?:0[1-9]|1[0-2])`,
	'j': `(?:[0-2][0-9]{2}|3[0-5][0-9]|36[0-6])`,
	'L': `\.?\d{3}`,
	'm': `(?:0[1-9]|1[0-2])`,
	'M': `[0-5][0-9]`,
	'p': `[AP]M`,
	'S': `(?:[0-5][0-9]|60)`,
	'w': `[0-6]`,
	'y': `\d{2}`,
	'Y': `\d{4}`,
	'z': `[+-]\d{4}`,
	'Z': `[A-Z]{1,5}`,
	'%': `%`,
}

// datetimePattern returns a pattern for lines that contain a date of the format. As in Docker, the text between
// directives is a regular expression: \[%d/%b/%Y\].
func datetimePattern(format string) (*regexp.Regexp, error) {
	var pattern strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			pattern.WriteByte(format[i])
			continue
		}
		i++
		if i == len(format) {
			return nil, fmt.Errorf("a lone %% at the end of %q", format)
		}
		looks, ok := directives[format[i]]
		if !ok {
			return nil, fmt.Errorf("%%%c in %q is not a directive of a date", format[i], format)
		}
		pattern.WriteString(looks)
	}
	return regexp.Compile(pattern.String())
}
