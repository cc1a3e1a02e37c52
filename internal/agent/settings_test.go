package agent

import (
	"slices"
	"strings"
	"testing"
	"time"
)

var least = []string{"ECS_BACKEND_HOST=http://127.0.0.1:4566/", "AWS_DEFAULT_REGION=us-east-1"}

// ecs-agent.md 1.5 and ecs.md 1.3.13.
func TestDefaults(t *testing.T) {
	c, err := NewConfig(least)
	if err != nil {
		t.Fatal(err)
	}
	if c.Cluster != "default" || c.BackendHost != "http://127.0.0.1:4566" ||
		c.StopTimeout != 30*time.Second || c.CleanupWait != 3*time.Hour ||
		c.PullBehavior != "default" || c.MetadataRPS != 40 || c.MetadataBurst != 60 || c.CPU <= 0 ||
		c.Memory <= 0 || c.DynamicPortLast <= c.DynamicPortFirst {
		t.Errorf("defaults are %+v", c)
	}
	if c.ImageInterval != 30*time.Minute || c.ImageMinimum != time.Hour || c.ImagesPerCycle != 5 {
		t.Errorf("images are removed every %v, from the age of %v, %d at a time", c.ImageInterval,
			c.ImageMinimum, c.ImagesPerCycle)
	}
	if off, err := NewConfig(append(slices.Clone(least), "ECS_DISABLE_IMAGE_CLEANUP=true",
		"ECS_IMAGE_MINIMUM_CLEANUP_AGE=1s")); err != nil || off.ImageInterval != 0 ||
		off.ImageMinimum != time.Minute {
		t.Errorf("disabled: %v, %v, %v", off.ImageInterval, off.ImageMinimum, err)
	}
	if !slices.Equal(c.ReservedPorts, []int{22, 2375, 2376, 51678, 51679}) {
		t.Errorf("reserved ports %v", c.ReservedPorts)
	}
}

func TestFileAndEnvironment(t *testing.T) {
	file, err := ReadSettings(strings.NewReader(`
# of the article
ECS_CLUSTER=file
ECS_INSTANCE_ATTRIBUTES={"stack":"blue"}
ECS_RESERVED_MEMORY=256
ECS_DYNAMIC_HOST_PORT_RANGE=18500-18599
ECS_FOO=bar
`))
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewConfig(file, least, []string{"ECS_CLUSTER=environment", "ECS_RESERVED_PORTS=[1]",
		"BERTH_BIND_ADDR=127.0.1.5", "ECS_CONTAINER_STOP_TIMEOUT=0s"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Cluster != "environment" || c.Attributes["stack"] != "blue" || c.ReservedMemory != 256 ||
		c.DynamicPortFirst != 18500 ||
		c.DynamicPortLast != 18599 || !slices.Equal(c.ReservedPorts, []int{1}) ||
		c.BindAddress.String() != "127.0.1.5" || c.StopTimeout != time.Second {
		t.Errorf("settings are %+v", c)
	}
	if !slices.Equal(c.Ignored, []string{"ECS_FOO"}) {
		t.Errorf("ignored %v", c.Ignored)
	}
}

// One error names all wrong settings.
func TestWrongSettings(t *testing.T) {
	_, err := NewConfig([]string{
		"ECS_RESERVED_MEMORY=x", "ECS_IMAGE_PULL_BEHAVIOR=sometimes", "ECS_DYNAMIC_HOST_PORT_RANGE=9-1",
		"BERTH_BIND_ADDR=here", "ECS_CONTAINER_STOP_TIMEOUT=soon", "ECS_INSTANCE_ATTRIBUTES=[]",
		"ECS_ENABLE_TASK_IAM_ROLE=maybe", "ECS_NUM_IMAGES_DELETE_PER_CYCLE=0",
	})
	for _, name := range []string{
		"ECS_RESERVED_MEMORY", "ECS_IMAGE_PULL_BEHAVIOR", "ECS_DYNAMIC_HOST_PORT_RANGE", "BERTH_BIND_ADDR",
		"ECS_CONTAINER_STOP_TIMEOUT", "ECS_INSTANCE_ATTRIBUTES", "ECS_ENABLE_TASK_IAM_ROLE",
		"ECS_NUM_IMAGES_DELETE_PER_CYCLE", "ECS_BACKEND_HOST", "AWS_DEFAULT_REGION",
	} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not in %v", name, err)
		}
	}
	if _, err := ReadSettings(strings.NewReader("nonsense")); err == nil {
		t.Error("a line without = was read")
	}
}

// Custom attributes are sent with the first registration only (ecs-agent.md 1.5).
func TestAttributes(t *testing.T) {
	c, err := NewConfig(least, []string{`ECS_INSTANCE_ATTRIBUTES={"stack":"blue"}`,
		"BERTH_AVAILABILITY_ZONE=us-east-1b", `ECS_AVAILABLE_LOGGING_DRIVERS=["awslogs"]`})
	if err != nil {
		t.Fatal(err)
	}
	find := func(first bool, name string) (string, bool) {
		for _, a := range c.attributes(first) {
			if a.Name == name {
				return a.Value, true
			}
		}
		return "", false
	}
	if v, ok := find(true, "stack"); !ok || v != "blue" {
		t.Errorf("stack is %q, %v", v, ok)
	}
	if _, ok := find(false, "stack"); ok {
		t.Error("stack is sent again")
	}
	if v, _ := find(false, "ecs.availability-zone"); v != "us-east-1b" {
		t.Errorf("the zone is %q", v)
	}
	for name, want := range map[string]bool{
		"com.amazonaws.ecs.capability.logging-driver.awslogs": true,
		"com.amazonaws.ecs.capability.logging-driver.syslog":  false, "ecs.capability.task-eni": true,
	} {
		if _, ok := find(false, name); ok != want {
			t.Errorf("%s: %v", name, ok)
		}
	}
}
