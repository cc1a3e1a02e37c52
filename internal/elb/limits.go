package elb

// Quotas of an account in a region (alb.md 8.6).
const (
	MaxLoadBalancers           = 50
	MaxListenersPerLB          = 50
	MaxRulesPerLB              = 100 // default rules not counted
	MaxTargetGroups            = 3000
	MaxTargetGroupsPerLB       = 100
	MaxTargetGroupsPerAction   = 5
	MaxTargetsPerLB            = 1000
	MaxConditionValuesPerRule  = 5
	MaxWildcardsPerRule        = 6 // alb.md R5: 5 and 6 are both documented
	maxTargetsPerGroup         = 1000
	maxCertificatesPerLB       = 25
	maxValuesPerCondition      = 3
	maxPatternLength           = 128
	maxHeaderNameLength        = 40
	maxMethodLength            = 40
	maxWeight                  = 999
	maxStickySeconds           = 604800
	maxFixedResponseBodyLength = 1024
)

// MaxTargetsPerGroup is how many targets a group may have.
const MaxTargetsPerGroup = maxTargetsPerGroup

// A Limit is a named quota, as DescribeAccountLimits tells it.
type Limit struct {
	Name string
	Max  int
}

// Limits are the quotas that concern application load balancers.
func Limits() []Limit {
	return []Limit{
		{"application-load-balancers", MaxLoadBalancers},
		{"certificates-per-application-load-balancer", maxCertificatesPerLB},
		{"condition-values-per-alb-rule", MaxConditionValuesPerRule},
		{"condition-wildcards-per-alb-rule", MaxWildcardsPerRule},
		{"listeners-per-application-load-balancer", MaxListenersPerLB},
		{"rules-per-application-load-balancer", MaxRulesPerLB},
		{"target-groups", MaxTargetGroups},
		{"target-groups-per-action-on-application-load-balancer", MaxTargetGroupsPerAction},
		{"target-groups-per-application-load-balancer", MaxTargetGroupsPerLB},
		{"targets-per-application-load-balancer", MaxTargetsPerLB},
		{"targets-per-target-group", maxTargetsPerGroup},
	}
}
