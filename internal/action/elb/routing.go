package elb

import (
	"slices"
	"strconv"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/elbv2"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
)

// parseActions reads the actions of a rule of a listener that speaks protocol.
func parseActions(in []shape.Action, protocol string) ([]elb.Action, error) {
	var out []elb.Action
	for _, a := range in {
		action, err := parseAction(a)
		if err != nil {
			return nil, err
		}
		out = append(out, action)
	}
	return out, elb.CheckActions(out, protocol)
}

func parseAction(in shape.Action) (elb.Action, error) {
	out := elb.Action{Type: in.Type}
	if in.Order != nil {
		if out.Order = int(*in.Order); out.Order < 1 {
			return out, invalid("The action order '%d' must be between '1-50000' inclusive", out.Order)
		}
	}
	if name := foreign(in); name != "" {
		return out, invalid("An action of type '%s' cannot have %s", in.Type, name)
	}
	var err error
	switch in.Type {
	case elb.ActionForward:
		out.Forward, err = parseForward(in)
	case elb.ActionRedirect:
		out.Redirect, err = parseRedirect(in.RedirectConfig)
	case elb.ActionFixedResponse:
		out.FixedResponse, err = parseFixedResponse(in.FixedResponseConfig)
	default:
		err = invalid("Actions of type '%s' are not implemented; use forward, redirect or fixed-response", in.Type)
	}
	return out, err
}

// foreign names a member of the action that belongs to another type, "" if there is none.
func foreign(in shape.Action) string {
	for _, m := range []struct {
		name, kind string
		given      bool
	}{
		{"TargetGroupArn", elb.ActionForward, in.TargetGroupArn != nil},
		{"ForwardConfig", elb.ActionForward, in.ForwardConfig != nil},
		{"RedirectConfig", elb.ActionRedirect, in.RedirectConfig != nil},
		{"FixedResponseConfig", elb.ActionFixedResponse, in.FixedResponseConfig != nil},
		{"AuthenticateCognitoConfig", "authenticate-cognito", in.AuthenticateCognitoConfig != nil},
		{"AuthenticateOidcConfig", "authenticate-oidc", in.AuthenticateOidcConfig != nil},
		{"JwtValidationConfig", "jwt-validation", in.JwtValidationConfig != nil},
	} {
		if m.given && m.kind != in.Type {
			return m.name
		}
	}
	return ""
}

// parseForward reads both ways of naming target groups; together they must name the same one (alb.md A2).
func parseForward(in shape.Action) (*elb.Forward, error) {
	out := &elb.Forward{}
	if c := in.ForwardConfig; c != nil {
		for _, g := range c.TargetGroups {
			w := elb.WeightedGroup{ARN: request.Value(g.TargetGroupArn), Weight: 1}
			if g.Weight != nil {
				w.Weight = int(*g.Weight)
			}
			out.TargetGroups = append(out.TargetGroups, w)
		}
		if s := c.TargetGroupStickinessConfig; s != nil {
			if err := setStickiness(out, *s); err != nil {
				return nil, err
			}
		}
	}
	if in.TargetGroupArn == nil {
		return out, nil
	}
	switch {
	case len(out.TargetGroups) == 0:
		out.TargetGroups = []elb.WeightedGroup{{ARN: *in.TargetGroupArn, Weight: 1}}
	case len(out.TargetGroups) > 1 || out.TargetGroups[0].ARN != *in.TargetGroupArn:
		return nil, invalid("You cannot specify both TargetGroupArn and ForwardConfig unless they name the " +
			"same single target group")
	}
	return out, nil
}

func setStickiness(f *elb.Forward, s shape.TargetGroupStickinessConfig) error {
	seconds := 0
	if s.DurationSeconds != nil {
		seconds = int(*s.DurationSeconds)
	}
	if !request.Value(s.Enabled) {
		f.IdleStickySeconds = seconds
		return nil
	}
	if seconds < 1 {
		return invalid("Target group stickiness duration must be specified, and between '1-604800' inclusive")
	}
	f.StickySeconds = seconds
	return nil
}

func parseRedirect(c *shape.RedirectActionConfig) (*elb.Redirect, error) {
	if c == nil {
		return nil, invalid("A redirect configuration must be specified")
	}
	code, err := strconv.Atoi(strings.TrimPrefix(c.StatusCode, "HTTP_"))
	if err != nil {
		return nil, invalid("The redirect status code must be one of [HTTP_301, HTTP_302]")
	}
	r := elb.Redirect{StatusCode: code, Protocol: request.Value(c.Protocol), Host: request.Value(c.Host),
		Port: request.Value(c.Port),
		Path: request.Value(c.Path), Query: request.Value(c.Query)}
	withoutQuery := c.Query != nil && *c.Query == ""
	r = r.WithDefaults()
	if withoutQuery {
		return nil, invalid("The redirect query cannot be empty; omit it to keep the original query")
	}
	return &r, nil
}

func parseFixedResponse(c *shape.FixedResponseActionConfig) (*elb.FixedResponse, error) {
	if c == nil {
		return nil, invalid("A fixed response configuration must be specified")
	}
	code, err := strconv.Atoi(request.Value(c.StatusCode))
	if err != nil || len(*c.StatusCode) != 3 {
		return nil, invalid("The fixed response status code '%s' must be 2XX, 4XX or 5XX", request.Value(c.StatusCode))
	}
	return &elb.FixedResponse{StatusCode: code, ContentType: request.Value(c.ContentType),
		Body: request.Value(c.MessageBody)}, nil
}

// checkGroups reports whether the load balancer may forward to the groups of the actions (alb.md A4, A5, 8.6).
func checkGroups(t *state.Tables, call *awswire.Call, loadBalancerARN string, actions []elb.Action) error {
	groups := elb.Uses(actions)
	for _, arn := range groups {
		g, err := targetGroup(t, call, &arn)
		if err != nil {
			return err
		}
		for _, user := range usersOf(t, arn) {
			if user != loadBalancerARN {
				return fault.New(shape.CodeTargetGroupAssociationLimit,
					"The following target groups cannot be associated with more than one load balancer: %s", arn)
			}
		}
		if err := checkStickiness(t, actions, g); err != nil {
			return err
		}
	}
	used := groupsOf(t, loadBalancerARN)
	all := union(used, groups)
	if len(all) > elb.MaxTargetGroupsPerLB {
		return fault.New(shape.CodeTooManyUniqueTargetGroupsPerLoadBalancer,
			"A load balancer can have at most '%d' target groups", elb.MaxTargetGroupsPerLB)
	}
	if len(all) > len(used) && registered(t, all) > elb.MaxTargetsPerLB {
		return tooManyTargets(loadBalancerARN)
	}
	return nil
}

// checkStickiness reports a group, as it is or is to be, whose stickiness does not go with the
// actions (alb.md A4, K14).
func checkStickiness(_ *state.Tables, actions []elb.Action, g *elb.TargetGroup) error {
	kind := g.Settings().Stickiness
	for _, a := range actions {
		if a.Forward == nil || len(a.Forward.TargetGroups) < 2 || !slices.Contains(elb.Uses([]elb.Action{a}), g.ARN) {
			continue
		}
		if kind == elb.AppCookie {
			return fault.New(shape.CodeInvalidConfigurationRequest,
				"Stickiness of type 'app_cookie' cannot be used by target group '%s', which is one of "+
					"several in a forward action", g.ARN)
		}
		if kind != "" && a.Forward.StickySeconds == 0 {
			return fault.New(shape.CodeInvalidConfigurationRequest,
				"You must enable group stickiness on a rule if you enabled target stickiness on one of its "+
					"target groups ('%s')", g.ARN)
		}
	}
	return nil
}

func answerAction(a elb.Action) shape.Action {
	out := shape.Action{Type: a.Type}
	if a.Order > 0 {
		out.Order = new(int32(a.Order))
	}
	switch {
	case a.Forward != nil:
		out.ForwardConfig = &shape.ForwardActionConfig{
			TargetGroupStickinessConfig: &shape.TargetGroupStickinessConfig{Enabled: new(a.Forward.StickySeconds > 0)},
		}
		if seconds := a.Forward.StickySeconds + a.Forward.IdleStickySeconds; seconds > 0 {
			out.ForwardConfig.TargetGroupStickinessConfig.DurationSeconds = new(int32(seconds))
		}
		for _, g := range a.Forward.TargetGroups {
			out.ForwardConfig.TargetGroups = append(out.ForwardConfig.TargetGroups,
				shape.TargetGroupTuple{TargetGroupArn: new(g.ARN), Weight: new(int32(g.Weight))})
		}
		if len(a.Forward.TargetGroups) == 1 {
			out.TargetGroupArn = new(a.Forward.TargetGroups[0].ARN)
		}
	case a.Redirect != nil:
		r := *a.Redirect
		out.RedirectConfig = &shape.RedirectActionConfig{StatusCode: "HTTP_" + strconv.Itoa(r.StatusCode),
			Protocol: &r.Protocol, Host: &r.Host,
			Port: &r.Port, Path: &r.Path, Query: &r.Query}
	case a.FixedResponse != nil:
		f := *a.FixedResponse
		out.FixedResponseConfig = &shape.FixedResponseActionConfig{StatusCode: new(strconv.Itoa(f.StatusCode))}
		if f.ContentType != "" {
			out.FixedResponseConfig.ContentType = &f.ContentType
		}
		if f.Body != "" {
			out.FixedResponseConfig.MessageBody = &f.Body
		}
	}
	return out
}
