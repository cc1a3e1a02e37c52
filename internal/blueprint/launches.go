package blueprint

import (
	"fmt"

	"github.com/berthhq/berth/internal/fleet"
)

// Launches has what the groups of a stack can launch. Its methods may be called concurrently.
type Launches struct {
	configurations map[string]*fleet.LaunchConfiguration // by name
	templates      map[string]*fleet.LaunchTemplate      // by id
}

// Launches returns what the groups of the stack can launch.
func (s *Stack) Launches() *Launches {
	l := &Launches{map[string]*fleet.LaunchConfiguration{}, map[string]*fleet.LaunchTemplate{}}
	for _, c := range s.LaunchConfigurations {
		l.configurations[c.Name] = c
	}
	for _, t := range s.LaunchTemplates {
		l.templates[t.ID] = t
	}
	return l
}

// Of returns what a group launches. If the stack does not have it, why is the reason.
func (l *Launches) Of(g *fleet.AutoScalingGroup) (d fleet.LaunchData, why string) {
	if name := g.Launch.Configuration; name != "" {
		if c, ok := l.configurations[name]; ok {
			return fleet.ResolveConfiguration(c).Data, ""
		}
		return d, fmt.Sprintf("the launch configuration %q is not in LaunchConfigurations", name)
	}
	if t, ok := l.templates[g.Launch.TemplateID]; ok {
		if r, ok := fleet.ResolveTemplate(t, g.Launch.Version); ok {
			return r.Data, ""
		}
	}
	return d, fmt.Sprintf("version %q of the launch template %q is not in LaunchTemplates", g.Launch.Version,
		g.Launch.TemplateID)
}

// cannotLaunch returns why a group cannot launch instances, or "" if it can.
func (l *Launches) cannotLaunch(g *fleet.AutoScalingGroup) string {
	d, why := l.Of(g)
	_, known := fleet.FindInstanceType(d.InstanceType)
	switch {
	case len(g.Slots()) == 0:
		return "the group has no zone of region " + g.Region
	case why != "":
		return why
	case d.ImageID == "":
		return "the launch configuration or template of the group has no ImageID"
	case !known:
		return fmt.Sprintf("there is no instance type %q", d.InstanceType)
	}
	return ""
}
