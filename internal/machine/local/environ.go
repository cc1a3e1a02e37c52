package local

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/userdata"
)

// endpointVariable has the URL of the API that an agent calls.
const endpointVariable = "AWS_ENDPOINT_URL"

// environment is an agent's whole environment, sorted. From the instance's ecs.config it takes the settings
// that fromUserData allows.
func environment(cfg *Config, in *fleet.Instance, dir string, settings []userdata.Setting) []string {
	t, _ := fleet.FindInstanceType(in.Launch.InstanceType)
	env := map[string]string{}
	for _, e := range cfg.Env {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	for _, s := range settings {
		if fromUserData(s.Key) {
			env[s.Key] = s.Value
		}
	}
	subnet, _ := fleet.FindSubnet(in.Region, in.Account, in.SubnetID)
	maps.Copy(env, map[string]string{
		"HOME": dir, "ECS_DATADIR": dataDir(dir),
		"ECS_BACKEND_HOST": cfg.ControlPlane, endpointVariable: cfg.ControlPlane,
		"AWS_DEFAULT_REGION": in.Region, "AWS_REGION": in.Region, EnvCredentials: credentialsFile(dir),
		EnvInstanceID: in.ID, EnvInstanceType: in.Launch.InstanceType, EnvImageID: in.Launch.ImageID,
		EnvAccount: in.Account, EnvAvailabilityZone: in.Zone, EnvZoneID: subnet.Zone.ID,
		EnvVPC: subnet.VPC, EnvSubnet: in.SubnetID, EnvBindAddress: in.Address.String(),
		EnvCPU: strconv.Itoa(t.CPU()), EnvMemory: strconv.Itoa(t.MemoryMiB), EnvArchitecture: t.Architecture,
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

// fromUserData reports whether user data may set the variable. An agent runs on the machine itself, outside the
// file system that user data sees. So user data can choose the agent's own settings, but nothing that redirects
// the agent: no container runtime (DOCKER_HOST), proxy, certificate authority, search path for programs or
// libraries (PATH, LD_PRELOAD), directory, credentials, identity or control plane. The list says what is
// allowed, because nobody knows all variables that the runtimes and libraries in an agent read.
func fromUserData(name string) bool {
	switch name {
	case "ECS_DATADIR", "ECS_BACKEND_HOST":
		return false
	}
	return strings.HasPrefix(name, "ECS_")
}

// refused says which settings do not reach the agent and why; "" if all do. Settings that have the right value
// anyway are not mentioned.
func refused(settings []userdata.Setting, environment []string) string {
	var names []string
	for _, s := range settings {
		silent := s.Value == "" || slices.Contains(environment, s.Key+"="+s.Value)
		if !fromUserData(s.Key) && !silent {
			names = append(names, s.Key)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return userdata.ConfigPath + " sets " + strings.Join(names, ", ") + ", which user data cannot choose on a " +
		"local instance: it can set variables that begin with ECS_, but not the agent's directory and " +
		"control plane; the lines are not used"
}
