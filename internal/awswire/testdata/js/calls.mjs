// Calls the toy services of clients_test.go with the official JavaScript SDK and prints what came back as JSON lines.
import { ECSClient, CreateClusterCommand, ListClustersCommand, RegisterTaskDefinitionCommand, paginateListClusters } from "@aws-sdk/client-ecs";
import { ElasticLoadBalancingV2Client, CreateTargetGroupCommand, DeleteLoadBalancerCommand, CreateRuleCommand } from "@aws-sdk/client-elastic-load-balancing-v2";
import { EC2Client, RunInstancesCommand, CreateTagsCommand } from "@aws-sdk/client-ec2";

const config = { endpoint: process.env.ENDPOINT, region: "eu-central-1", credentials: { accessKeyId: process.env.AWS_ACCESS_KEY_ID, secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY }, maxAttempts: 1 };
const ecs = new ECSClient(config);
const elb = new ElasticLoadBalancingV2Client(config);
const ec2 = new EC2Client(config);

async function call(name, promise) {
  try {
    const { $metadata, ...out } = await promise;
    console.log(JSON.stringify({ name, status: $metadata.httpStatusCode, requestId: typeof $metadata.requestId, out }));
  } catch (e) {
    console.log(JSON.stringify({ name, status: e.$metadata?.httpStatusCode, error: e.name, fault: e.$fault, message: e.message, detail: e.resourceIds }));
  }
}

await call("cluster", ecs.send(new CreateClusterCommand({ clusterName: "web", tags: [{ key: "a", value: "ü" }] })));
await call("conflict", ecs.send(new CreateClusterCommand({ clusterName: "taken" })));
await call("refused", ecs.send(new CreateClusterCommand({ serviceConnectDefaults: { namespace: "x" } })));
await call("taskdef", ecs.send(new RegisterTaskDefinitionCommand({ family: "f", containerDefinitions: [{ name: "a", image: "i", portMappings: [{ containerPort: 3000 }] }] })));
await call("badtoken", ecs.send(new ListClustersCommand({ nextToken: "AAAA" })));
const all = [];
for await (const page of paginateListClusters({ client: ecs, pageSize: 2 }, {})) all.push(page.clusterArns);
console.log(JSON.stringify({ name: "pages", out: all }));
await call("targetgroup", elb.send(new CreateTargetGroupCommand({ Name: "tg", Port: 80, Protocol: "HTTP", Matcher: { HttpCode: "200" } })));
await call("enum", elb.send(new CreateTargetGroupCommand({ Name: "tg", Protocol: "SMTP" })));
await call("rule", elb.send(new CreateRuleCommand({ ListenerArn: "l", Priority: 1, Conditions: [{ Field: "path-pattern", Values: ["/a", "/b"] }], Actions: [{ Type: "fixed-response", FixedResponseConfig: { StatusCode: "200" } }] })));
await call("nolb", elb.send(new DeleteLoadBalancerCommand({ LoadBalancerArn: "x" })));
await call("instances", ec2.send(new RunInstancesCommand({ MinCount: 1, MaxCount: 1, ImageId: "ami-1", InstanceType: "t3.micro", TagSpecifications: [{ ResourceType: "instance", Tags: [{ Key: "k", Value: "v" }] }] })));
await call("ec2enum", ec2.send(new RunInstancesCommand({ MinCount: 1, MaxCount: 1, InstanceType: "t0.none" })));
await call("tags", ec2.send(new CreateTagsCommand({ Resources: ["i-1"], Tags: [{ Key: "k", Value: "v" }] })));
