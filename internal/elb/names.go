package elb

import (
	"strings"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/fault"
)

// Service is the name of Elastic Load Balancing in ARNs and in SigV4 scopes.
const Service = "elasticloadbalancing"

// CanonicalHostedZoneID is the Route 53 zone AWS names for load balancers of us-east-1; ours has no zone of its own.
const CanonicalHostedZoneID = "Z35SXDOTRQ7X7K"

// LoadBalancerARN is the ARN of an application load balancer; id is 16 hexadecimal digits (alb.md 8.3).
func LoadBalancerARN(region, account, name, id string) string {
	return arn.New(Service, region, account, "loadbalancer/app/"+name+"/"+id).String()
}

// TargetGroupARN is the ARN of a target group; id is 16 hexadecimal digits.
func TargetGroupARN(region, account, name, id string) string {
	return arn.New(Service, region, account, "targetgroup/"+name+"/"+id).String()
}

// ListenerARN is the ARN of a listener of the load balancer; id is 16 hexadecimal digits.
func ListenerARN(loadBalancerARN, id string) string {
	return strings.Replace(loadBalancerARN, ":loadbalancer/", ":listener/", 1) + "/" + id
}

// RuleARN is the ARN of a rule of the listener; id is 16 hexadecimal digits.
func RuleARN(listenerARN, id string) string {
	return strings.Replace(listenerARN, ":listener/", ":listener-rule/", 1) + "/" + id
}

// Suffix is the part of a load balancer's or target group's ARN that CloudWatch uses as a
// dimension: "app/web/50dc6c495c0c9188", "targetgroup/web/73e2d6bc24d8a067".
func Suffix(s string) string {
	_, rest, ok := strings.Cut(s, ":loadbalancer/")
	if ok {
		return rest
	}
	if i := strings.Index(s, ":targetgroup/"); i >= 0 {
		return s[i+1:]
	}
	return s
}

// DNSName is the name clients reach a load balancer by; number is decimal and unique per load balancer (alb.md 8.3).
func DNSName(name, number, region, scheme string) string {
	prefix := ""
	if scheme == SchemeInternal {
		prefix = "internal-"
	}
	return prefix + name + "-" + number + "." + region + ".elb.amazonaws.com"
}

// ValidLoadBalancerName reports what is wrong with a load balancer's name (alb.md 8.3).
func ValidLoadBalancerName(name string) error {
	if err := validName("Load balancer", name); err != nil {
		return err
	}
	if strings.HasPrefix(name, "internal-") {
		return fault.New("ValidationError", "Load balancer name '%s' cannot begin with 'internal-'", name)
	}
	return nil
}

// ValidTargetGroupName reports what is wrong with a target group's name (alb.md T8).
func ValidTargetGroupName(name string) error { return validName("Target group", name) }

func validName(what, name string) error {
	switch {
	case name == "":
		return fault.New("ValidationError", "%s name cannot be blank", what)
	case len(name) > 32:
		return fault.New("ValidationError", "%s name '%s' cannot be longer than '32' characters", what, name)
	case !only(name, alphanumeric+"-"):
		return fault.New("ValidationError", "%s name '%s' can only contain characters that are "+
			"alphanumeric characters and hyphens(-)", what, name)
	case name[0] == '-':
		return fault.New("ValidationError", "%s name '%s' cannot begin with a hyphen(-)", what, name)
	case name[len(name)-1] == '-':
		return fault.New("ValidationError", "%s name '%s' cannot end with a hyphen(-)", what, name)
	}
	return nil
}

const (
	letters      = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	alphanumeric = letters + "0123456789"
)

// only reports whether s holds nothing but characters of allowed.
func only(s, allowed string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune(allowed, r) })
}

// TargetGroupName is the name in a target group's ARN: targetgroup/NAME/ID.
func TargetGroupName(arn string) string {
	parts := strings.Split(arn, "/")
	if len(parts) < 2 {
		return arn
	}
	return parts[len(parts)-2]
}
