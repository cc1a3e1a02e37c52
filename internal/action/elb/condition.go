package elb

import (
	"github.com/berthhq/berth/internal/action/request"
	shape "github.com/berthhq/berth/internal/awswire/shape/elbv2"
	"github.com/berthhq/berth/internal/elb"
)

// parseConditions reads conditions in the old form (Values) and in the new one (a configuration per field).
func parseConditions(in []shape.RuleCondition) ([]elb.Condition, error) {
	var out []elb.Condition
	for _, c := range in {
		condition, err := parseCondition(c)
		if err != nil {
			return nil, err
		}
		out = append(out, condition)
	}
	return out, elb.CheckConditions(out)
}

func parseCondition(in shape.RuleCondition) (elb.Condition, error) {
	out := elb.Condition{Field: fieldOf(in), Values: in.Values, RegexValues: in.RegexValues}
	legacy := len(in.Values)+len(in.RegexValues) > 0
	configured := false
	take := func(values, regexes []string) {
		configured = true
		out.Values, out.RegexValues = append(out.Values, values...), append(out.RegexValues, regexes...)
	}
	switch {
	case out.Field == elb.FieldHost && in.HostHeaderConfig != nil:
		take(in.HostHeaderConfig.Values, in.HostHeaderConfig.RegexValues)
	case out.Field == elb.FieldPath && in.PathPatternConfig != nil:
		take(in.PathPatternConfig.Values, in.PathPatternConfig.RegexValues)
	case out.Field == elb.FieldHeader && in.HttpHeaderConfig != nil:
		take(in.HttpHeaderConfig.Values, in.HttpHeaderConfig.RegexValues)
		out.HeaderName = request.Value(in.HttpHeaderConfig.HttpHeaderName)
	case out.Field == elb.FieldMethod && in.HttpRequestMethodConfig != nil:
		take(in.HttpRequestMethodConfig.Values, nil)
	case out.Field == elb.FieldSourceIP && in.SourceIpConfig != nil:
		if in.SourceIpConfig.IpAddressType != "" {
			return out, invalid("SourceIpConfig.IpAddressType is not implemented; omit it")
		}
		take(in.SourceIpConfig.Values, nil)
	case out.Field == elb.FieldQueryString && in.QueryStringConfig != nil:
		configured = true
		for _, v := range in.QueryStringConfig.Values {
			out.QueryStrings = append(out.QueryStrings,
				elb.KeyValue{Key: request.Value(v.Key), Value: request.Value(v.Value)})
		}
	}
	if n := configurations(in); n > 1 || n == 1 && !configured {
		return out, invalid("A condition of field '%s' cannot have the configuration of another field", out.Field)
	}
	if legacy && configured { // alb.md C2
		return out, invalid("You cannot specify both Values and %s in a condition of field '%s'",
			configNames[out.Field], out.Field)
	}
	if legacy && out.Field != elb.FieldHost && out.Field != elb.FieldPath && configNames[out.Field] != "" {
		return out, invalid("Values can be specified for the fields host-header and path-pattern only; use %s",
			configNames[out.Field])
	}
	return out, nil
}

var configNames = map[string]string{elb.FieldHost: "HostHeaderConfig", elb.FieldPath: "PathPatternConfig",
	elb.FieldHeader: "HttpHeaderConfig",
	elb.FieldMethod: "HttpRequestMethodConfig", elb.FieldSourceIP: "SourceIpConfig",
	elb.FieldQueryString: "QueryStringConfig"}

// fieldOf is the field as given, or as the only configuration there is tells.
func fieldOf(in shape.RuleCondition) string {
	if in.Field != nil {
		return *in.Field
	}
	switch {
	case in.HostHeaderConfig != nil:
		return elb.FieldHost
	case in.PathPatternConfig != nil:
		return elb.FieldPath
	case in.HttpHeaderConfig != nil:
		return elb.FieldHeader
	case in.HttpRequestMethodConfig != nil:
		return elb.FieldMethod
	case in.SourceIpConfig != nil:
		return elb.FieldSourceIP
	case in.QueryStringConfig != nil:
		return elb.FieldQueryString
	}
	return ""
}

func configurations(in shape.RuleCondition) int {
	n := 0
	for _, set := range []bool{in.HostHeaderConfig != nil, in.PathPatternConfig != nil, in.HttpHeaderConfig != nil,
		in.HttpRequestMethodConfig != nil, in.SourceIpConfig != nil, in.QueryStringConfig != nil} {
		if set {
			n++
		}
	}
	return n
}

func answerCondition(c elb.Condition) shape.RuleCondition {
	out := shape.RuleCondition{Field: new(c.Field)}
	switch c.Field {
	case elb.FieldHost:
		out.Values, out.RegexValues = c.Values, c.RegexValues
		out.HostHeaderConfig = &shape.HostHeaderConditionConfig{Values: c.Values, RegexValues: c.RegexValues}
	case elb.FieldPath:
		out.Values, out.RegexValues = c.Values, c.RegexValues
		out.PathPatternConfig = &shape.PathPatternConditionConfig{Values: c.Values, RegexValues: c.RegexValues}
	case elb.FieldHeader:
		out.HttpHeaderConfig = &shape.HttpHeaderConditionConfig{
			HttpHeaderName: new(c.HeaderName), Values: c.Values, RegexValues: c.RegexValues,
		}
	case elb.FieldMethod:
		out.HttpRequestMethodConfig = &shape.HttpRequestMethodConditionConfig{Values: c.Values}
	case elb.FieldSourceIP:
		out.SourceIpConfig = &shape.SourceIpConditionConfig{Values: c.Values}
	case elb.FieldQueryString:
		out.QueryStringConfig = &shape.QueryStringConditionConfig{
			Values: request.Answers(c.QueryStrings, func(q elb.KeyValue) shape.QueryStringKeyValuePair {
				pair := shape.QueryStringKeyValuePair{Value: new(q.Value)}
				if q.Key != "" {
					pair.Key = new(q.Key)
				}
				return pair
			})}
	}
	return out
}
