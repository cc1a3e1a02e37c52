package fleet

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/berthhq/berth/internal/tag"
)

// NewInstance returns the row of an instance that was just asked for. addr must be free
// (NextAddress).
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

// groupTag is the key of the tag that names the group of an instance.
const groupTag = "aws:autoscaling:groupName"

// TemplateTags returns the tags that say from which version of a launch template an instance is
// made.
func TemplateTags(id, version string) tag.Set {
	return tag.Set{{Key: "aws:ec2launchtemplate:id", Value: id}, {Key: "aws:ec2launchtemplate:version", Value: version}}
}

// Join makes a new instance a member of the group, in the state Pending, healthy, and with the group's tags.
func (g *AutoScalingGroup) Join(i *Instance, source LaunchSource, sourceAt time.Time) {
	i.Tags = i.Tags.With(g.Tags.Propagated()...).With(tag.Tag{Key: groupTag, Value: g.Name})
	if source.TemplateID != "" {
		i.Tags = i.Tags.With(TemplateTags(source.TemplateID, source.Version)...)
	}
	i.Scaling = Membership{Group: g.Name, Source: source, SourceAt: sourceAt, Lifecycle: LifecyclePending,
		Health: Healthy, Protected: g.NewProtected}
}

// Resolved is what a group launches now. Its Source has the number of the version where the group has a word such as
// "$Latest".
type Resolved struct {
	Data   LaunchData
	Source LaunchSource
	At     time.Time // when the configuration or version was made
}

// ResolveConfiguration returns what a group with the launch configuration launches.
func ResolveConfiguration(c *LaunchConfiguration) Resolved {
	return Resolved{Data: c.Data, Source: LaunchSource{Configuration: c.Name}, At: c.CreatedAt}
}

// ResolveTemplate returns what a group with the launch template and version launches; ok is false
// when the version does not exist.
func ResolveTemplate(t *LaunchTemplate, version string) (r Resolved, ok bool) {
	v, ok := t.Version(version)
	if !ok {
		return Resolved{}, false
	}
	number := strconv.FormatInt(v.Number, 10)
	return Resolved{Data: v.Data, Source: LaunchSource{
		TemplateID: t.ID, TemplateName: t.Name, Version: number,
	}, At: v.CreatedAt}, true
}

// Begin starts the activity of launching instance i and stores its key in i.
func (g *AutoScalingGroup) Begin(i *Instance, id, cause string, now time.Time) *Activity {
	a := g.newActivity(id, now, ActivityPreInService)
	a.Instance, a.Zone, a.SubnetID, a.Cause = i.ID, i.Zone, i.SubnetID, cause
	a.Description = "Launching a new EC2 instance: " + i.ID
	i.Scaling.LaunchedBy = a.Key()
	return a
}

// Retire takes a member out of service: its lifecycle state becomes Terminating. The instance is terminated after load
// balancers have drained it and lifecycle hooks are completed, in this order (ecs.md 5.9). Retire returns the changed
// copy and the activity.
func (g *AutoScalingGroup) Retire(i *Instance, id, cause string, now time.Time) (*Instance, *Activity) {
	a := g.newActivity(id, now, ActivityInProgress)
	a.Instance, a.Zone, a.SubnetID, a.Cause = i.ID, i.Zone, i.SubnetID, cause
	a.Description = "Terminating EC2 instance: " + i.ID
	c := i.Clone()
	c.Scaling.Lifecycle, c.Scaling.TerminatedBy, c.Scaling.Actions = LifecycleTerminating, a.Key(), nil
	return c, a
}

// AskTermination sets the desired state to terminated, with EC2's reason for a user's request.
func (i *Instance) AskTermination(now time.Time) {
	i.Desired, i.Reason = Terminated, UserInitiated()
	i.TransitionReason = "User initiated (" + now.UTC().Format("2006-01-02 15:04:05") + " GMT)"
}

// Detach removes a member from the group and leaves it running. It returns the changed copy and the activity, which has
// ended already.
func (g *AutoScalingGroup) Detach(i *Instance, id string, now time.Time, from, to int) (*Instance, *Activity) {
	a := g.newActivity(id, now, ActivitySuccessful)
	a.Instance, a.Zone, a.SubnetID, a.End = i.ID, i.Zone, i.SubnetID, now
	a.Description = "Detaching EC2 instance: " + i.ID
	a.Cause = causeMoved(now, i.ID, "detached", "shrinking", from, to)
	c := i.Clone()
	c.Scaling = Membership{}
	c.Tags = c.Tags.Without(groupTag)
	return c, a
}

// Attach makes a running instance a member. It returns the changed copy and the activity, which has
// ended already.
func (g *AutoScalingGroup) Attach(i *Instance, id string, now time.Time, to int) (*Instance, *Activity) {
	a := g.newActivity(id, now, ActivitySuccessful)
	a.Instance, a.Zone, a.SubnetID, a.End = i.ID, i.Zone, i.SubnetID, now
	a.Description = "Attaching an existing EC2 instance: " + i.ID
	a.Cause = "At " + Stamp(now) + " an instance was added in response to user request.  Keeping the " +
		"capacity at the new " + strconv.Itoa(to) + "."
	c := i.Clone()
	g.Join(c, LaunchSource{}, i.LaunchedAt)
	c.Scaling.Lifecycle, c.Scaling.InServiceAt = LifecycleInService, now
	return c, a
}

// Rest begins to move a member that is in service into standby. Load balancers drain it first. from and to are the
// capacity of the group before and after it. Rest returns the changed copy and the activity.
func (g *AutoScalingGroup) Rest(i *Instance, id string, now time.Time, from, to int) (*Instance, *Activity) {
	c, a := g.move(i, id, now, ActivityInProgress, "to Standby", causeMoved(now, i.ID, "moved to standby", "shrinking",
		from, to))
	c.Scaling.Lifecycle = LifecycleEnteringStandby
	return c, a
}

// Return begins to move a member from standby into service. from and to are the capacity of the group before and after
// it. Return returns the changed copy and the activity.
func (g *AutoScalingGroup) Return(i *Instance, id string, now time.Time, from, to int) (*Instance, *Activity) {
	c, a := g.move(i, id, now, ActivityPreInService, "out of Standby", causeMoved(now, i.ID, "moved out of standby",
		"increasing", from, to))
	c.Scaling.Lifecycle, c.Scaling.Returning = LifecyclePending, true
	return c, a
}

// move starts the activity that moves a member, and stores its key in a copy of the member.
func (g *AutoScalingGroup) move(i *Instance, id string, now time.Time, status ActivityStatus, to, cause string) (
	*Instance, *Activity) {
	a := g.newActivity(id, now, status)
	a.Instance, a.Zone, a.SubnetID, a.Cause = i.ID, i.Zone, i.SubnetID, cause
	a.Description = "Moving EC2 instance " + to + ": " + i.ID
	c := i.Clone()
	c.Scaling.LaunchedBy = a.Key()
	return c, a
}

// FailedLaunch returns the activity of a launch that failed before there was an instance.
func (g *AutoScalingGroup) FailedLaunch(id, cause, why string, slot Subnet, now time.Time) *Activity {
	a := g.newActivity(id, now, ActivityFailed)
	a.Zone, a.SubnetID, a.Cause, a.End = slot.Zone.Name, slot.ID, cause, now
	a.Description = "Launching a new EC2 instance.  Status Reason: " + why
	a.StatusMessage = why
	return a
}

// Blocked returns the activity that reports a scale-in that protection prevents (ecs.md 5.8).
func (g *AutoScalingGroup) Blocked(id string, counted int, now time.Time) *Activity {
	a := g.newActivity(id, now, ActivityFailed)
	a.Description = "Could not scale to desired capacity because all remaining instances are protected from scale-in."
	a.StatusMessage, a.End = a.Description, now
	a.Cause = withNote(g.Note, "At "+Stamp(now)+
		" a difference between desired and actual capacity, shrinking the capacity from "+
		strconv.Itoa(counted)+" to "+strconv.Itoa(g.Desired)+".")
	return a
}

// AtMaximum returns the activity which says that a policy could not scale out (issue 9, section 7).
func (g *AutoScalingGroup) AtMaximum(id, alarm, policy string, now time.Time) *Activity {
	a := g.newActivity(id, now, ActivityFailed)
	a.Description = "Could not scale out because the group is at its maximum size of " + strconv.Itoa(g.Max) + "."
	a.StatusMessage, a.End = a.Description, now
	a.Cause = "At " + Stamp(now) + " a monitor alarm " + alarm + " in state ALARM triggered policy " + policy +
		", and the desired capacity stays at " + strconv.Itoa(g.Desired) + "."
	return a
}

// LaunchPause returns how long a group waits after its n-th consecutive failed launch: five seconds after the first,
// and twice as long after each further one, up to five minutes.
func LaunchPause(n int) time.Duration {
	return min(5*time.Minute, 5*time.Second<<min(max(n-1, 0), 10))
}
