// Calls the toy CloudWatch of fakes_test.go with the official JavaScript SDK and prints what came back as JSON lines.
import { CloudWatchClient, GetMetricStatisticsCommand, PutMetricDataCommand, SetAlarmStateCommand } from "@aws-sdk/client-cloudwatch";

const cloudwatch = new CloudWatchClient({ endpoint: process.env.ENDPOINT, region: "eu-central-1", credentials: { accessKeyId: process.env.AWS_ACCESS_KEY_ID, secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY }, maxAttempts: 1 });

async function call(name, promise) {
  try {
    const { $metadata, ...out } = await promise;
    console.log(JSON.stringify({ name, status: $metadata.httpStatusCode, requestId: typeof $metadata.requestId, out }));
  } catch (e) {
    console.log(JSON.stringify({ name, status: e.$metadata?.httpStatusCode, error: e.name, fault: e.$fault, message: e.message }));
  }
}

await call("put", cloudwatch.send(new PutMetricDataCommand({ Namespace: "n", MetricData: [{ MetricName: "m", Value: 1.5, Unit: "Bytes", Timestamp: new Date("2026-11-23T00:55:38.250Z") }, { MetricName: "m", Value: 7 }] })));
await call("get", cloudwatch.send(new GetMetricStatisticsCommand({ Namespace: "n", MetricName: "m", StartTime: new Date(0), EndTime: new Date(60000), Period: 60 })));
await call("gone", cloudwatch.send(new SetAlarmStateCommand({ AlarmName: "gone", StateValue: "OK", StateReason: "r" })));
await call("format", cloudwatch.send(new SetAlarmStateCommand({ AlarmName: "a", StateValue: "OK", StateReason: "r" })));
await call("missing", cloudwatch.send(new SetAlarmStateCommand({ AlarmName: "a" })));
