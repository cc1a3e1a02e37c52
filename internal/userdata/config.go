package userdata

import (
	"bytes"
	"strings"
)

// ConfigPath is where user data writes the agent's settings.
const ConfigPath = "/etc/ecs/ecs.config"

// Setting is one line of an ecs.config.
type Setting struct{ Key, Value string }

// ParseConfig reads an ecs.config: a setting KEY=VALUE on each line, blank lines and lines that
// begin with # apart. Spaces around either half and one pair of quotes around the value are taken
// off; lines without an equals sign or with a key that no environment variable can have are left
// out. Settings come in the order of the file; of several for one key the last one holds, in its
// place.
func ParseConfig(data []byte) []Setting {
	var settings []Setting
	for line := range bytes.Lines(data) {
		text := strings.TrimSpace(string(line))
		text = strings.TrimSpace(strings.TrimPrefix(text, "export "))
		key, value, ok := strings.Cut(text, "=")
		key = strings.TrimSpace(key)
		if !ok || strings.HasPrefix(text, "#") || !isName(key) {
			continue
		}
		for i, s := range settings {
			if s.Key == key {
				settings = append(settings[:i], settings[i+1:]...)
				break
			}
		}
		settings = append(settings, Setting{key, unquote(strings.TrimSpace(value))})
	}
	return settings
}

func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

// isName reports whether s can be the name of an environment variable.
func isName(s string) bool {
	for i, r := range s {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}
