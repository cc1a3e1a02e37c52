package fleet

import (
	"maps"
	"slices"
	"strings"
)

// InstanceType describes a type of instance.
type InstanceType struct {
	Name         string
	VCPUs        int
	MemoryMiB    int
	ENIs         int    // network interfaces, including the primary one; limits awsvpc tasks
	Architecture string // x86_64 or arm64
	Burstable    bool
}

// CPU returns the type's capacity in ECS CPU units, 1024 per vCPU.
func (t InstanceType) CPU() int { return t.VCPUs * 1024 }

// Family returns the part of the name before the dot.
func (t InstanceType) Family() string { f, _, _ := strings.Cut(t.Name, "."); return f }

// size is one row of a family's table: the part of the name after the dot, vCPUs, memory in MiB, network interfaces.
type size struct {
	name         string
	vcpus, mem   int
	networkCards int
}

// families lists the instance types, from the EC2 instance type pages (general purpose, compute and
// memory optimised).
var families = map[string][]size{
	"t2": {{"nano", 1, 512, 2}, {"micro", 1, 1024, 2}, {"small", 1, 2048, 3}, {"medium", 2, 4096, 3},
		{"large", 2, 8192, 3}, {"xlarge", 4, 16384, 3}, {"2xlarge", 8, 32768, 3}},
	"t3": burstable, "t3a": burstable, "t4g": burstable,
	"m5": scaled(4, "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge"),
	"m6i": scaled(4, "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge",
		"24xlarge", "32xlarge"),
	"m6g": scaled(4, "medium", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"),
	"c5":  scaled(2, "large", "xlarge", "2xlarge", "4xlarge", "9xlarge", "12xlarge", "18xlarge", "24xlarge"),
	"c6i": scaled(2, "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge",
		"24xlarge", "32xlarge"),
	"r5": scaled(8, "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge"),
}

var burstable = []size{{"nano", 2, 512, 2}, {"micro", 2, 1024, 2}, {"small", 2, 2048, 3}, {"medium", 2, 4096, 3},
	{"large", 2, 8192, 3}, {"xlarge", 4, 16384, 4}, {"2xlarge", 8, 32768, 4}}

// vcpusOf and interfacesOf apply to every family except the burstable ones.
var (
	vcpusOf = map[string]int{"medium": 1, "large": 2, "xlarge": 4, "2xlarge": 8, "4xlarge": 16, "8xlarge": 32,
		"9xlarge": 36, "12xlarge": 48, "16xlarge": 64, "18xlarge": 72, "24xlarge": 96, "32xlarge": 128}
	interfacesOf = map[string]int{"medium": 2, "large": 3, "xlarge": 4, "2xlarge": 4, "4xlarge": 8, "8xlarge": 8,
		"9xlarge": 8, "12xlarge": 8, "16xlarge": 15, "18xlarge": 15, "24xlarge": 15, "32xlarge": 15}
)

// scaled returns the sizes of a family with a fixed number of GiB per vCPU.
func scaled(gibPerVCPU int, names ...string) []size {
	sizes := make([]size, len(names))
	for i, n := range names {
		sizes[i] = size{n, vcpusOf[n], vcpusOf[n] * gibPerVCPU * 1024, interfacesOf[n]}
	}
	return sizes
}

// FindInstanceType returns the type with a name ("t2.micro").
func FindInstanceType(name string) (InstanceType, bool) {
	family, sizeName, _ := strings.Cut(name, ".")
	for _, s := range families[family] {
		if s.name == sizeName {
			return instanceType(family, s), true
		}
	}
	return InstanceType{}, false
}

// InstanceTypes returns all types, by family and then by size.
func InstanceTypes() []InstanceType {
	var types []InstanceType
	for _, f := range slices.Sorted(maps.Keys(families)) {
		for _, s := range families[f] {
			types = append(types, instanceType(f, s))
		}
	}
	return types
}

func instanceType(family string, s size) InstanceType {
	arch := "x86_64"
	if strings.HasSuffix(family, "g") {
		arch = "arm64"
	}
	return InstanceType{
		Name: family + "." + s.name, VCPUs: s.vcpus, MemoryMiB: s.mem, ENIs: s.networkCards,
		Architecture: arch, Burstable: family[0] == 't',
	}
}
