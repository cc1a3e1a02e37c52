package awswire

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"
)

const (
	elbVersion = "&Version=2015-12-01"
	ec2Version = "&Version=2016-11-15"
)

var requestIDs = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)

// Requests have the expected answers, byte by byte. "ID" stands for the request's id.
func TestWirePairs(t *testing.T) {
	desk := newTestDesk(t)
	for _, c := range []struct {
		name   string
		r      *http.Request
		status int
		body   string
	}{
		{"json success; absent members are left out, empty lists stay, no HTML escapes",
			ecsRequest("CreateCluster",
				`{"clusterName":"web","tags":[{"key":"a","value":"<b>"}],"capacityProviders":[]}`), 200,
			`{"cluster":{"capacityProviders":[],` +
				`"clusterArn":"arn:aws:ecs:eu-central-1:123456789012:cluster/web","clusterName":"web",` +
				`"defaultCapacityProviderStrategy":[],"runningTasksCount":0,"settings":[],"statistics":[],` +
				`"status":"ACTIVE","tags":[{"key":"a","value":"<b>"}]}}`},
		{"json: no body is an empty object", ecsRequest("CreateCluster", ``), 200,
			`{"cluster":{"capacityProviders":[],` +
				`"clusterArn":"arn:aws:ecs:eu-central-1:123456789012:cluster/default",` +
				`"clusterName":"default","defaultCapacityProviderStrategy":[],"runningTasksCount":0,"settings":[],` +
				`"statistics":[],"status":"ACTIVE","tags":[]}}`},
		{"json: times are seconds with a fraction",
			ecsRequest("RegisterTaskDefinition",
				`{"family":"f","containerDefinitions":[{"name":"a","cpu":5.0,"environment":[]}]}`), 200,
			`{"taskDefinition":{"containerDefinitions":[{"cpu":5,"environment":[],"mountPoints":[],"name":"a",` +
				`"portMappings":[],"systemControls":[],"volumesFrom":[]}],` +
				`"family":"f","placementConstraints":[],"registeredAt":1795395338.25,"revision":1,"volumes":[]}}`},
		{"json: null is absent", ecsRequest("CreateCluster", `{"clusterName":null,"__type":"x"}`), 200,
			`{"cluster":{"capacityProviders":[],` +
				`"clusterArn":"arn:aws:ecs:eu-central-1:123456789012:cluster/default",` +
				`"clusterName":"default","defaultCapacityProviderStrategy":[],"runningTasksCount":0,"settings":[],` +
				`"statistics":[],"status":"ACTIVE","tags":[]}}`},
		{"json fault with a detail", ecsRequest("CreateCluster", `{"clusterName":"taken"}`), 409,
			`{"__type":"ConflictException","message":"The cluster taken exists.","resourceIds":["taken"]}`},
		{"json: an error of the program's own says nothing of itself",
			ecsRequest("CreateCluster", `{"clusterName":"private"}`), 500,
			`{"__type":"ServerException","message":"The request failed because of an error in the server; ` +
				`its log has the request ID ID."}`},
		{"json: a panic is an internal fault", ecsRequest("CreateCluster", `{"clusterName":"panic"}`), 500,
			`{"__type":"ServerException","message":"The request failed because of an error in the server; ` +
				`its log has the request ID ID."}`},
		{"query success", queryRequest("elasticloadbalancing",
			"Action=CreateTargetGroup&Name=tg&Port=80&Protocol=HTTP&Matcher.HttpCode=200-299"+elbVersion), 200,
			xmlHeader + `<CreateTargetGroupResponse ` +
				`xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/">` +
				`<CreateTargetGroupResult><TargetGroups>` +
				`<member><HealthCheckEnabled>true</HealthCheckEnabled><LoadBalancerArns></LoadBalancerArns>` +
				`<Matcher><HttpCode>200-299</HttpCode></Matcher><Port>80</Port><Protocol>HTTP</Protocol>` +
				`<TargetGroupName>tg</TargetGroupName></member></TargetGroups></CreateTargetGroupResult>` +
				`<ResponseMetadata><RequestId>ID</RequestId></ResponseMetadata></CreateTargetGroupResponse>`},
		{"query: lists of structures and maps",
			queryRequest("elasticloadbalancing", "Action=CreateRule&ListenerArn=l&Priority=1"+
				"&Conditions.member.1.Field=path-pattern&Conditions.member.1.Values.member.1=%2Fa"+
				"&Conditions.member.1.Values.member.2=%2Fb&Actions.member.1.Type=authenticate-oidc"+
				"&Actions.member.1.AuthenticateOidcConfig.Issuer=i"+
				"&Actions.member.1.AuthenticateOidcConfig.AuthorizationEndpoint=a"+
				"&Actions.member.1.AuthenticateOidcConfig.TokenEndpoint=t"+
				"&Actions.member.1.AuthenticateOidcConfig.UserInfoEndpoint=u"+
				"&Actions.member.1.AuthenticateOidcConfig.ClientId=c"+
				"&Actions.member.1.AuthenticateOidcConfig.AuthenticationRequestExtraParams.entry.1.key=k"+
				"&Actions.member.1.AuthenticateOidcConfig.AuthenticationRequestExtraParams.entry.1.value=v"+
				elbVersion), 200,
			xmlHeader + `<CreateRuleResponse ` +
				`xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"><CreateRuleResult>` +
				`<Rules><member><Actions><member><Type>authenticate-oidc</Type><AuthenticateOidcConfig>` +
				`<AuthorizationEndpoint>a</AuthorizationEndpoint><ClientId>c</ClientId>` +
				`<Issuer>i</Issuer><TokenEndpoint>t</TokenEndpoint><UserInfoEndpoint>u</UserInfoEndpoint>` +
				`<AuthenticationRequestExtraParams><entry><key>k</key><value>v</value></entry>` +
				`</AuthenticationRequestExtraParams></AuthenticateOidcConfig></member></Actions><Conditions>` +
				`<member><Field>path-pattern</Field><Values><member>/a</member><member>/b</member></Values>` +
				`</member></Conditions><IsDefault>false</IsDefault><Transforms></Transforms></member></Rules>` +
				`</CreateRuleResult>` +
				`<ResponseMetadata><RequestId>ID</RequestId></ResponseMetadata></CreateRuleResponse>`},
		{"query fault (alb.md 8.1)", queryRequest("elasticloadbalancing",
			"Action=DeleteLoadBalancer&LoadBalancerArn=x"+elbVersion), 400,
			xmlHeader + `<ErrorResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/">` +
				`<Error><Type>Sender</Type><Code>LoadBalancerNotFound</Code><Message>One or more load balancers ` +
				`not found &amp; &lt;gone&gt;</Message></Error><RequestId>ID</RequestId></ErrorResponse>`},
		{"ec2 success", queryRequest("ec2", "Action=RunInstances&MinCount=1&MaxCount=1&ImageId=ami-1"+
			"&InstanceType=t3.micro&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=k"+
			"&TagSpecification.1.Tag.1.Value=v"+ec2Version), 200,
			xmlHeader + `<RunInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">` +
				`<requestId>ID</requestId><groupSet></groupSet><instancesSet><item><blockDeviceMapping>` +
				`</blockDeviceMapping><imageId>ami-1</imageId><instanceId>i-1</instanceId>` +
				`<instanceType>t3.micro</instanceType><launchTime>2026-11-23T00:55:38.250Z</launchTime>` +
				`<networkInterfaceSet></networkInterfaceSet><productCodes></productCodes>` +
				`<groupSet></groupSet><instanceState><code>0</code><name>pending</name></instanceState>` +
				`<tagSet><item><key>k</key><value>v</value></item></tagSet></item></instancesSet>` +
				`<ownerId>123456789012</ownerId><reservationId>r-1</reservationId></RunInstancesResponse>`},
		{"ec2: nothing to tell", queryRequest("ec2",
			"Action=CreateTags&ResourceId.1=i-1&Tag.1.Key=k&Tag.1.Value=v"+ec2Version), 200,
			xmlHeader + `<CreateTagsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">` +
				`<requestId>ID</requestId><return>true</return></CreateTagsResponse>`},
		{"ec2 fault", queryRequest("ec2", "Action=RunInstances&MaxCount=1"+ec2Version), 400,
			xmlHeader + `<Response><Errors><Error><Code>MissingParameter</Code><Message>The request must ` +
				`contain the parameter MinCount</Message></Error></Errors><RequestID>ID</RequestID></Response>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			desk.ServeHTTP(w, c.r)
			id := w.Header().Get("X-Amzn-Requestid")
			if !requestIDs.MatchString(id) {
				t.Errorf("request id %q", id)
			}
			body := requestIDs.ReplaceAllString(w.Body.String(), "ID")
			if w.Code != c.status || body != c.body {
				t.Errorf("status %d, want %d; body\n%s\nwant\n%s", w.Code, c.status, body, c.body)
			}
		})
	}
}
