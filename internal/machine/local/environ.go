package local

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/userdata"
)

// environment is an agent's whole environment, sorted. The instance's ecs.config may set what it likes but for what makes the instance: its
// identity, its directories and its credentials.
func environment(cfg *Config, in *fleet.Instance, dir string, settings []userdata.Setting) []string {
	t, _ := fleet.FindInstanceType(in.Launch.InstanceType)
	env := map[string]string{}
	for _, e := range cfg.Env {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	for _, s := range settings {
		env[s.Key] = s.Value
	}
	if env["ECS_BACKEND_HOST"] == "" {
		env["ECS_BACKEND_HOST"] = cfg.ControlPlane
	}
	subnet, _ := fleet.FindSubnet(in.Region, in.Account, in.SubnetID)
	maps.Copy(env, map[string]string{
		"HOME": dir, "ECS_DATADIR": dataDir(dir), "AWS_ENDPOINT_URL": cfg.ControlPlane,
		"AWS_DEFAULT_REGION": in.Region, "AWS_REGION": in.Region, EnvCredentials: credentialsFile(dir),
		EnvInstanceID: in.ID, EnvInstanceType: in.Launch.InstanceType, EnvImageID: in.Launch.ImageID, EnvAccount: in.Account,
		EnvAvailabilityZone: in.Zone, EnvZoneID: subnet.Zone.ID, EnvVPC: subnet.VPC, EnvSubnet: in.SubnetID,
		EnvBindAddress: in.Address.String(), EnvCPU: strconv.Itoa(t.CPU()), EnvMemory: strconv.Itoa(t.MemoryMiB), EnvArchitecture: t.Architecture,
		EnvIdentityDocument: identityFile(dir), EnvInstanceRoot: rootDir(dir),
	})
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		delete(env, name)
	}
	list := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}
