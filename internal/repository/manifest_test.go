package repository

import (
	"strings"
	"testing"
	"time"
)

// The error about a manifest names the JSON value that is wrong, and what would be right.
func TestReadManifestSaysWhatIsWrong(t *testing.T) {
	for manifest, want := range map[string]string{
		`[]`:                                         "manifest is not a JSON object",
		`{"schemaVersion":2,"subject":"x"}`:          "subject is of JSON type string; it must be an object",
		`{"schemaVersion":2,"layers":{}}`:            "layers is of JSON type object; it must be an array",
		`{"schemaVersion":"2"}`:                      "schemaVersion is of JSON type string; it must be a number",
		`{"schemaVersion":2,"mediaType":[]}`:         "mediaType is of JSON type array; it must be a string",
		`{"schemaVersion":2,"layers":[{"size":{}}]}`: "layers.size is of JSON type object; it must be a number",
	} {
		_, err := ReadManifest("r", OCIManifest, []byte(manifest), time.Unix(0, 0))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", manifest, err, want)
		}
	}
}
