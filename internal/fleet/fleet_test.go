package fleet

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/tag"
)

func TestFactsOfARegion(t *testing.T) {
	zones := Zones("ap-southeast-2")
	if zones[0] != (Zone{"ap-southeast-2a", "apse2-az1", "ap-southeast-2"}) || zones[2].ID != "apse2-az3" {
		t.Errorf("zones %v", zones)
	}
	a, b, c := DefaultVPC("us-east-1", "111111111111"), DefaultVPC("us-east-1", "111111111111"),
		DefaultVPC("us-east-2", "111111111111")
	if a != b || a.ID == c.ID || !WellFormedID("vpc", a.ID) {
		t.Errorf("vpc ids %s %s %s", a.ID, b.ID, c.ID)
	}
	network, ok := ChooseNetwork(&Block{}, "us-east-1", "111111111111", func(func(*Network) bool) {}, nil)
	if !ok {
		t.Error("the first region has no network")
	}
	want := []string{"172.31.0.0/20", "172.31.16.0/20", "172.31.32.0/20"}
	for i, s := range Subnets("us-east-1", "111111111111") {
		if network.Part(s).String() != want[i] || s.VPC != a.ID {
			t.Errorf("subnet %+v", s)
		}
	}
	for _, i := range Images("eu-west-2") {
		if !WellFormedID("ami", i.ID) {
			t.Errorf("image id %q", i.ID)
		}
	}
}

func TestInstanceTypes(t *testing.T) {
	for name, want := range map[string][4]int{ // vCPUs, CPU units, MiB, interfaces
		"t2.micro": {1, 1024, 1024, 2}, "t3.medium": {2, 2048, 4096, 3},
		"m5.large": {2, 2048, 8192, 3}, "c5.9xlarge": {36, 36864, 73728, 8}, "r5.xlarge": {4, 4096, 32768, 4},
		"m6g.medium": {1, 1024, 4096, 2}, "c6i.32xlarge": {128, 131072, 262144, 15},
	} {
		ty, ok := FindInstanceType(name)
		if got := [4]int{ty.VCPUs, ty.CPU(), ty.MemoryMiB, ty.ENIs}; !ok || got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
	for _, name := range []string{"", "t2", "t2.", "t2.huge", "x9.large", "t2.micro.x"} {
		if _, ok := FindInstanceType(name); ok {
			t.Errorf("there is a type %q", name)
		}
	}
	if ty, _ := FindInstanceType("t4g.nano"); ty.Architecture != "arm64" {
		t.Errorf("t4g is %s", ty.Architecture)
	}
	for _, ty := range InstanceTypes() {
		if same, ok := FindInstanceType(ty.Name); !ok || same != ty {
			t.Errorf("%s is found as another type", ty.Name)
		}
	}
}

// addresses is an AddressSet.
type addresses map[netip.Addr]bool

func (s addresses) Contains(a netip.Addr) bool { return s[a] }

func (s addresses) CountIn(r netip.Prefix) (n int) {
	for a := range s {
		if r.Contains(a) {
			n++
		}
	}
	return n
}

// The next address is the lowest one that is not taken and free, whatever is taken.
func TestNextAddressIsTheLowest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := &Block{Number: rapid.IntRange(0, Blocks-1).Draw(t, "block")}
		taken := addresses{}
		from := netip.AddrFrom4([4]byte{127, byte(b.Number), 1, 1})
		for n := rapid.IntRange(0, 700).Draw(t, "taken"); n > 0; n-- {
			if from = from.Next(); rapid.IntRange(0, 300).Draw(t, "gap") > 0 {
				taken[from] = true
			}
		}
		used := netip.AddrFrom4([4]byte{127, byte(b.Number), 1, rapid.Byte().Draw(t, "used by another")})
		free := func(a netip.Addr) bool { return a != used }
		want := netip.AddrFrom4([4]byte{127, byte(b.Number), 1, 2})
		for taken[want] || want == used || want.As4()[3] == 0 || want.As4()[3] == 255 {
			want = want.Next()
		}
		if got, ok := b.NextAddress(taken, free); !ok || got != want {
			t.Fatalf("the next address is %v, %v, want %v", got, ok, want)
		}
	})
}

func TestAddressRange(t *testing.T) {
	for address, want := range map[string]string{"127.0.1.2": "127.0.1.0/24", "10.1.2.255": "10.1.2.0/24",
		"fd00::1:2": "fd00::1:0/120"} {
		if got := AddressRange(netip.MustParseAddr(address)).String(); got != want {
			t.Errorf("the range of %s is %s, want %s", address, got, want)
		}
	}
}

func TestNextAddress(t *testing.T) {
	taken := addresses{}
	var last netip.Addr
	for range 600 {
		a, ok := (&Block{}).NextAddress(taken, nil)
		if !ok || taken[a] || a == last || a.As4()[3] == 0 || a.As4()[3] == 255 || !a.IsLoopback() {
			t.Fatalf("address %v, %v", a, ok)
		}
		taken[a], last = true, a
	}
	if first := netip.MustParseAddr("127.0.1.2"); !taken[first] {
		t.Errorf("%v was never given", first)
	}
	for a := netip.MustParseAddr("127.0.1.2"); a.Compare(netip.MustParseAddr("127.0.63.254")) <= 0; a = a.Next() {
		taken[a] = true
	}
	if a, ok := (&Block{}).NextAddress(taken, nil); ok {
		t.Errorf("%v from a full range", a)
	}
}

// An instance can go back only from stopped. From shutting-down it can only become terminated, and terminated
// is final.
func TestStatesMoveForward(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Pending
		for range 20 {
			if s == Terminated {
				if len(s.Next()) != 0 {
					t.Fatal("a terminated instance gets another state")
				}
				return
			}
			next := rapid.SampledFrom(s.Next()).Draw(t, "next")
			if s == ShuttingDown && next != Terminated || next == Pending && s != Stopped {
				t.Fatalf("from %s back to %s", s, next)
			}
			s = next
		}
	})
	codes := map[InstanceState]int32{
		Pending: 0, Running: 16, ShuttingDown: 32, Terminated: 48, Stopping: 64, Stopped: 80,
	}
	for s, want := range codes {
		if s.Code() != want {
			t.Errorf("%s has code %d, want %d", s, s.Code(), want)
		}
	}
}

func TestGroupKeyFromARN(t *testing.T) {
	g := AutoScalingGroup{Name: "a/b", ID: "u", Region: "us-east-1", Account: "123456789012"}
	if key, ok := GroupKeyFromARN(g.ARN()); !ok || key != g.Key() {
		t.Errorf("key %q of %s, want %q", key, g.ARN(), g.Key())
	}
	for _, bad := range []string{"", "arn:aws:ecs:us-east-1:1:cluster/x",
		"arn:aws:autoscaling:us-east-1:1:launchConfiguration:u:launchConfigurationName/x"} {
		if _, ok := GroupKeyFromARN(bad); ok {
			t.Errorf("%q is no group", bad)
		}
	}
}

func TestTemplateVersions(t *testing.T) {
	lt := LaunchTemplate{Default: 2, Latest: 4, Versions: []TemplateVersion{{Number: 1}, {Number: 2}, {Number: 4}}}
	for word, want := range map[string]int64{"": 2, "$Default": 2, "$Latest": 4, "1": 1} {
		if v, ok := lt.Version(word); !ok || v.Number != want {
			t.Errorf("version %q is %d, %v", word, v.Number, ok)
		}
	}
	for _, bad := range []string{"3", "x", "$latest", "-1"} {
		if _, ok := lt.Version(bad); ok {
			t.Errorf("there is a version %q", bad)
		}
	}
}

func TestMergeLaunchData(t *testing.T) {
	base := LaunchData{ImageID: "ami-1", InstanceType: "t2.micro", SecurityGroups: []string{"sg-1"},
		TagSpecs: []TagSpec{{"instance", tag.Set{{Key: "a", Value: "1"}, {Key: "b", Value: "1"}}}}}
	got := base.Merge(LaunchData{InstanceType: "m5.large",
		TagSpecs: []TagSpec{{"instance", tag.Set{{Key: "a", Value: "2"}}}}})
	if got.ImageID != "ami-1" || got.InstanceType != "m5.large" || got.SecurityGroups[0] != "sg-1" {
		t.Errorf("merged %+v", got)
	}
	if tags := got.InstanceTags().Map(); tags["a"] != "2" || tags["b"] != "1" {
		t.Errorf("tags %v", tags)
	}
	if len(base.TagSpecs) != 1 {
		t.Error("Merge changed its receiver")
	}
}

func TestDNSName(t *testing.T) {
	i := Instance{Region: "us-east-1", Address: netip.MustParseAddr("127.0.1.254")}
	if got := i.DNSName(); got != "ip-127-0-1-254.ec2.internal" {
		t.Error(got)
	}
	i.Region = "eu-west-2"
	if got := i.DNSName(); got != "ip-127-0-1-254.eu-west-2.compute.internal" {
		t.Error(got)
	}
}
