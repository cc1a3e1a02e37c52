package awswire

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// absent skips a test because a real client is not installed. In CI it fails the test.
func absent(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("BERTH_CI") == "1" {
		t.Fatal("missing: " + what)
	}
	t.Skip("missing: " + what)
}

// realDesk is a front desk on a loopback port with the real clock, and the environment variables with which clients
// use it.
func realDesk(t *testing.T) (url string, env []string) {
	now := time.Now()
	server := httptest.NewServer(newDesk(t, &toy{now: testNow, clusters: []string{"a", "b", "c", "d", "e"}},
		func() time.Time { return now }))
	t.Cleanup(server.Close)
	return server.URL, append(os.Environ(),
		"AWS_ACCESS_KEY_ID="+testKey.ID, "AWS_SECRET_ACCESS_KEY="+testKey.Secret, "AWS_DEFAULT_REGION="+testRegion,
		"AWS_CONFIG_FILE=/nonexistent", "AWS_SHARED_CREDENTIALS_FILE=/nonexistent", "AWS_PAGER=",
		"ENDPOINT="+server.URL)
}

// awsCLI returns a working AWS CLI. A CLI whose Python is missing does not count.
func awsCLI(t *testing.T) string {
	for _, path := range []string{"/usr/bin/aws", "aws"} {
		if out, err := exec.Command(path, "--version").Output(); err == nil &&
			bytes.HasPrefix(out, []byte("aws-cli/")) {
			return path
		}
	}
	absent(t, "the AWS CLI (apt-get install awscli)")
	return ""
}

// runCLI runs an AWS CLI with arguments that have no spaces, against a desk.
func runCLI(t *testing.T, cli, url string, env []string, args string) (out, stderr string, err error) {
	cmd := exec.CommandContext(t.Context(), cli, append(strings.Fields(args), "--endpoint-url", url)...)
	cmd.Env = env
	var said bytes.Buffer
	cmd.Stderr = &said
	printed, err := cmd.Output()
	return string(printed), said.String(), err
}

func TestAWSCLI(t *testing.T) {
	cli := awsCLI(t)
	url, env := realDesk(t)
	for _, c := range []struct{ args, want, wantErr string }{
		{"ecs create-cluster --cluster-name web --tags key=a,value=b --query " +
			"cluster.[clusterArn,tags[0].value] --output text",
			"arn:aws:ecs:eu-central-1:123456789012:cluster/web\tb\n", ""},
		// The CLI follows the tokens and prints one line for each page.
		{"ecs list-clusters --query clusterArns --output text", "a\tb\nc\td\ne\n", ""},
		{"ecs create-cluster --cluster-name taken", "", "An error occurred (ConflictException) when " +
			"calling the CreateCluster operation: The cluster taken exists."},
		{"ecs register-task-definition --family f --container-definitions name=a,image=i,memory=64 --query " +
			"taskDefinition.[registeredAt,containerDefinitions[0].memory] --output text",
			"2026-11-23T00:55:38.250000+00:00\t64\n", ""},
		{"elbv2 create-target-group --name tg --protocol HTTP --port 80 --query " +
			"TargetGroups[0].[TargetGroupName,Port,LoadBalancerArns] --output json",
			"[\n    \"tg\",\n    80,\n    []\n]\n", ""},
		{"elbv2 create-target-group --name tg --protocol SMTP", "",
			"An error occurred (ValidationError) when calling the CreateTargetGroup operation: 1 validation " +
				"error detected: Value 'SMTP' at 'protocol' failed to satisfy constraint: Member must " +
				"satisfy enum value set: [HTTP, HTTPS, TCP, TLS, UDP, TCP_UDP, GENEVE, QUIC, TCP_QUIC]"},
		{"elbv2 delete-load-balancer --load-balancer-arn x", "", "(LoadBalancerNotFound) when calling the " +
			"DeleteLoadBalancer operation: One or more load balancers not found & <gone>"},
		{"elbv2 describe-account-limits", "", "(InvalidAction) when calling the DescribeAccountLimits " +
			"operation: Could not find operation DescribeAccountLimits for version 2015-12-01"},
		{"ec2 run-instances --image-id ami-1 --instance-type " +
			"t3.micro --tag-specifications ResourceType=instance,Tags=[{Key=k,Value=v}] --query " +
			"Instances[0].[InstanceId,LaunchTime,Tags[0].Value,State.Name] --output text",
			"i-1\t2026-11-23T00:55:38.250000+00:00\tv\tpending\n", ""},
		{"ec2 create-tags --resources i-1 --tags Key=k,Value=v", "", ""},
		{"ec2 run-instances --image-id ami-1 --instance-type t0.none", "", "(InvalidParameterValue) when " +
			"calling the RunInstances operation: Invalid value 't0.none' for InstanceType."},
		{"sts get-caller-identity --query Arn --output text", "arn:aws:iam::123456789012:root\n", ""},
		{"dynamodb list-tables", "", `(UnknownOperationException) when calling the ListTables operation: ` +
			`Berth has no service "dynamodb"`},
	} {
		t.Run(c.args, func(t *testing.T) {
			out, stderr, err := runCLI(t, cli, url, env, c.args)
			if out != c.want {
				t.Errorf("printed %q, want %q", out, c.want)
			}
			if (err != nil) != (c.wantErr != "") || !strings.Contains(stderr, c.wantErr) {
				t.Errorf("%v: %s\nwant %s", err, stderr, c.wantErr)
			}
		})
	}
}

// With a wrong secret, the AWS CLI prints the right fault in each kind of protocol.
func TestWrongSecret(t *testing.T) {
	cli := awsCLI(t)
	url, env := realDesk(t)
	for _, c := range []struct{ key, args, want string }{
		{testKey.ID, "ecs list-clusters", "(InvalidSignatureException)"},
		{testKey.ID, "sts get-caller-identity", "(SignatureDoesNotMatch)"},
		{testKey.ID, "ec2 create-tags --resources i --tags Key=k", "(SignatureDoesNotMatch)"},
		{"AKIDNOBODY", "ecs list-clusters", "(UnrecognizedClientException) when calling the ListClusters " +
			"operation: The security token included in the request is invalid."},
		{"AKIDNOBODY", "sts get-caller-identity", "(InvalidClientTokenId)"},
		{"AKIDNOBODY", "ec2 create-tags --resources i --tags Key=k", "(AuthFailure)"},
	} {
		cmd := exec.CommandContext(t.Context(), cli, append(strings.Fields(c.args), "--endpoint-url", url)...)
		cmd.Env = append(slices.Clone(env), "AWS_ACCESS_KEY_ID="+c.key, "AWS_SECRET_ACCESS_KEY=wrong")
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%s with %s: %v %s\nwant %s", c.args, c.key, err, out, c.want)
		}
	}
}

func TestJavaScriptSDK(t *testing.T) {
	compareScript(t, "calls.mjs", filepath.Join("testdata", "js", "calls.golden"))
}

// compareScript runs a script with the official JavaScript SDK and compares the JSON lines it prints.
func compareScript(t *testing.T, script, golden string) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		absent(t, "node")
	}
	dir, _ := filepath.Abs(filepath.Join("testdata", "js"))
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		absent(t, "the JavaScript SDK (npm install in internal/awswire/testdata/js)")
	}
	_, env := realDesk(t)
	cmd := exec.CommandContext(t.Context(), node, script)
	cmd.Dir, cmd.Env = dir, env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var got []string
	for line := range strings.Lines(string(out)) {
		if !json.Valid([]byte(line)) {
			t.Fatalf("not JSON: %s", line)
		}
		got = append(got, strings.TrimSpace(line))
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(got, "\n") + "\n"; text != string(want) {
		t.Errorf("the SDK saw\n%s\nwant\n%s", text, want)
	}
}
