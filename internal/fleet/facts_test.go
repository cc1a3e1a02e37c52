package fleet

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/tag"
)

// Each region has three zones with one subnet each. A lookup by an id finds the resource that the id was made
// for.
func TestPlacesOfRegions(t *testing.T) {
	regions := Regions()
	if !slices.IsSorted(regions) || !slices.Contains(regions, "us-east-1") {
		t.Errorf("regions %q", regions)
	}
	regions[0] = "changed"
	if Regions()[0] == "changed" {
		t.Error("a caller has changed the list of regions")
	}
	ids, zoneIDs := map[string]bool{}, map[string]bool{}
	for _, region := range Regions() {
		for i, zone := range Zones(region) {
			if !IsZone(region, zone.Name) || zoneIDs[zone.ID] || !strings.HasSuffix(zone.ID,
				"-az"+string(rune('1'+i))) {
				t.Errorf("zone %+v of %s", zone, region)
			}
			zoneIDs[zone.ID] = true
			s, ok := ZoneSubnet(region, "1", zone.Name)
			found, known := FindSubnet(region, "1", s.ID)
			if !ok || !known || found != s || s.Zone != zone || s.Index != i || ids[s.ID] || !WellFormedID("subnet",
				s.ID) {
				t.Errorf("subnet %+v of %s", s, zone.Name)
			}
			ids[s.ID] = true
			if _, elsewhere := FindSubnet(region, "2", s.ID); elsewhere {
				t.Errorf("%s of one account is found in another", s.ID)
			}
		}
	}
	for _, name := range []string{"", "us-east-1", "us-east-1d", "us-east-1aa", "eu-west-2a"} {
		if IsZone("us-east-1", name) {
			t.Errorf("us-east-1 has the zone %q", name)
		}
		if _, ok := ZoneSubnet("us-east-1", "1", name); ok {
			t.Errorf("the zone %q has a subnet", name)
		}
	}
	for region, want := range map[string]string{
		"us-east-1": "use1", "ap-southeast-2": "apse2", "ca-central-1": "cac1", "us-gov-west-1": "usgovwest1",
	} {
		if got := shortRegion(region); got != want {
			t.Errorf("%s is written %s, want %s", region, got, want)
		}
	}
}

func TestImages(t *testing.T) {
	for _, i := range Images("eu-west-2") {
		if found, ok := FindImage("eu-west-2", i.ID); !ok || found != i {
			t.Errorf("image %+v is found as %+v", i, found)
		}
		if other, ok := FindImage("us-east-1", i.ID); !ok || other.Name == i.Name {
			t.Errorf("in another region %s is %+v", i.ID, other)
		}
	}
	if stand, ok := FindImage("us-east-1", "ami-0123456789abcdef0"); !ok || stand.Architecture != "x86_64" ||
		stand.ID != "ami-0123456789abcdef0" || !strings.Contains(stand.Name, stand.ID) {
		t.Errorf("an image of another owner: %+v", stand)
	}
	if _, ok := FindImage("us-east-1", "ami-x"); ok {
		t.Error("an invalid id is found as an image")
	}
}

// ecs.md 5.1: a group launches into its subnets. Without subnets it launches into one subnet of each of its
// zones.
func TestSlots(t *testing.T) {
	subnets := Subnets("us-east-1", "1")
	for _, tt := range []struct {
		zones, subnets []string
		want           string
	}{
		{nil, nil, ""},
		{[]string{"us-east-1b", "us-east-1a"}, nil, "us-east-1a us-east-1b"},
		{[]string{"us-east-1a", "us-east-1b"}, []string{subnets[2].ID}, "us-east-1c"},
		{nil, []string{subnets[1].ID, "subnet-00000000"}, "us-east-1b"},
		{[]string{"eu-west-2a"}, nil, ""},
	} {
		g := &AutoScalingGroup{Region: "us-east-1", Account: "1", Zones: tt.zones, Subnets: tt.subnets}
		var got []string
		for _, s := range g.Slots() {
			got = append(got, s.Zone.Name)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("zones %q and subnets %q give %q, want %q", tt.zones, tt.subnets, got, tt.want)
		}
	}
	g := &AutoScalingGroup{Suspended: []SuspendedProcess{{Name: ProcessLaunch, Reason: "maintenance"}}}
	for _, p := range ProcessNames() {
		if g.IsSuspended(p) != (p == ProcessLaunch) {
			t.Errorf("%s is suspended: %v", p, g.IsSuspended(p))
		}
	}
	caseless := func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) }
	if !slices.IsSortedFunc(ProcessNames(), caseless) || !slices.IsSorted(PolicyNames()) || len(ProcessNames()) != 9 ||
		len(PolicyNames()) != 7 {
		t.Errorf("processes %q, policies %q", ProcessNames(), PolicyNames())
	}
}

// ecs.md 5.2: Resolve returns the source a group launches from, with $Latest and $Default replaced by the
// number of the version.
func TestResolve(t *testing.T) {
	c := &LaunchConfiguration{Name: "lc", ID: "u", Region: "us-east-1", Account: "1", CreatedAt: now,
		Data: LaunchData{ImageID: "ami-1"}}
	if r := ResolveConfiguration(c); r.Source.Configuration != "lc" || r.Data.ImageID != "ami-1" || !r.At.Equal(now) {
		t.Errorf("configuration %+v", r)
	}
	if want := "arn:aws:autoscaling:us-east-1:1:launchConfiguration:u:launchConfigurationName/lc"; c.ARN() != want {
		t.Errorf("ARN %s", c.ARN())
	}
	lt := &LaunchTemplate{ID: "lt-1", Name: "web", Default: 1, Latest: 3, Versions: []TemplateVersion{
		{Number: 1, Data: LaunchData{ImageID: "ami-1"}}, {Number: 3, Data: LaunchData{ImageID: "ami-3"},
			CreatedAt: now}}}
	for word, want := range map[string]string{"": "1", "$Default": "1", "$Latest": "3", "3": "3"} {
		r, ok := ResolveTemplate(lt, word)
		if !ok || r.Source != (LaunchSource{TemplateID: "lt-1", TemplateName: "web", Version: want}) ||
			r.Data.ImageID != "ami-"+want {
			t.Errorf("version %q is %+v", word, r)
		}
	}
	if _, ok := ResolveTemplate(lt, "2"); ok {
		t.Error("a version that was deleted is resolved")
	}
}

// drawData draws launch data in which each part may be absent.
func drawData(rt *rapid.T, name string) LaunchData {
	word := func(part string) string {
		return rapid.SampledFrom([]string{"", part + "-" + name}).Draw(rt, name+part)
	}
	flag := func(part string) *bool {
		return rapid.SampledFrom([]*bool{nil, new(true), new(false)}).Draw(rt, name+part)
	}
	d := LaunchData{
		ImageID: word("image"), InstanceType: word("type"), KeyName: word("key"), UserData: word("data"),
		Profile: word("profile"), Tenancy: word("tenancy"), ShutdownBehavior: word("shutdown"),
		Credits:    word("credits"),
		Monitoring: flag("monitoring"), EBSOptimized: flag("ebs"), PublicIP: flag("ip"), DisableAPITerm: flag("term"),
		DisableAPIStop: flag("stop"), Interface: rapid.Bool().Draw(rt, name+"interface"),
	}
	if rapid.Bool().Draw(rt, name+"groups") {
		d.SecurityGroups = []string{"sg-" + name}
	}
	if rapid.Bool().Draw(rt, name+"devices") {
		d.BlockDevices = []BlockDevice{{Device: name}}
	}
	if rapid.Bool().Draw(rt, name+"metadata") {
		d.Metadata = &Metadata{Endpoint: name}
	}
	if rapid.Bool().Draw(rt, name+"tags") {
		d.TagSpecs = []TagSpec{{"instance", tag.Set{{Key: "from", Value: name}, {Key: name, Value: "1"}}}}
	}
	return d
}

// Merge takes each part from the upper data if it is given there, and otherwise from the lower. The test
// covers every field, including fields that are added to the type later.
func TestMergeTakesEveryPart(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		base, over := drawData(rt, "base"), drawData(rt, "over")
		merged := base.Merge(over)
		b, o, m := reflect.ValueOf(base), reflect.ValueOf(over), reflect.ValueOf(merged)
		for i := range m.NumField() {
			field := m.Type().Field(i).Name
			if field == "TagSpecs" {
				continue // these are added together; see below
			}
			want := b.Field(i)
			if !o.Field(i).IsZero() {
				want = o.Field(i)
			}
			if !reflect.DeepEqual(m.Field(i).Interface(), want.Interface()) {
				rt.Fatalf("%s is %v, want %v", field, m.Field(i), want)
			}
		}
		tags := map[string]string{}
		for _, d := range []LaunchData{base, over} {
			maps.Copy(tags, d.InstanceTags().Map())
		}
		if !maps.Equal(merged.InstanceTags().Map(), tags) {
			rt.Fatalf("tags %v, want %v", merged.InstanceTags(), tags)
		}
		if same := base.Merge(LaunchData{}); !reflect.DeepEqual(same.InstanceTags(), base.InstanceTags()) ||
			same.ImageID != base.ImageID {
			rt.Fatalf("merging empty data changes it: %+v", same)
		}
	})
}

// The default security group allows traffic in from members of the group, and all traffic out.
func TestSecurityGroups(t *testing.T) {
	g := DefaultSecurityGroup("us-east-1", "1")
	if len(g.Rules) != 2 || g.Rules[0].Egress || g.Rules[0].Group != g.ID || !g.Rules[1].Egress ||
		g.Rules[1].CIDR4 != "0.0.0.0/0" || g.VPC != DefaultVPC("us-east-1", "1").ID {
		t.Errorf("default group %+v", g)
	}
	base := SecurityRule{Protocol: "tcp", From: 80, To: 80, CIDR4: "10.0.0.0/8"}
	for name, tt := range map[string]struct {
		edit func(*SecurityRule)
		same bool
	}{
		"its id":          {func(r *SecurityRule) { r.ID = "sgr-1" }, true},
		"its description": {func(r *SecurityRule) { r.Description = "web" }, true},
		"its tags":        {func(r *SecurityRule) { r.Tags = tag.Set{{Key: "a", Value: "1"}} }, true},
		"its direction":   {func(r *SecurityRule) { r.Egress = true }, false},
		"its protocol":    {func(r *SecurityRule) { r.Protocol = "udp" }, false},
		"its first port":  {func(r *SecurityRule) { r.From = 79 }, false},
		"its last port":   {func(r *SecurityRule) { r.To = 81 }, false},
		"its range":       {func(r *SecurityRule) { r.CIDR4 = "10.0.0.0/9" }, false},
		"its IPv6 range":  {func(r *SecurityRule) { r.CIDR6 = "::/0" }, false},
		"its group":       {func(r *SecurityRule) { r.Group = "sg-1" }, false},
		"its prefix list": {func(r *SecurityRule) { r.PrefixList = "pl-1" }, false},
	} {
		other := base
		tt.edit(&other)
		if base.Same(other) != tt.same || other.Same(base) != tt.same {
			t.Errorf("a rule with another %s counts as the same: %v", name, !tt.same)
		}
	}
	own := &SecurityGroup{ID: "sg-0123456789abcdef0", Name: "web", Region: "us-east-1", Account: "1"}
	for name, want := range map[string]string{
		"web": own.ID, own.ID: own.ID, "default": g.ID, g.ID: g.ID, "other": "", "": "",
	} {
		id, ok := FindSecurityGroup(slices.Values([]*SecurityGroup{own}), "us-east-1", "1", name)
		if id != want || ok != (want != "") {
			t.Errorf("%q is the group %q, %v", name, id, ok)
		}
	}
}

// Keys are different for different regions, accounts and names, and the keys of one region are a range.
func TestStoreKeys(t *testing.T) {
	seen := map[string]bool{}
	for _, region := range []string{"us-east-1", "us-east-2"} {
		for _, account := range []string{"1", "2"} {
			for _, key := range []string{
				(&KeyPair{Name: "k", Region: region, Account: account}).Key(),
				(&SecurityGroup{ID: "sg-1", Region: region, Account: account}).Key(),
				(&ResourceTags{Resource: "subnet-1", Region: region, Account: account}).Key(),
				(&LaunchTemplate{ID: "lt-1", Region: region, Account: account}).Key(),
				(&LaunchConfiguration{Name: "lc", Region: region, Account: account}).Key(),
				(&AutoScalingGroup{Name: "g", Region: region, Account: account}).Key(),
			} {
				if seen[key] || !strings.HasPrefix(key, KeyPrefix(region, account)) {
					t.Errorf("key %s", key)
				}
				seen[key] = true
			}
			i := &Instance{ID: "i-1", Region: region, Account: account}
			if !strings.HasPrefix(i.ARN(), InstancePrefix(region, account)) || seen[i.ARN()] {
				t.Errorf("instance %s", i.ARN())
			}
			seen[i.ARN()] = true
		}
	}
}

// The numbers of an instance type follow from its family and size. Names are unique.
func TestTypesAreConsistent(t *testing.T) {
	seen := map[string]bool{}
	for _, ty := range InstanceTypes() {
		if seen[ty.Name] || !strings.HasPrefix(ty.Name, ty.Family()+".") || ty.VCPUs < 1 || ty.MemoryMiB < 256 ||
			ty.ENIs < 2 || ty.CPU() != 1024*ty.VCPUs {
			t.Errorf("type %+v", ty)
		}
		if arm := strings.HasSuffix(ty.Family(), "g"); arm != (ty.Architecture == "arm64") {
			t.Errorf("%s is %s", ty.Name, ty.Architecture)
		}
		seen[ty.Name] = true
	}
	if len(seen) < 30 {
		t.Errorf("%d types", len(seen))
	}
}
