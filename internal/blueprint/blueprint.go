// Package blueprint has the settings of a stack: clusters, services, load balancers, Auto Scaling groups, and what
// scales them. It exports them from the state, without secrets and without anything that runs, and reads and writes
// them as a file.
package blueprint

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/groupscaling"
	"github.com/berthhq/berth/internal/state"
)

// Bounds of a stack.
const (
	MaxBytes = 16 << 20  // bytes of a file
	MaxRows  = 50_000    // rows of one list
	MaxCount = 1_000_000 // tasks of a service, instances of a group
)

// Format is the format of stack files. A program reads files of its own format only.
const Format = 1

// Stack has the settings that a simulation starts from. It has no secrets, and no tasks or instances. Its members are
// rows of the state.
type Stack struct {
	Format          int
	Region, Account string

	Clusters        []*ecs.Cluster
	TaskDefinitions []*ecs.TaskDefinition
	Services        []*ecs.Service
	// Revisions has one row for each service: the revision from which its tasks are made.
	Revisions []*ecs.ServiceRevision

	LoadBalancers []*elb.LoadBalancer
	Listeners     []*elb.Listener
	Rules         []*elb.Rule
	TargetGroups  []*elb.TargetGroup

	Groups               []*fleet.AutoScalingGroup
	LaunchConfigurations []*fleet.LaunchConfiguration
	LaunchTemplates      []*fleet.LaunchTemplate

	CapacityProviders []*ecs.CapacityProvider

	GroupPolicies  []*groupscaling.Policy
	GroupSchedules []*groupscaling.Scheduled

	ScalableTargets  []*appscaling.Target
	ScalingPolicies  []*appscaling.Policy
	ScheduledActions []*appscaling.Scheduled
	// Alarms are the alarms of users. The alarms of target tracking policies are made from the policies.
	Alarms []*alarm.Alarm

	// LeftOut says what Export has left out, and why; a simulation would do without it.
	LeftOut []string `json:",omitempty"`
}

// table describes a member of a Stack, which is a list of rows.
type table struct {
	name string
	// export adds the rows of a region and account.
	export func(s *exporter, t *state.Tables)
	// read adds a row from a file.
	read func(s *Stack, dec *json.Decoder) error
	rows func(s *Stack) int
	// put writes the rows to a state.
	put func(s *Stack, tx *state.Tx)
}

// tables describes the members of a Stack. Rows refer only to rows of earlier tables.
var tables = []table{
	rows("Clusters", func(s *Stack) *[]*ecs.Cluster { return &s.Clusters },
		func(t *state.Tables) state.Table[ecs.Cluster] { return t.Clusters },
		func(s *exporter, _ *state.Tables, c *ecs.Cluster) bool {
			c.Tags = nil
			return s.owns(c.ClusterARN) && c.Status == ecs.ClusterActive
		}, func(tx *state.Tx, c *ecs.Cluster) { tx.Clusters.Put(c) }),
	rows("TaskDefinitions", func(s *Stack) *[]*ecs.TaskDefinition { return &s.TaskDefinitions },
		func(t *state.Tables) state.Table[ecs.TaskDefinition] { return t.TaskDefinitions },
		keepDefinition, func(tx *state.Tx, d *ecs.TaskDefinition) { tx.TaskDefinitions.Put(d) }),
	rows("Services", func(s *Stack) *[]*ecs.Service { return &s.Services },
		func(t *state.Tables) state.Table[ecs.Service] { return t.Services },
		keepService, func(tx *state.Tx, v *ecs.Service) { tx.Services.Put(v) }),
	rows("Revisions", func(s *Stack) *[]*ecs.ServiceRevision { return &s.Revisions },
		func(t *state.Tables) state.Table[ecs.ServiceRevision] { return t.ServiceRevisions },
		keepRevision, func(*state.Tx, *ecs.ServiceRevision) {}), // deploy.Start writes them
	rows("LoadBalancers", func(s *Stack) *[]*elb.LoadBalancer { return &s.LoadBalancers },
		func(t *state.Tables) state.Table[elb.LoadBalancer] { return t.LoadBalancers },
		func(s *exporter, _ *state.Tables, v *elb.LoadBalancer) bool { v.Tags = nil; return s.owns(v.ARN) },
		func(tx *state.Tx, v *elb.LoadBalancer) { tx.LoadBalancers.Put(v) }),
	rows("TargetGroups", func(s *Stack) *[]*elb.TargetGroup { return &s.TargetGroups },
		func(t *state.Tables) state.Table[elb.TargetGroup] { return t.TargetGroups },
		func(s *exporter, _ *state.Tables, v *elb.TargetGroup) bool { v.Tags = nil; return s.owns(v.ARN) },
		func(tx *state.Tx, v *elb.TargetGroup) { tx.TargetGroups.Put(v) }),
	rows("Listeners", func(s *Stack) *[]*elb.Listener { return &s.Listeners },
		func(t *state.Tables) state.Table[elb.Listener] { return t.Listeners },
		func(s *exporter, _ *state.Tables, v *elb.Listener) bool { v.Tags = nil; return s.owns(v.ARN) },
		func(tx *state.Tx, v *elb.Listener) { tx.Listeners.Put(v) }),
	rows("Rules", func(s *Stack) *[]*elb.Rule { return &s.Rules },
		func(t *state.Tables) state.Table[elb.Rule] { return t.Rules },
		keepRule,
		func(tx *state.Tx, v *elb.Rule) { tx.Rules.Put(v) }),
	rows("LaunchConfigurations", func(s *Stack) *[]*fleet.LaunchConfiguration { return &s.LaunchConfigurations },
		func(t *state.Tables) state.Table[fleet.LaunchConfiguration] { return t.LaunchConfigurations },
		func(s *exporter, _ *state.Tables, v *fleet.LaunchConfiguration) bool {
			v.Data = plainLaunch(v.Data)
			return v.Region == s.Region && v.Account == s.Account
		}, func(tx *state.Tx, v *fleet.LaunchConfiguration) { tx.LaunchConfigurations.Put(v) }),
	rows("LaunchTemplates", func(s *Stack) *[]*fleet.LaunchTemplate { return &s.LaunchTemplates },
		func(t *state.Tables) state.Table[fleet.LaunchTemplate] { return t.LaunchTemplates },
		keepTemplate, func(tx *state.Tx, v *fleet.LaunchTemplate) { tx.LaunchTemplates.Put(v) }),
	rows("Groups", func(s *Stack) *[]*fleet.AutoScalingGroup { return &s.Groups },
		func(t *state.Tables) state.Table[fleet.AutoScalingGroup] { return t.AutoScalingGroups },
		keepGroup, func(tx *state.Tx, v *fleet.AutoScalingGroup) { tx.AutoScalingGroups.Put(v) }),
	rows("CapacityProviders", func(s *Stack) *[]*ecs.CapacityProvider { return &s.CapacityProviders },
		func(t *state.Tables) state.Table[ecs.CapacityProvider] { return t.CapacityProviders },
		keepProvider, func(tx *state.Tx, v *ecs.CapacityProvider) { tx.CapacityProviders.Put(v) }),
	rows("GroupPolicies", func(s *Stack) *[]*groupscaling.Policy { return &s.GroupPolicies },
		func(t *state.Tables) state.Table[groupscaling.Policy] { return t.GroupPolicies },
		func(s *exporter, _ *state.Tables, v *groupscaling.Policy) bool {
			return s.groups[fleet.Key(v.Region, v.Account, v.Group)]
		}, func(tx *state.Tx, v *groupscaling.Policy) { tx.GroupPolicies.Put(v) }),
	rows("GroupSchedules", func(s *Stack) *[]*groupscaling.Scheduled { return &s.GroupSchedules },
		func(t *state.Tables) state.Table[groupscaling.Scheduled] { return t.GroupSchedules },
		func(s *exporter, _ *state.Tables, v *groupscaling.Scheduled) bool {
			return s.groups[fleet.Key(v.Region, v.Account, v.Group)]
		}, func(tx *state.Tx, v *groupscaling.Scheduled) { tx.GroupSchedules.Put(v) }),
	rows("ScalableTargets", func(s *Stack) *[]*appscaling.Target { return &s.ScalableTargets },
		func(t *state.Tables) state.Table[appscaling.Target] { return t.ScalableTargets },
		keepTarget, func(tx *state.Tx, v *appscaling.Target) { tx.ScalableTargets.Put(v) }),
	rows("ScalingPolicies", func(s *Stack) *[]*appscaling.Policy { return &s.ScalingPolicies },
		func(t *state.Tables) state.Table[appscaling.Policy] { return t.ScalingPolicies },
		func(s *exporter, _ *state.Tables, v *appscaling.Policy) bool {
			return s.targets[appscaling.Key(v.Region, v.Account, v.ResourceID)]
		}, func(tx *state.Tx, v *appscaling.Policy) { tx.ScalingPolicies.Put(v) }),
	rows("ScheduledActions", func(s *Stack) *[]*appscaling.Scheduled { return &s.ScheduledActions },
		func(t *state.Tables) state.Table[appscaling.Scheduled] { return t.ScheduledActions },
		func(s *exporter, _ *state.Tables, v *appscaling.Scheduled) bool {
			return s.targets[appscaling.Key(v.Region, v.Account, v.ResourceID)]
		}, func(tx *state.Tx, v *appscaling.Scheduled) { tx.ScheduledActions.Put(v) }),
	rows("Alarms", func(s *Stack) *[]*alarm.Alarm { return &s.Alarms },
		func(t *state.Tables) state.Table[alarm.Alarm] { return t.Alarms },
		keepAlarm, func(tx *state.Tx, v *alarm.Alarm) { tx.Alarms.Put(v) }),
}

// rows returns the table of a list. keep reports whether a row belongs to the stack. It is called with a copy of the
// row, and removes secrets and what a simulation does not need.
func rows[T any](name string, list func(*Stack) *[]*T, from func(*state.Tables) state.Table[T],
	keep func(*exporter, *state.Tables, *T) bool, put func(*state.Tx, *T)) table {
	return table{
		name: name,
		export: func(s *exporter, t *state.Tables) {
			source := from(t)
			for row := range source.All() {
				c := *row
				if keep(s, t, &c) {
					*list(s.Stack) = append(*list(s.Stack), &c)
				}
			}
		},
		read: func(s *Stack, dec *json.Decoder) error {
			row := new(T)
			if err := dec.Decode(row); err != nil {
				return err
			}
			*list(s) = append(*list(s), row)
			return nil
		},
		rows: func(s *Stack) int { return len(*list(s)) },
		put: func(s *Stack, tx *state.Tx) {
			for _, row := range *list(s) {
				c := *row
				put(tx, &c)
			}
		},
	}
}

// owns reports whether an ARN is of the stack's region and account.
func (s *Stack) owns(text string) bool {
	return arn.Region(text) == s.Region && arn.Account(text) == s.Account
}

// joins matches the name of the cluster in user data.
var joins = regexp.MustCompile(`ECS_CLUSTER=["']?([A-Za-z0-9_-]{1,255})`)

// ClusterOf returns the name of the cluster that an instance with this user data joins.
func ClusterOf(d fleet.LaunchData) string {
	text, err := base64.StdEncoding.DecodeString(d.UserData)
	if m := joins.FindSubmatch(text); err == nil && m != nil {
		return string(m[1])
	}
	return "default"
}

// plainLaunch returns launch data without secrets. Of the user data it keeps only the name of the cluster.
func plainLaunch(d fleet.LaunchData) fleet.LaunchData {
	script := "#!/bin/bash\necho ECS_CLUSTER=" + ClusterOf(d) + " >> /etc/ecs/ecs.config\n"
	return fleet.LaunchData{ImageID: d.ImageID, InstanceType: d.InstanceType,
		UserData: base64.StdEncoding.EncodeToString([]byte(script))}
}

// Put writes the rows of the stack, except for the revisions, which deploy.Start makes.
func (s *Stack) Put(tx *state.Tx) {
	for _, tb := range tables {
		tb.put(s, tx)
	}
}

// position has the lines of a file at which rows begin.
type position map[string][]int // lines, by the name of the list

// Read reads a stack file and checks it. Errors have the line and say what would be right.
func Read(r io.Reader) (*Stack, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("the file has more than %d MiB, the maximum for a stack file", MaxBytes>>20)
	}
	s, at := new(Stack), position{}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := s.read(dec, data, at); err != nil {
		return nil, fmt.Errorf("line %d: %w", lineOf(data, failedAt(dec, err)), describe(err))
	}
	if s.Format != Format {
		return nil, fmt.Errorf("the stack file has the format %d, and this program reads format %d: export it again",
			s.Format, Format)
	}
	s.complete()
	return s, s.check(at)
}

// complete fills in the defaults of settings that a file written by hand may leave out (ecs.md 4.1).
func (s *Stack) complete() {
	for _, p := range s.CapacityProviders {
		g := &p.AutoScalingGroupProvider
		g.ManagedDraining = cmp.Or(g.ManagedDraining, ecs.Enabled)
		g.ManagedTerminationProtection = cmp.Or(g.ManagedTerminationProtection, ecs.Disabled)
	}
}

func (s *Stack) read(dec *json.Decoder, data []byte, at position) error {
	if err := expect(dec, '{'); err != nil {
		return err
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		switch key {
		case "Format":
			err = dec.Decode(&s.Format)
		case "Region":
			err = dec.Decode(&s.Region)
		case "Account":
			err = dec.Decode(&s.Account)
		case "LeftOut":
			err = dec.Decode(&s.LeftOut)
		default:
			err = s.readList(dec, data, at, fmt.Sprint(key))
		}
		if err != nil {
			return err
		}
	}
	return expect(dec, '}')
}

func (s *Stack) readList(dec *json.Decoder, data []byte, at position, name string) error {
	i := slices.IndexFunc(tables, func(t table) bool { return t.name == name })
	if i < 0 {
		return fmt.Errorf("a stack has no list %q; it has %s", name, strings.Join(listNames(), ", "))
	}
	token, err := dec.Token()
	if err != nil || token == nil { // null is a list without rows
		return err
	}
	if token != json.Delim('[') {
		return fmt.Errorf("%s must be a list, which begins with [", name)
	}
	for dec.More() {
		at[name] = append(at[name], lineOf(data, dec.InputOffset()+1))
		if len(at[name]) > MaxRows {
			return fmt.Errorf("%s has more than %d rows", name, MaxRows)
		}
		start := afterComma(data, dec.InputOffset())
		if err := tables[i].read(s, dec); err != nil {
			return placed(data, start, dec.InputOffset(), err)
		}
	}
	return expect(dec, ']')
}

// misplaced is an error with its offset in the file.
type misplaced struct {
	offset int64
	err    error
}

func (e *misplaced) Error() string { return e.err.Error() }

func (e *misplaced) Unwrap() error { return e.err }

// afterComma skips spaces and a comma, and returns the offset at which the next row begins.
func afterComma(data []byte, offset int64) int64 {
	rest := bytes.TrimLeft(data[offset:], " \t\r\n")
	if len(rest) > 0 && rest[0] == ',' {
		return int64(len(data)-len(rest)) + 1
	}
	return offset
}

// placed adds the offset to an error about a row, if it is known.
func placed(data []byte, start, end int64, err error) error {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return &misplaced{start + e.Offset - 1, err}
	}
	if field, ok := strings.CutPrefix(err.Error(), unknownField); ok {
		if i := bytes.Index(data[start:end], []byte(field)); i >= 0 {
			return &misplaced{start + int64(i), err}
		}
	}
	return err
}

// unknownField is the beginning of the error that package json returns for an unknown field.
const unknownField = "json: unknown field "

func listNames() (names []string) {
	for _, t := range tables {
		names = append(names, t.name)
	}
	return names
}

func expect(dec *json.Decoder, want json.Delim) error {
	token, err := dec.Token()
	if err == nil && token != want {
		err = fmt.Errorf("there is %v instead of %v", token, want)
	}
	return err
}

// failedAt returns the offset at which reading failed.
func failedAt(dec *json.Decoder, err error) int64 {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return e.Offset
	}
	if e, ok := errors.AsType[*misplaced](err); ok {
		return e.offset
	}
	return dec.InputOffset()
}

// describe replaces errors of package json by errors about the file.
func describe(err error) error {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s must be of the type %s and cannot be a %s", e.Field, e.Type, e.Value)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return errors.New("the file ends too early; it must be one JSON object, as berth simulate --export writes it")
	}
	if field, ok := strings.CutPrefix(err.Error(), unknownField); ok {
		return fmt.Errorf("there is no field %s", field)
	}
	return err
}

// lineOf returns the line of an offset, the first being 1. Spaces, commas and brackets at the offset are skipped.
func lineOf(data []byte, offset int64) int {
	offset = min(max(offset, 0), int64(len(data)))
	rest := data[offset:]
	offset += int64(len(rest) - len(bytes.TrimLeft(rest, " \t\r\n,[")))
	return 1 + bytes.Count(data[:offset], []byte("\n"))
}
