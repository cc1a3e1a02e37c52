// Package e2e tests Berth as a whole from outside: a berth process with real Docker, Redis and agents, and the clients
// that people use. It starts the program through test/harness, and does not test packages of Berth directly.
//
// The tests run one after another, since they share the machine's Docker, its loopback addresses and its ports.
package e2e

import (
	"os"
	"testing"

	"github.com/berthhq/berth/test/harness"
)

func TestMain(m *testing.M) {
	os.Exit(harness.Main(m, map[string]string{
		"berth": "../../cmd/berth", "chat": "../../examples/chat", "probe": "./probe",
	}))
}

type (
	object = harness.Object
	list   = harness.List
	form   = harness.Form
)

// What tests need besides Docker.
var (
	redis    = harness.OnPath("redis-server")
	awsCLI   = harness.OnPath("/usr/bin/aws")
	chromium = harness.OnPath("/usr/bin/chromium")
	nodeJS   = harness.Packages("js")
	chatNode = harness.Packages("../../examples/chat-node")
)

// edgeAddr is where load balancers of these tests listen.
const edgeAddr = "127.0.77.1"

// server is a berth server that only one test uses, with helpers for these tests.
type server struct{ *harness.Server }

// start starts a server in us-east-1.
func start(t *testing.T) server { t.Helper(); return startIn(t, harness.DefaultRegion) }

// startIn starts a server in a region.
func startIn(t *testing.T, region string) server {
	t.Helper()
	harness.Need(t, harness.DockerEngine())
	return server{harness.Start(t, harness.Config{Region: region, Edge: edgeAddr})}
}
