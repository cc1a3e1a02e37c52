package fleet

import (
	"slices"
	"strconv"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/tag"
)

// LaunchData has the settings of a new instance from a launch configuration, a version of a launch template or
// RunInstances. Fields without an effect on a local machine (KeyName, BlockDevices, Monitoring, …) are stored and
// returned.
type LaunchData struct {
	ImageID          string        `json:",omitempty"`
	InstanceType     string        `json:",omitempty"`
	KeyName          string        `json:",omitempty"`
	SecurityGroups   []string      `json:",omitempty"` // ids
	UserData         string        `json:",omitempty"` // base64, as the API carried it
	Profile          string        `json:",omitempty"` // instance profile, by name or ARN
	Monitoring       *bool         `json:",omitempty"`
	EBSOptimized     *bool         `json:",omitempty"`
	PublicIP         *bool         `json:",omitempty"`
	BlockDevices     []BlockDevice `json:",omitempty"`
	Metadata         *Metadata     `json:",omitempty"`
	Tenancy          string        `json:",omitempty"`
	ShutdownBehavior string        `json:",omitempty"`
	Credits          string        `json:",omitempty"` // CPU credits of burstable types: standard or unlimited
	DisableAPITerm   *bool         `json:",omitempty"`
	DisableAPIStop   *bool         `json:",omitempty"`
	TagSpecs         []TagSpec     `json:",omitempty"`
	// security groups and public address were given with a network interface
	Interface bool `json:",omitempty"`
}

// BlockDevice is a volume mapping. It is stored and returned; a local machine has no volumes.
type BlockDevice struct {
	Device, Virtual, NoDevice  string `json:",omitempty"`
	SnapshotID, VolumeType     string `json:",omitempty"`
	KMSKeyID                   string `json:",omitempty"`
	SizeGiB, IOPS, Throughput  *int32 `json:",omitempty"`
	DeleteOnTermination, Crypt *bool  `json:",omitempty"`
	SuppressDevice             *bool  `json:",omitempty"`
}

// Metadata holds the options of the instance metadata service.
type Metadata struct {
	Endpoint, Tokens, IPv6, Tags string `json:",omitempty"`
	HopLimit                     *int32 `json:",omitempty"`
}

// TagSpec holds the tags for one kind of resource that is made at launch ("instance", "volume", …).
type TagSpec struct {
	Resource string
	Tags     tag.Set
}

// InstanceTags returns the tags for the instance itself.
func (d *LaunchData) InstanceTags() (tags tag.Set) {
	for _, s := range d.TagSpecs {
		if s.Resource == "instance" {
			tags = tags.With(s.Tags...)
		}
	}
	return tags
}

// LaunchConfiguration is an immutable description of new instances of a group (ecs.md 5.2).
type LaunchConfiguration struct {
	Name, ID        string // ID is the UUID in the ARN
	Region, Account string
	CreatedAt       time.Time
	Data            LaunchData
}

// Key returns the configuration's key in the store.
func (c *LaunchConfiguration) Key() string { return Key(c.Region, c.Account, c.Name) }

// ARN returns the configuration's ARN.
func (c *LaunchConfiguration) ARN() string {
	return arn.New("autoscaling", c.Region, c.Account,
		"launchConfiguration:"+c.ID+":launchConfigurationName/"+c.Name).String()
}

// LaunchTemplate is a template with numbered versions. Versions never change; new ones are added.
type LaunchTemplate struct {
	ID, Name        string
	Region, Account string
	CreatedAt       time.Time
	CreatedBy       string
	Default         int64             // number of the default version
	Latest          int64             // the highest number so far
	Tags            tag.Set           `json:",omitempty"`
	Versions        []TemplateVersion // in the order of their numbers, without deleted ones

	// ClientToken and the hash of its call's parameters make CreateLaunchTemplate idempotent.
	ClientToken   string `json:",omitempty"`
	ParameterHash string `json:",omitempty"`
}

// TemplateVersion is one version of a launch template.
type TemplateVersion struct {
	Number      int64
	Description string `json:",omitempty"`
	CreatedAt   time.Time
	CreatedBy   string
	Data        LaunchData

	// ClientToken and the hash of its call's parameters make CreateLaunchTemplateVersion idempotent.
	ClientToken   string `json:",omitempty"`
	ParameterHash string `json:",omitempty"`
}

// Key returns the template's key in the store.
func (t *LaunchTemplate) Key() string { return Key(t.Region, t.Account, t.ID) }

// Version returns the version with a number, or the one that "$Latest" or "$Default" means. "" means the default
// version.
func (t *LaunchTemplate) Version(s string) (TemplateVersion, bool) {
	n := t.Default
	switch s {
	case "", "$Default":
	case "$Latest":
		n = t.Latest
	default:
		var err error
		if n, err = strconv.ParseInt(s, 10, 64); err != nil {
			return TemplateVersion{}, false
		}
	}
	i := slices.IndexFunc(t.Versions, func(v TemplateVersion) bool { return v.Number == n })
	if i < 0 {
		return TemplateVersion{}, false
	}
	return t.Versions[i], true
}

// LaunchSource names the launch configuration or the launch template with a version from which a group launches.
// Version is stored as the caller wrote it ("$Latest") and resolved at each launch.
type LaunchSource struct {
	Configuration string `json:",omitempty"`
	TemplateID    string `json:",omitempty"`
	TemplateName  string `json:",omitempty"`
	Version       string `json:",omitempty"`
}

// Merge returns d with those fields replaced that o sets, as the parameters of RunInstances override its launch
// template.
func (d LaunchData) Merge(o LaunchData) LaunchData {
	str := func(dst *string, v string) {
		if v != "" {
			*dst = v
		}
	}
	flag := func(dst **bool, v *bool) {
		if v != nil {
			*dst = v
		}
	}
	str(&d.ImageID, o.ImageID)
	str(&d.InstanceType, o.InstanceType)
	str(&d.KeyName, o.KeyName)
	str(&d.UserData, o.UserData)
	str(&d.Profile, o.Profile)
	str(&d.Tenancy, o.Tenancy)
	str(&d.ShutdownBehavior, o.ShutdownBehavior)
	str(&d.Credits, o.Credits)
	flag(&d.Monitoring, o.Monitoring)
	flag(&d.EBSOptimized, o.EBSOptimized)
	flag(&d.PublicIP, o.PublicIP)
	flag(&d.DisableAPITerm, o.DisableAPITerm)
	flag(&d.DisableAPIStop, o.DisableAPIStop)
	if o.SecurityGroups != nil {
		d.SecurityGroups = o.SecurityGroups
	}
	if o.BlockDevices != nil {
		d.BlockDevices = o.BlockDevices
	}
	if o.Metadata != nil {
		d.Metadata = o.Metadata
	}
	d.TagSpecs = append(slices.Clone(d.TagSpecs), o.TagSpecs...)
	d.Interface = d.Interface || o.Interface
	return d
}
