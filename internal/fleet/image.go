package fleet

import "strings"

// Image is a machine image. On a local machine an image carries no bits: an instance is an agent process whatever its image is,
// so the only things an image decides are its architecture and the id that is reported back.
type Image struct {
	ID, Name, Description string
	Architecture          string // x86_64 or arm64
}

// Images returns the two ECS-optimized images of a region, one for each architecture.
func Images(region string) []Image {
	name := func(arch string) string { return "al2023-ami-ecs-hvm-2023.0.20260101-kernel-6.1-" + arch }
	image := func(arch string) Image {
		return Image{
			ID: strings.Replace(FixedID("ami", region, "amazon", arch), "-", "-0", 1)[:21], Name: name(arch), Architecture: arch,
			Description: "Amazon Linux AMI 2023.0.20260101 " + arch + " ECS HVM EBS: on this machine an agent process of its own",
		}
	}
	return []Image{image("x86_64"), image("arm64")}
}

// FindImage returns the image that an id stands for. Image ids are account-wide facts of AWS that nobody here can look up, so every well-formed id is
// taken and stands for this machine; ok is false for an id that is none (InvalidAMIID.Malformed).
func FindImage(region, id string) (Image, bool) {
	for _, i := range Images(region) {
		if i.ID == id {
			return i, true
		}
	}
	if !WellFormedID("ami", id) {
		return Image{}, false
	}
	return Image{ID: id, Name: "stand-in-for-" + id, Architecture: "x86_64", Description: "Stands for " + id + ": on this machine an agent process of its own"}, true
}

// WellFormedID reports whether id is the kind's prefix, a dash and 8 or 17 hexadecimal digits.
func WellFormedID(kind, id string) bool {
	hex, ok := strings.CutPrefix(id, kind+"-")
	return ok && (len(hex) == 8 || len(hex) == 17) && strings.Trim(hex, "0123456789abcdef") == ""
}
