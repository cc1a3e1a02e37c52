package fleet

import "strings"

// Image is a machine image. On a local machine an image has no content: an instance is an agent process. The image
// determines only the architecture and the id that the API returns.
type Image struct {
	ID, Name, Description string
	Architecture          string // x86_64 or arm64
}

// Images returns the two ECS-optimized images of a region, one for each architecture.
func Images(region string) []Image {
	name := func(arch string) string { return "al2023-ami-ecs-hvm-2023.0.20260101-kernel-6.1-" + arch }
	image := func(arch string) Image {
		return Image{
			ID:   strings.Replace(FixedID("ami", region, "amazon", arch), "-", "-0", 1)[:21],
			Name: name(arch), Architecture: arch,
			Description: "Amazon Linux AMI 2023.0.20260101 " + arch +
				" ECS HVM EBS: on this machine an agent process of its own",
		}
	}
	return []Image{image("x86_64"), image("arm64")}
}

// FindImage returns the image with an id. Berth has no list of AWS's images, so it accepts every well-formed id as an
// image of this machine. ok is false for a malformed id (InvalidAMIID.Malformed).
func FindImage(region, id string) (Image, bool) {
	for _, i := range Images(region) {
		if i.ID == id {
			return i, true
		}
	}
	if !WellFormedID("ami", id) {
		return Image{}, false
	}
	return Image{ID: id, Name: "stand-in-for-" + id, Architecture: "x86_64",
		Description: "Stands for " + id + ": on this machine an agent process of its own"}, true
}

// WellFormedID reports whether id is the kind's prefix, a dash, and 8 or 17 hexadecimal digits.
func WellFormedID(kind, id string) bool {
	hex, ok := strings.CutPrefix(id, kind+"-")
	return ok && (len(hex) == 8 || len(hex) == 17) && strings.Trim(hex, "0123456789abcdef") == ""
}
