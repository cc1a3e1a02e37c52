package fleet

import (
	"encoding/hex"
	"maps"
	"net/netip"
	"strconv"
	"time"
)

// ID makes a resource id of random bytes, in EC2's long form: kind, "-0" and sixteen hexadecimal digits.
func ID(kind string, random [8]byte) string { return kind + "-0" + hex.EncodeToString(random[:]) }

// UUID makes a version 4 UUID of random bytes.
func UUID(random [16]byte) string {
	random[6] = random[6]&0x0f | 0x40
	random[8] = random[8]&0x3f | 0x80
	h := hex.EncodeToString(random[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// NewInstance is an instance that has just been asked for. The address must be free (NextAddress).
func NewInstance(id, reservation string, slot Subnet, data LaunchData, addr netip.Addr, now time.Time) *Instance {
	if len(data.SecurityGroups) == 0 {
		data.SecurityGroups = []string{DefaultVPC(slot.Region, slot.Account).SecurityGroup}
	}
	return &Instance{
		ID: id, Region: slot.Region, Account: slot.Account, ReservationID: reservation, Launch: data,
		Zone: slot.Zone.Name, SubnetID: slot.ID, Address: addr, Tags: data.InstanceTags(), LaunchedAt: now,
		DisableAPITerm: data.DisableAPITerm != nil && *data.DisableAPITerm,
		DisableAPIStop: data.DisableAPIStop != nil && *data.DisableAPIStop,
		Desired:        Running, State: Pending,
	}
}

// Join makes a new instance a member of a group: it is pending there, healthy until the contrary shows, and carries the group's tags.
func (g *AutoScalingGroup) Join(i *Instance, source LaunchSource, sourceAt time.Time) {
	tags := maps.Clone(i.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	for _, t := range g.Tags {
		if t.Propagate {
			tags[t.Key] = t.Value
		}
	}
	tags["aws:autoscaling:groupName"] = g.Name
	if source.TemplateID != "" {
		tags["aws:ec2launchtemplate:id"], tags["aws:ec2launchtemplate:version"] = source.TemplateID, source.Version
	}
	i.Tags = tags
	i.Scaling = Membership{Group: g.Name, Source: source, SourceAt: sourceAt, Lifecycle: LifecyclePending, Health: Healthy, Protected: g.NewProtected}
}

// Resolved is what a group launches now: the data, and the source with the version's number in place of a word like "$Latest".
type Resolved struct {
	Data   LaunchData
	Source LaunchSource
	At     time.Time // when the configuration or version was made
}

// ResolveConfiguration is what a group with this launch configuration launches.
func ResolveConfiguration(c *LaunchConfiguration) Resolved {
	return Resolved{Data: c.Data, Source: LaunchSource{Configuration: c.Name}, At: c.CreatedAt}
}

// ResolveTemplate is what a group launches that asks for a version of this template; ok is false when there is no such version.
func ResolveTemplate(t *LaunchTemplate, version string) (r Resolved, ok bool) {
	v, ok := t.Version(version)
	if !ok {
		return Resolved{}, false
	}
	number := strconv.FormatInt(v.Number, 10)
	return Resolved{Data: v.Data, Source: LaunchSource{TemplateID: t.ID, TemplateName: t.Name, Version: number}, At: v.CreatedAt}, true
}

// Begin opens the activity of launching instance i and ties the two together.
func (g *AutoScalingGroup) Begin(i *Instance, id, cause string, now time.Time) *Activity {
	a := g.newActivity(id, now, ActivityPreInService)
	a.Instance, a.Zone, a.SubnetID, a.Cause = i.ID, i.Zone, i.SubnetID, cause
	a.Description = "Launching a new EC2 instance: " + i.ID
	i.Scaling.LaunchedBy = a.Key()
	return a
}

// Retire takes a member out of service: it is terminating from now on in the group, and as an instance too unless load balancers know it; then it
// ends when they have let go of it (ecs.md 5.9). It returns the changed copy and the activity.
func (g *AutoScalingGroup) Retire(i *Instance, id, cause string, now time.Time) (*Instance, *Activity) {
	a := g.newActivity(id, now, ActivityInProgress)
	a.Instance, a.Zone, a.SubnetID, a.Cause = i.ID, i.Zone, i.SubnetID, cause
	a.Description = "Terminating EC2 instance: " + i.ID
	c := i.Clone()
	c.Scaling.Lifecycle, c.Scaling.TerminatedBy = LifecycleTerminating, a.Key()
	if c.Desired != Terminated && len(c.Scaling.Targets) == 0 {
		c.AskTermination(now)
	}
	return c, a
}

// AskTermination records the wish that the instance ends, and that somebody asked for it.
func (i *Instance) AskTermination(now time.Time) {
	i.Desired, i.Reason = Terminated, UserInitiated()
	i.TransitionReason = "User initiated (" + now.UTC().Format("2006-01-02 15:04:05") + " GMT)"
}

// Detach takes a member out of the group and leaves it running. It returns the changed copy and the activity, which is over at once.
func (g *AutoScalingGroup) Detach(i *Instance, id string, now time.Time, from, to int) (*Instance, *Activity) {
	a := g.newActivity(id, now, ActivitySuccessful)
	a.Instance, a.Zone, a.SubnetID, a.End = i.ID, i.Zone, i.SubnetID, now
	a.Description = "Detaching EC2 instance: " + i.ID
	a.Cause = "At " + Stamp(now) + " instance " + i.ID + " was detached in response to a user request"
	if from != to {
		a.Cause += ", shrinking the capacity from " + strconv.Itoa(from) + " to " + strconv.Itoa(to)
	}
	a.Cause += "."
	c := i.Clone()
	c.Scaling = Membership{}
	delete(c.Tags, "aws:autoscaling:groupName")
	return c, a
}

// Attach makes a running instance a member. It returns the changed copy and the activity, which is over at once.
func (g *AutoScalingGroup) Attach(i *Instance, id string, now time.Time, to int) (*Instance, *Activity) {
	a := g.newActivity(id, now, ActivitySuccessful)
	a.Instance, a.Zone, a.SubnetID, a.End = i.ID, i.Zone, i.SubnetID, now
	a.Description = "Attaching an existing EC2 instance: " + i.ID
	a.Cause = "At " + Stamp(now) + " an instance was added in response to user request.  Keeping the capacity at the new " + strconv.Itoa(to) + "."
	c := i.Clone()
	g.Join(c, LaunchSource{}, i.LaunchedAt)
	c.Scaling.Lifecycle, c.Scaling.InServiceAt = LifecycleInService, now
	return c, a
}

// FailedLaunch is the activity of a launch that did not get as far as an instance.
func (g *AutoScalingGroup) FailedLaunch(id, cause, why string, slot Subnet, now time.Time) *Activity {
	a := g.newActivity(id, now, ActivityFailed)
	a.Zone, a.SubnetID, a.Cause, a.End = slot.Zone.Name, slot.ID, cause, now
	a.Description = "Launching a new EC2 instance.  Status Reason: " + why
	a.StatusMessage = why
	return a
}

// Blocked is the activity that tells that protection keeps the group from shrinking (ecs.md 5.8).
func (g *AutoScalingGroup) Blocked(id string, counted int, now time.Time) *Activity {
	a := g.newActivity(id, now, ActivityFailed)
	a.Description = "Could not scale to desired capacity because all remaining instances are protected from scale-in."
	a.StatusMessage, a.End = a.Description, now
	a.Cause = withNote(g.Note, "At "+Stamp(now)+" a difference between desired and actual capacity, shrinking the capacity from "+
		strconv.Itoa(counted)+" to "+strconv.Itoa(g.Desired)+".")
	return a
}

// LaunchPause is how long a group waits after its n-th failed launch in a row: five seconds, doubling up to five minutes.
func LaunchPause(n int) time.Duration {
	return min(5*time.Minute, 5*time.Second<<min(max(n-1, 0), 10))
}
