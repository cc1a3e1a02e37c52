# Bring your own service, as docs/bring-your-own.md shows it and TestBringYourOwn runs it.

# The application: one file of Node.js. It counts visits in a file, and can also run as a job.
mkdir shop
cat > shop/server.js <<'END'
const http = require('http'), fs = require('fs')
const file = '/data/visits', name = process.env.NAME
const visits = () => fs.existsSync(file) ? Number(fs.readFileSync(file)) : 0
if (process.argv[2] === 'report') {
  console.log(`${visits()} visits`)
} else {
  const server = http.createServer((request, response) => {
    if (request.url === '/health' || request.url === '/api/health') return response.end('ok\n')
    fs.writeFileSync(file, String(visits() + 1))
    response.end(`${name}: visit ${visits()}\n`)
  }).listen(3000, () => console.log(`${name} listens`))
  process.on('SIGTERM', () => server.close(() => process.exit(0)))
}
END

# The image. It stays on this machine; no registry is needed.
cat > shop/Dockerfile <<'END'
FROM node:22-slim
COPY server.js /server.js
CMD ["node", "/server.js"]
END
docker build --quiet --tag shop:1 shop

# A cluster of one instance. The agent takes images that are there without asking a registry.
aws ecs create-cluster --cluster-name shop
cat > user-data.sh <<'END'
#!/bin/bash
echo ECS_CLUSTER=shop >> /etc/ecs/ecs.config
echo ECS_IMAGE_PULL_BEHAVIOR=prefer-cached >> /etc/ecs/ecs.config
END
image=$(aws ec2 describe-images --owners amazon --filters 'Name=name,Values=*ecs*x86_64*' --query 'Images[0].ImageId' --output text)
aws ec2 run-instances --image-id "$image" --instance-type t3.medium --user-data file://user-data.sh --query 'Instances[0].InstanceId'
bin/berth wait instances 1 --cluster shop

# Two task definitions that differ in a name, with logs and a volume that both share.
aws logs create-log-group --log-group-name shop
define() {
  aws ecs register-task-definition --query taskDefinition.taskDefinitionArn --output text --cli-input-json '{
    "family": "'$1'",
    "volumes": [{"name": "shop-visits", "dockerVolumeConfiguration": {"scope": "shared", "autoprovision": true}}],
    "containerDefinitions": [{
      "name": "app", "image": "'$2'", "memory": 128, "essential": true,
      "environment": [{"name": "NAME", "value": "'$1'"}],
      "portMappings": [{"containerPort": 3000}],
      "mountPoints": [{"sourceVolume": "shop-visits", "containerPath": "/data"}],
      "logConfiguration": {"logDriver": "awslogs",
        "options": {"awslogs-group": "shop", "awslogs-region": "'$AWS_REGION'", "awslogs-stream-prefix": "shop"}}
    }]}'
}
define web shop:1
define api shop:1

# A load balancer: /api/* goes to one service, everything else to the other.
vpc=$(aws ec2 describe-vpcs --filters Name=is-default,Values=true --query 'Vpcs[0].VpcId' --output text)
subnets=$(aws ec2 describe-subnets --query 'Subnets[:2].SubnetId' --output text)
group() {
  aws elbv2 create-target-group --name $1 --protocol HTTP --port 3000 --vpc-id "$vpc" --health-check-path $2 \
      --health-check-interval-seconds 5 --health-check-timeout-seconds 2 --healthy-threshold-count 2 \
      --query 'TargetGroups[0].TargetGroupArn' --output text
}
web=$(group web /health)
api=$(group api /api/health)
balancer=$(aws elbv2 create-load-balancer --name shop --subnets $subnets --query 'LoadBalancers[0].LoadBalancerArn' --output text)
listener=$(aws elbv2 create-listener --load-balancer-arn "$balancer" --protocol HTTP --port 80 \
    --default-actions Type=forward,TargetGroupArn="$web" --query 'Listeners[0].ListenerArn' --output text)
aws elbv2 create-rule --listener-arn "$listener" --priority 10 --conditions Field=path-pattern,Values='/api/*' \
    --actions Type=forward,TargetGroupArn="$api" --query 'Rules[0].RuleArn'

# Two services. A deployment that fails is rolled back.
serve() {
  aws ecs create-service --cluster shop --service-name $1 --task-definition $1 --desired-count 1 \
      --load-balancers targetGroupArn="$2",containerName=app,containerPort=3000 \
      --deployment-configuration 'deploymentCircuitBreaker={enable=true,rollback=true}' --query service.serviceName
}
serve web "$web"
serve api "$api"
bin/berth wait service web
bin/berth wait service api

# Where the load balancer answers; berth status shows it.
url=http://127.0.0.1

# Both count in the same volume.
curl -s "$url/"
curl -s "$url/api/"

# A job: the same image with another command. Its exit code is that of berth wait.
job=$(aws ecs run-task --cluster shop --task-definition web --overrides \
    '{"containerOverrides": [{"name": "app", "command": ["node", "/server.js", "report"]}]}' \
    --query 'tasks[0].taskArn' --output text)
bin/berth wait task --stopped "$job"
bin/berth logs "$job"

# A broken deployment: its program ends at once.
cat > shop/Dockerfile <<'END'
FROM node:22-slim
CMD ["node", "-e", "console.error('no configuration'); process.exit(3)"]
END
docker build --quiet --tag shop:2 shop
define api shop:2
aws ecs update-service --cluster shop --service api --task-definition api --query service.taskDefinition
bin/berth wait service api || echo "the deployment has failed, as it should"
bin/berth explain api

# The rollback: the old tasks never stopped serving.
curl -s "$url/api/"
aws ecs wait services-stable --cluster shop --services api
aws ecs describe-services --cluster shop --services api --query 'services[0].taskDefinition' --output text

# Remove everything.
