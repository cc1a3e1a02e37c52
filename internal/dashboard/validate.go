package dashboard

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Message says what is wrong at a path of a body, such as /widgets/0/type.
type Message struct{ Path, Text string }

// maxMessages is how many messages Validate returns at most.
const maxMessages = 100

// Validate returns what is wrong with a body: it must be a JSON object whose widgets have what their types need.
// Members that CloudWatch has and that are not checked here, and those of unknown names, are stored as they are.
func Validate(body string) (all []Message) {
	var doc map[string]any
	if err := json.Unmarshal([]byte(body), &doc); err != nil || doc == nil {
		return []Message{{"/", "The field DashboardBody must be a valid JSON object"}}
	}
	c := &checker{}
	c.has(doc, "", "start", text)
	c.has(doc, "", "end", text)
	c.has(doc, "", "periodOverride", oneOf("auto", "inherit"))
	if widgets, ok := doc["widgets"]; !ok {
		c.add("/", "Should have required property 'widgets'")
	} else if list, ok := widgets.([]any); !ok {
		c.add("/widgets", "Should be array")
	} else if len(list) > MaxWidgets {
		c.add("/widgets", "Should NOT have more than %d items", MaxWidgets)
	} else {
		for i, w := range list {
			c.widget("/widgets/"+strconv.Itoa(i), w)
		}
	}
	return c.all
}

// checker collects what is wrong.
type checker struct{ all []Message }

func (c *checker) add(path, format string, args ...any) {
	if len(c.all) < maxMessages {
		c.all = append(c.all, Message{path, fmt.Sprintf(format, args...)})
	}
}

// rule returns what is wrong with a value; "" if nothing is.
type rule func(any) string

func text(v any) string {
	if _, ok := v.(string); !ok {
		return "Should be string"
	}
	return ""
}

func boolean(v any) string {
	if _, ok := v.(bool); !ok {
		return "Should be boolean"
	}
	return ""
}

func list(v any) string {
	if _, ok := v.([]any); !ok {
		return "Should be array"
	}
	return ""
}

func oneOf(values ...string) rule {
	return func(v any) string {
		if s, ok := v.(string); !ok || !slices.Contains(values, s) {
			return "Should be equal to one of the allowed values: " + strings.Join(values, ", ")
		}
		return ""
	}
}

// integer accepts integers from least to most.
func integer(least, most float64) rule {
	return func(v any) string {
		switch n, ok := v.(float64); {
		case !ok || n != float64(int64(n)):
			return "Should be integer"
		case n < least:
			return fmt.Sprintf("Should be >= %v", least)
		case n > most:
			return fmt.Sprintf("Should be <= %v", most)
		}
		return ""
	}
}

// has checks a member if it is there, and reports whether it is.
func (c *checker) has(of map[string]any, path, name string, r rule) bool {
	v, ok := of[name]
	if ok {
		if wrong := r(v); wrong != "" {
			c.add(path+"/"+name, "%s", wrong)
		}
	}
	return ok
}

func (c *checker) needs(of map[string]any, path, name string, r rule) {
	if !c.has(of, path, name, r) {
		c.add(path, "Should have required property '%s'", name)
	}
}

// properties are what the properties of each type of widget need.
var properties = map[string]func(c *checker, p map[string]any, path string){
	"metric": (*checker).metric,
	"text":   func(c *checker, p map[string]any, path string) { c.needs(p, path, "markdown", text) },
	"log": func(c *checker, p map[string]any, path string) {
		c.needs(p, path, "region", text)
		c.needs(p, path, "query", text)
	},
	"alarm":    func(c *checker, p map[string]any, path string) { c.needs(p, path, "alarms", list) },
	"explorer": func(*checker, map[string]any, string) {},
	"custom":   func(c *checker, p map[string]any, path string) { c.needs(p, path, "endpoint", text) },
}

var types = slices.Sorted(maps.Keys(properties))

// The grid of a dashboard has 24 columns.
const (
	columns = 24
	maxRows = 1000
)

func (c *checker) widget(path string, v any) {
	w, ok := v.(map[string]any)
	if !ok {
		c.add(path, "Should be object")
		return
	}
	c.needs(w, path, "type", oneOf(types...))
	c.has(w, path, "x", integer(0, columns-1))
	c.has(w, path, "y", integer(0, 1e9))
	c.has(w, path, "width", integer(1, columns))
	c.has(w, path, "height", integer(1, maxRows))
	if (w["x"] == nil) != (w["y"] == nil) {
		c.add(path, "Should have both properties 'x' and 'y', or none of them")
	}
	p, ok := w["properties"]
	if !ok {
		c.add(path, "Should have required property 'properties'")
		return
	}
	object, ok := p.(map[string]any)
	if !ok {
		c.add(path+"/properties", "Should be object")
		return
	}
	kind, _ := w["type"].(string)
	if check := properties[kind]; check != nil {
		check(c, object, path+"/properties")
	}
}

func (c *checker) metric(p map[string]any, path string) {
	c.needs(p, path, "region", text)
	c.has(p, path, "title", text)
	c.has(p, path, "stat", text)
	c.has(p, path, "stacked", boolean)
	c.has(p, path, "view", oneOf("timeSeries", "singleValue", "gauge", "bar", "pie", "table"))
	c.has(p, path, "period", integer(1, 86400*30))
	annotations, _ := p["annotations"].(map[string]any)
	if _, alarms := annotations["alarms"]; !alarms && p["metrics"] == nil {
		c.add(path, "Should have required property 'metrics'")
	}
	metrics, ok := p["metrics"].([]any)
	if p["metrics"] != nil && !ok {
		c.add(path+"/metrics", "Should be array")
	}
	for i, m := range metrics {
		at := path + "/metrics/" + strconv.Itoa(i)
		switch row, ok := m.([]any); {
		case !ok:
			c.add(at, "Should be array")
		case len(row) == 0:
			c.add(at, "Should NOT have fewer than 1 items")
		}
	}
}
