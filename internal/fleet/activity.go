package fleet

import (
	"fmt"
	"time"
)

// ActivityStatus is the state of a scaling activity.
type ActivityStatus string

// The states of activities in Berth. The API has more, for example for Spot.
const (
	ActivityPreInService ActivityStatus = "PreInService"
	ActivityInProgress   ActivityStatus = "InProgress"
	ActivityMidLifecycle ActivityStatus = "MidLifecycleAction" // it waits for a lifecycle hook
	ActivitySuccessful   ActivityStatus = "Successful"
	ActivityFailed       ActivityStatus = "Failed"
	ActivityCancelled    ActivityStatus = "Cancelled"
)

// Activity is one change that a group made, with its cause in AWS's words. Activities are stored for six weeks, even if
// their group is deleted.
type Activity struct {
	ID              string
	Region, Account string
	Group, GroupARN string
	Instance        string `json:",omitempty"`
	Description     string
	Cause           string
	Zone, SubnetID  string `json:",omitempty"`
	Status          ActivityStatus
	StatusMessage   string `json:",omitempty"`
	Start           time.Time
	End             time.Time `json:",omitzero"`
}

// ActivityPrefix returns the prefix of the keys of a group's activities; they sort by start.
func ActivityPrefix(region, account, group string) string { return Key(region, account, group) + "/" }

// activityStamp formats a time so that its order as text is the order in time.
const activityStamp = "20060102T150405.000000000"

// Key returns the activity's key in the store. Keys of a group sort by start.
func (a *Activity) Key() string {
	return ActivityPrefix(a.Region, a.Account, a.Group) + a.Start.UTC().Format(activityStamp) + "/" + a.ID
}

// Open reports whether the activity has not ended.
func (a *Activity) Open() bool { return a.End.IsZero() }

// Progress returns the percentage that the API shows.
func (a *Activity) Progress() int32 {
	switch a.Status {
	case ActivityPreInService:
		return 30
	case ActivityInProgress:
		return 50
	case ActivityMidLifecycle:
		return 60
	}
	return 100
}

// Finished returns the activity as ended.
func (a Activity) Finished(status ActivityStatus, message string, now time.Time) *Activity {
	a.Status, a.StatusMessage, a.End = status, message, now
	return &a
}

// Details returns the JSON text that AWS gives with each activity.
func (a *Activity) Details() string {
	return fmt.Sprintf(`{"Subnet ID":%q,"Availability Zone":%q}`, a.SubnetID, a.Zone)
}

// newActivity starts an activity of a group.
func (g *AutoScalingGroup) newActivity(id string, now time.Time, status ActivityStatus) *Activity {
	return &Activity{ID: id, Region: g.Region, Account: g.Account, Group: g.Name, GroupARN: g.ARN(),
		Status: status, Start: now}
}

// Stamp formats a time as causes have it.
func Stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// Causes, in AWS's words. Two spaces separate sentences.

// NoteCreated returns the cause when the creation of the group set its capacity.
func NoteCreated(now time.Time, desired int) string {
	return fmt.Sprintf("At %s a user request created an AutoScalingGroup changing the desired capacity "+
		"from 0 to %d.", Stamp(now), desired)
}

// NoteConstraints returns the cause when an update of the group changed its capacity.
func NoteConstraints(now time.Time, g *AutoScalingGroup, from int) string {
	return fmt.Sprintf("At %s a user request update of AutoScalingGroup constraints to min: %d, max: %d, "+
		"desired: %d changing the desired capacity from %d to %d.",
		Stamp(now), g.Min, g.Max, g.Desired, from, g.Desired)
}

// NoteExplicit returns the cause when SetDesiredCapacity changed the capacity.
func NoteExplicit(now time.Time, from, to int) string {
	return fmt.Sprintf("At %s a user request explicitly set group desired capacity changing the desired "+
		"capacity from %d to %d.", Stamp(now), from, to)
}

// NoteAlarm returns the cause when an alarm made a policy change the capacity.
func NoteAlarm(now time.Time, alarm, state, policy string, from, to int) string {
	return fmt.Sprintf("At %s a monitor alarm %s in state %s triggered policy %s changing the desired capacity "+
		"from %d to %d.", Stamp(now), alarm, state, policy, from, to)
}

// NoteExecuted returns the cause when ExecutePolicy changed the capacity.
func NoteExecuted(now time.Time, policy string, from, to int) string {
	return fmt.Sprintf("At %s a user request executed policy %s changing the desired capacity from %d to %d.",
		Stamp(now), policy, from, to)
}

// NoteScheduled returns the cause when a scheduled action changed the sizes of the group, whose capacity was from.
func NoteScheduled(now time.Time, g *AutoScalingGroup, action string, from int) string {
	return fmt.Sprintf("At %s the scheduled action %s executed update of AutoScalingGroup constraints to min: %d, "+
		"max: %d, desired: %d changing the desired capacity from %d to %d.",
		Stamp(now), action, g.Min, g.Max, g.Desired, from, g.Desired)
}

func causeLaunch(now time.Time, from, to int) string {
	return fmt.Sprintf("At %s an instance was started in response to a difference between desired and "+
		"actual capacity, increasing the capacity from %d to %d.", Stamp(now), from, to)
}

func causeReplace(now time.Time) string {
	return fmt.Sprintf("At %s an instance was launched in response to an unhealthy instance needing "+
		"to be replaced.", Stamp(now))
}

func causeRebalance(now time.Time, zone string) string {
	return fmt.Sprintf("At %s an instance was launched to rebalance instances in zones that are not "+
		"balanced, in zone %s.", Stamp(now), zone)
}

func causeShrink(now time.Time, from, to int, instance string) string {
	return fmt.Sprintf(
		"At %s an instance was taken out of service in response to a difference between desired and actual "+
			"capacity, shrinking the capacity from %d to %d.  At %s instance %s was selected for termination.",
		Stamp(now), from, to, Stamp(now), instance)
}

// CauseTaken returns the cause when an instance is taken out of service for a reason such as WhyUser.
func CauseTaken(now time.Time, why string) string {
	return fmt.Sprintf("At %s an instance was taken out of service in response to %s.", Stamp(now), why)
}

// CauseUserRequest returns the cause when TerminateInstanceInAutoScalingGroup ends an instance.
// from and to differ if the capacity shrinks with it.
func CauseUserRequest(now time.Time, from, to int) string {
	s := fmt.Sprintf("At %s an instance was taken out of service in response to a user request", Stamp(now))
	if from != to {
		s += fmt.Sprintf(", shrinking the capacity from %d to %d", from, to)
	}
	return s + "."
}

// causeMoved returns the cause when a user's request moved an instance. The capacity of the group changed with it if
// from and to differ; how is shrinking or increasing.
func causeMoved(now time.Time, instance, moved, how string, from, to int) string {
	s := fmt.Sprintf("At %s instance %s was %s in response to a user request", Stamp(now), instance, moved)
	if from != to {
		s += fmt.Sprintf(", %s the capacity from %d to %d", how, from, to)
	}
	return s + "."
}

// Unfinished returns the message of the activity that brings an instance into service or into standby, if the instance
// is terminated in the state l.
func (l Lifecycle) Unfinished() string {
	if l.Resting() {
		return "The instance was terminated before it was in standby."
	}
	return "The instance was taken out of service before it came into service."
}

// FailedAction returns the message of a launch whose lifecycle action was abandoned.
func FailedAction(why string) string {
	return "Instance failed to complete user's Lifecycle Action: " + why
}

// Reasons for CauseTaken: ends of the sentence "an instance was taken out of service in response to …".
const (
	WhyGone     = "an EC2 health check indicating it has been terminated or stopped"
	WhyImpaired = "an EC2 instance status checks failure"
	WhyUser     = "a user health-check"
	WhyELB      = "an ELB system health check failure"
	WhyLifetime = "an instance reaching its maximum lifetime"
	WhyAbandon  = "an abandoned lifecycle action"
)
