package cql

import (
	"slices"
	"strings"
	"time"
)

// Subject is a container instance as the language sees it. A zero string or time means that the
// instance does not have the property.
type Subject struct {
	AgentConnected    bool
	AgentVersion      string // such as "1.98.0"
	EC2InstanceID     string
	RegisteredAt      time.Time
	RunningTasksCount int
	Attributes        map[string]string // valueless attributes map to ""
	TaskGroups        map[string]int    // group -> number of its tasks running there; a zero count is the same as none
}

// subject is the left side of a simple expression.
type subject struct {
	name string // the attribute's name for attributes
	kind kind
	get  func(s *Subject, name string) []value // all values that the instance has; none means absent
	// many says that an instance may have any number of values, and that having none is not absence.
	many bool
}

const (
	subjectNames = "agentConnected, agentVersion, ec2InstanceId, registeredAt, runningTasksCount, " +
		"attribute:NAME or task:group"
	attributeTag = "attribute:"
)

func subjectNamed(text string) (subject, bool) {
	if name, ok := strings.CutPrefix(text, attributeTag); ok {
		return subject{name: name, kind: kindText, get: attributeOf}, name != ""
	}
	switch text {
	case "agentConnected":
		return subject{name: text, kind: kindBool, get: agentConnected}, true
	case "agentVersion":
		return subject{name: text, kind: kindVersion, get: agentVersion}, true
	case "ec2InstanceId":
		return subject{name: text, kind: kindText, get: ec2InstanceID}, true
	case "registeredAt":
		return subject{name: text, kind: kindTime, get: registeredAt}, true
	case "runningTasksCount":
		return subject{name: text, kind: kindNumber, get: runningTasksCount}, true
	case "task:group":
		return subject{name: text, kind: kindText, get: taskGroups, many: true}, true
	}
	return subject{}, false
}

// accepts returns what would be expected instead if the operator cannot be used with the subject,
// else "".
func (s subject) accepts(op operator) string {
	switch {
	case s.kind == kindBool &&
		!slices.Contains([]operator{opEqual, opNotEqual, opIn, opNotIn, opExists, opNotExists}, op):
		return "==, !=, in, not_in or exists, as " + s.name + " is true or false"
	case (s.kind == kindNumber || s.kind == kindTime) && (op == opMatches || op == opNotMatches):
		return "a comparison, as " + s.name + " is not text"
	}
	return ""
}

func attributeOf(s *Subject, name string) []value {
	if v, ok := s.Attributes[name]; ok {
		return []value{textValue(v)}
	}
	return nil
}

func agentConnected(s *Subject, _ string) []value { return []value{boolValue(s.AgentConnected)} }

func agentVersion(s *Subject, _ string) []value {
	v, ok := kindVersion.parse(s.AgentVersion)
	return present(v, ok)
}

func ec2InstanceID(s *Subject, _ string) []value {
	return present(textValue(s.EC2InstanceID), s.EC2InstanceID != "")
}

func registeredAt(s *Subject, _ string) []value {
	return present(value{when: s.RegisteredAt}, !s.RegisteredAt.IsZero())
}

func runningTasksCount(s *Subject, _ string) []value {
	return []value{{number: float64(s.RunningTasksCount)}}
}

// taskGroups returns the groups in the order of the map: every operator asks for any or none of
// them, so the order does not matter.
func taskGroups(s *Subject, _ string) []value {
	var list []value
	for g, n := range s.TaskGroups {
		if n > 0 {
			list = append(list, textValue(g))
		}
	}
	return list
}

func present(v value, ok bool) []value {
	if !ok {
		return nil
	}
	return []value{v}
}
