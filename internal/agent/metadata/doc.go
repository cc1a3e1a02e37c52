// Package metadata answers containers on 169.254.170.2: the credentials of their
// task's roles (/v2/credentials), task metadata versions 3 and 4, and task
// protection (/api), as ecs.md 8.4 and 8.5 have it.
//
// A container is known by the unguessable id in the path that only it was given;
// so is a set of credentials. Credentials are in memory and nowhere else. Agents of
// one machine share the address for containers in the machine's own network, so an
// id that is not known here is asked for at the neighbours.
//
// A Server is safe for concurrent use.
package metadata
