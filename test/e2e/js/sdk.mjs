// sdk.mjs ENDPOINT TASKDEFINITION: drives cluster e2e with the official JavaScript SDK and prints what it has seen.
import * as ecs from "@aws-sdk/client-ecs";

const [, , endpoint, taskDefinition] = process.argv;
const cluster = "e2e", service = "sdk";
const client = new ecs.ECSClient({ endpoint, region: "us-east-1", credentials: { accessKeyId: "test", secretAccessKey: "test" } });
const seen = {};

await client.send(new ecs.CreateServiceCommand({ cluster, serviceName: service, taskDefinition, desiredCount: 3 }));
const stable = await ecs.waitUntilServicesStable({ client, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }, { cluster, services: [service] });
seen.waited = stable.state;

seen.pages = [];
for await (const page of ecs.paginateListTasks({ client, pageSize: 2 }, { cluster, serviceName: service })) seen.pages.push(page.taskArns.length);

const { tasks } = await client.send(new ecs.DescribeTasksCommand({ cluster, tasks: (await client.send(new ecs.ListTasksCommand({ cluster }))).taskArns }));
seen.started = tasks.every((t) => t.startedAt instanceof Date && Date.now() - t.startedAt < 60000);

const fault = async (command) => client.send(command).then(() => "none", (err) => err);
const missing = await fault(new ecs.DescribeServicesCommand({ cluster: "nowhere", services: [service] }));
seen.missing = [missing instanceof ecs.ClusterNotFoundException, missing.name, missing.message, missing.$metadata.httpStatusCode, missing.$fault];
const inUse = await fault(new ecs.DeleteClusterCommand({ cluster }));
seen.inUse = [inUse instanceof ecs.ClusterContainsServicesException || inUse instanceof ecs.ClusterContainsContainerInstancesException, inUse.name];
const invalid = await fault(new ecs.RegisterTaskDefinitionCommand({ family: "none", containerDefinitions: [] }));
seen.invalid = [invalid instanceof ecs.ClientException, invalid.name];

await client.send(new ecs.DeleteServiceCommand({ cluster, service, force: true }));
const inactive = await ecs.waitUntilServicesInactive({ client, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }, { cluster, services: [service] });
seen.inactive = inactive.state;
console.log(JSON.stringify(seen));
