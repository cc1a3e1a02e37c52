# The article's system, built by hand with the AWS CLI against a server in eu-west-2. Each paragraph is one step.

# Build an image from a static binary, and push it to the built-in registry.
registry=${AWS_ENDPOINT_URL#http://}
account=$(aws sts get-caller-identity --query Account --output text)
aws ecr create-repository --repository-name socket
docker build --quiet --tag "$registry/socket" --file - bin <<'END'
FROM scratch
COPY chat /chat
ENTRYPOINT ["/chat"]
END
docker push --quiet "$registry/socket"

# Create a Redis cache.
aws elasticache create-cache-cluster --cache-cluster-id socket-redis --engine redis --cache-node-type cache.t3.micro --num-cache-nodes 1
aws elasticache wait cache-cluster-available --cache-cluster-id socket-redis
redis=$(aws elasticache describe-cache-clusters --cache-cluster-id socket-redis --show-cache-node-info \
    --query 'CacheClusters[0].CacheNodes[0].Endpoint.[Address,Port]' --output text | tr '\t' :)

# Create the cluster and two container instances in two availability zones. Their user data names the cluster.
aws ecs create-cluster --cluster-name socket-ecs-cluster
cat > user-data.sh <<'END'
#!/bin/bash
echo ECS_CLUSTER=socket-ecs-cluster >> /etc/ecs/ecs.config;echo ECS_BACKEND_HOST= >> /etc/ecs/ecs.config;
END
image=$(aws ec2 describe-images --owners amazon --filters 'Name=name,Values=*ecs*x86_64*' --query 'Images[0].ImageId' --output text)
aws autoscaling create-launch-configuration --launch-configuration-name socket-lc --image-id "$image" --instance-type t3.medium \
    --user-data file://user-data.sh
aws autoscaling create-auto-scaling-group --auto-scaling-group-name socket-asg --launch-configuration-name socket-lc \
    --min-size 2 --max-size 4 --desired-capacity 2 --availability-zones eu-west-2a eu-west-2b

# Create the load balancer, and a target group with the article's health check and sticky sessions.
vpc=$(aws ec2 describe-vpcs --filters Name=is-default,Values=true --query 'Vpcs[0].VpcId' --output text)
subnets=$(aws ec2 describe-subnets --filters Name=availability-zone,Values=eu-west-2a,eu-west-2b --query 'Subnets[].SubnetId' --output text)
balancer=$(aws elbv2 create-load-balancer --name socket-alb --subnets $subnets --query 'LoadBalancers[0].LoadBalancerArn' --output text)
group=$(aws elbv2 create-target-group --name socket-tg --protocol HTTP --port 3000 --vpc-id "$vpc" --target-type ip \
    --health-check-path /socket.io/socket.io.js --health-check-interval-seconds 5 --health-check-timeout-seconds 2 --healthy-threshold-count 2 \
    --query 'TargetGroups[0].TargetGroupArn' --output text)
aws elbv2 modify-target-group-attributes --target-group-arn "$group" \
    --attributes Key=stickiness.enabled,Value=true Key=stickiness.type,Value=lb_cookie Key=deregistration_delay.timeout_seconds,Value=5
listener=$(aws elbv2 create-listener --load-balancer-arn "$balancer" --protocol HTTP --port 80 \
    --default-actions Type=forward,TargetGroupArn="$group" --query 'Listeners[0].ListenerArn' --output text)

# Register the article's task definition. First fill in its placeholders.
aws iam create-role --role-name socket \
    --assume-role-policy-document '{"Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}'
aws logs create-log-group --log-group-name production-service-Socket
sed -e "s|xxx.eu-west-2.amazonaws.com/xxx|$account.dkr.ecr.eu-west-2.amazonaws.com/socket|" \
    -e "s|redis://red-xxx.cache.amazonaws.com:6379|redis://$redis|" -e "s|arn:aws:iam::xxx|arn:aws:iam::$account:role/socket|" \
    test/e2e/testdata/socket.json > task-definition.json
aws ecs register-task-definition --cli-input-json file://task-definition.json

# Create the service with two tasks, spread over the zones and within each zone over the instances.
aws ecs create-service --cluster socket-ecs-cluster --service-name socket --task-definition Socket --desired-count 2 \
    --load-balancers targetGroupArn="$group",containerName=socket-container-service,containerPort=3000 \
    --network-configuration "awsvpcConfiguration={subnets=[${subnets//$'\t'/,}]}" \
    --placement-strategy type=spread,field=attribute:ecs.availability-zone type=spread,field=instanceId

# Look at the result.
aws autoscaling describe-auto-scaling-groups --auto-scaling-group-names socket-asg --query 'AutoScalingGroups[].Instances[]'
aws ecs list-container-instances --cluster socket-ecs-cluster
aws ecs wait services-stable --cluster socket-ecs-cluster --services socket
aws ecs describe-services --cluster socket-ecs-cluster --services socket --query 'services[].events[].message'
aws elbv2 describe-target-health --target-group-arn "$group" --query 'TargetHealthDescriptions[].[Target.Id,TargetHealth.State]'
docker ps --filter label=com.amazonaws.ecs.cluster=socket-ecs-cluster

# Follow the logs of the tasks, and start two more tasks.
aws logs tail production-service-Socket --follow --since 1h > tail.txt &
tail=$!
aws ecs update-service --cluster socket-ecs-cluster --service socket --desired-count 4

# Remove everything.
kill $tail || true  # unless it has ended by itself
aws ecs delete-service --cluster socket-ecs-cluster --service socket --force
aws elbv2 delete-listener --listener-arn "$listener"
aws elbv2 delete-load-balancer --load-balancer-arn "$balancer"
aws elbv2 delete-target-group --target-group-arn "$group"
aws autoscaling delete-auto-scaling-group --auto-scaling-group-name socket-asg --force-delete
until [ -z "$(aws autoscaling describe-auto-scaling-groups --auto-scaling-group-names socket-asg --query 'AutoScalingGroups[]' --output text)" ]
do sleep 1; done
aws autoscaling delete-launch-configuration --launch-configuration-name socket-lc
aws ecs deregister-task-definition --task-definition Socket:1
aws ecs delete-cluster --cluster socket-ecs-cluster
aws elasticache delete-cache-cluster --cache-cluster-id socket-redis
aws logs delete-log-group --log-group-name production-service-Socket
aws iam delete-role --role-name socket
aws ecr delete-repository --repository-name socket --force
docker rmi "$registry/socket"
