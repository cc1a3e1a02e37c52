// Package metadata serves containers on 169.254.170.2: the credentials of their task's roles (/v2/credentials),
// task metadata versions 3 and 4, and task protection (/api), as described in ecs.md 8.4 and 8.5.
//
// A container is identified by the unguessable id in the path, which only it was given; so are credentials.
// Credentials are kept in memory only. Containers in the machine's own network share one address for all agents
// of the machine, so requests with an unknown id are passed on to the other agents.
//
// A Server is safe for concurrent use.
package metadata
