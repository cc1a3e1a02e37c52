package ec2

import (
	"context"
	"encoding/base64"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ec2"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) describeInstanceAttribute(
	_ context.Context, call *awswire.Call, in *shape.DescribeInstanceAttributeInput,
) (*shape.DescribeInstanceAttributeOutput, error) {
	t := &a.store.View().Tables
	found, err := named(t, call, []string{request.Value(in.InstanceId)})
	if err != nil {
		return nil, err
	}
	i := found[0]
	text := func(s string) *shape.AttributeValue { return &shape.AttributeValue{Value: request.Optional(s)} }
	flag := func(b bool) *shape.AttributeBooleanValue { return &shape.AttributeBooleanValue{Value: &b} }
	out := &shape.DescribeInstanceAttributeOutput{InstanceId: &i.ID}
	switch in.Attribute {
	case "instanceType":
		out.InstanceType = text(i.Launch.InstanceType)
	case "userData":
		out.UserData = text(i.Launch.UserData)
	case "disableApiTermination":
		out.DisableApiTermination = flag(i.DisableAPITerm)
	case "disableApiStop":
		out.DisableApiStop = flag(i.DisableAPIStop)
	case "instanceInitiatedShutdownBehavior":
		out.InstanceInitiatedShutdownBehavior = text(shutdownBehavior(i))
	case "groupSet":
		out.Groups = groupsOf(t, i)
	case "ebsOptimized":
		out.EbsOptimized = flag(request.Value(i.Launch.EBSOptimized))
	case "enaSupport":
		out.EnaSupport = flag(true)
	case "sourceDestCheck":
		out.SourceDestCheck = flag(true)
	case "rootDeviceName":
		out.RootDeviceName = text(rootDevice)
	case "enclaveOptions":
		out.EnclaveOptions = &shape.EnclaveOptions{Enabled: new(false)}
	case "kernel":
		out.KernelId = text("")
	case "ramdisk":
		out.RamdiskId = text("")
	case "sriovNetSupport":
		out.SriovNetSupport = text("simple")
	case "blockDeviceMapping", "productCodes": // there are none
	}
	return out, nil
}

func shutdownBehavior(i *fleet.Instance) string {
	if i.Launch.ShutdownBehavior == "" {
		return "stop"
	}
	return i.Launch.ShutdownBehavior
}

func (a *api) modifyInstanceAttribute(
	ctx context.Context, call *awswire.Call, in *shape.ModifyInstanceAttributeInput,
) (*shape.ModifyInstanceAttributeOutput, error) {
	if c := in.SourceDestCheck; c != nil && !request.Value(c.Value) {
		return nil, fault.New("UnsupportedOperation",
			"The attribute sourceDestCheck cannot be turned off: a local machine has no router.")
	}
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		found, err := named(&tx.Tables, call, []string{request.Value(in.InstanceId)})
		if err != nil {
			return err
		}
		i := found[0].Clone()
		if in.DisableApiTermination != nil {
			i.DisableAPITerm = request.Value(in.DisableApiTermination.Value)
		}
		if in.DisableApiStop != nil {
			i.DisableAPIStop = request.Value(in.DisableApiStop.Value)
		}
		if err := modifyLaunch(&tx.Tables, call, i, in); err != nil {
			return err
		}
		tx.Instances.Put(i)
		return nil
	})
}

// modifyLaunch changes what an instance was launched with. Type and user data can change while it is stopped only.
func modifyLaunch(
	t *state.Tables, call *awswire.Call, i *fleet.Instance, in *shape.ModifyInstanceAttributeInput,
) error {
	if (in.InstanceType != nil || in.UserData != nil) && i.Described() != fleet.Stopped {
		return fault.New("IncorrectInstanceState", "The instance '%s' is not in the 'stopped' state.", i.ID)
	}
	if in.InstanceType != nil {
		if _, ok := fleet.FindInstanceType(request.Value(in.InstanceType.Value)); !ok {
			return invalid("Invalid value '%s' for InstanceType. DescribeInstanceTypes lists those that "+
				"are supported here.", request.Value(in.InstanceType.Value))
		}
		i.Launch.InstanceType = request.Value(in.InstanceType.Value)
	}
	if in.UserData != nil {
		i.Launch.UserData = base64.StdEncoding.EncodeToString(in.UserData.Value)
	}
	if b := in.InstanceInitiatedShutdownBehavior; b != nil {
		if v := request.Value(b.Value); v != "stop" && v != "terminate" {
			return invalid("Invalid value '%s' for InstanceInitiatedShutdownBehavior: use stop or terminate.", v)
		}
		i.Launch.ShutdownBehavior = *b.Value
	}
	if len(in.Groups) > 0 {
		ids, err := launch.SecurityGroups(t, call.Region, call.Account, in.Groups)
		if err != nil {
			return err
		}
		i.Launch.SecurityGroups = ids
	}
	return nil
}
