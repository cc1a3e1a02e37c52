// Package deploy starts service deployments and deletes old ones. It alone makes the rows of a
// deployment: the revision that the service is to run, the service deployment, and the new primary
// deployment in the service's progress. Actions call it in the transaction of the request that asks
// for the deployment; from then on control/service works on it.
//
// The package does not check the request, and makes no ids inside a transaction.
package deploy

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"reflect"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/state"
)

// IDs are the ids of the rows of one deployment (ecs.md 1.1.2, 1.1.3).
type IDs struct {
	Revision   string // 19 digits; the id of the deployment ends with them too
	Deployment string // 21 letters, digits, "-" and "_"
}

// NewIDs returns ids made of random bytes. It panics if reading them fails.
func NewIDs(random io.Reader) IDs {
	const least = 1_000_000_000_000_000_000
	n, err := rand.Int(random, big.NewInt(8*least))
	if err != nil {
		panic("deploy: no random bytes: " + err.Error())
	}
	return IDs{
		Revision:   fmt.Sprint(least + n.Int64()),
		Deployment: base64.RawURLEncoding.EncodeToString(newid.Bytes(random, 16))[:21],
	}
}

// Start starts the deployment of rev in the service, which must be the service that rev names. A
// deployment in progress is stopped (ecs.md 3.1.4).
func Start(tx *state.Tx, svc *ecs.Service, rev ecs.ServiceRevision, ids IDs, now time.Time) {
	rev.ServiceRevisionARN = ecs.ServiceRevisionARN(svc.ServiceARN, ids.Revision)
	rev.ServiceARN, rev.ClusterARN, rev.CreatedAt = svc.ServiceARN, svc.ClusterARN, now
	rev.CapacityProviderStrategy = svc.CapacityProviderStrategy
	tx.ServiceRevisions.Put(&rev)

	p := *tx.Progress(svc.ServiceARN)
	d := ecs.ServiceDeployment{
		ServiceDeploymentARN:    ecs.ServiceDeploymentARN(svc.ServiceARN, ids.Deployment),
		ServiceARN:              svc.ServiceARN,
		ClusterARN:              svc.ClusterARN,
		Status:                  ecs.ServiceDeploymentInProgress,
		DeploymentConfiguration: svc.DeploymentConfiguration,
		TargetServiceRevision:   ecs.ServiceRevisionSummary{ARN: rev.ServiceRevisionARN},
		CreatedAt:               now,
		StartedAt:               now,
		UpdatedAt:               now,
	}
	firing, _ := tx.DeploymentAlarms(svc)
	d.AlarmsIgnored = len(firing) > 0
	for _, old := range p.Deployments {
		d.SourceServiceRevisions = append(d.SourceServiceRevisions,
			ecs.ServiceRevisionSummary{ARN: old.Revision.ServiceRevisionARN})
	}
	tx.ServiceDeployments.Put(&d)
	if before, ok := tx.ServiceDeployments.Get(p.ServiceDeploymentARN); ok && !before.Ended() {
		stopped := *before
		stopped.Stop(&p, "A newer service deployment was started.", now)
		stopped.Count(func(arn string) ecs.ServiceRevisionSummary { return tx.RevisionSummary(&p, arn) })
		tx.ServiceDeployments.Put(&stopped)
	}

	id := rev.DeploymentID()
	p.Begin(ecs.Deployment{
		ID: id, Revision: rev, DesiredCount: p.DesiredCount(svc), CreatedAt: now, UpdatedAt: now,
		RolloutState:       ecs.RolloutInProgress,
		RolloutStateReason: "ECS deployment " + id + " in progress.",
	})
	p.ServiceDeploymentARN = d.ServiceDeploymentARN
	tx.ServiceProgress.Put(&p)
	prune(tx, svc.ServiceARN, now)
}

// Reconfigure gives the deployment in progress the deployment configuration of the service. Call it when an update of
// the service starts no deployment. Alarms that were in ALARM when they were added are ignored, as at a start.
func Reconfigure(tx *state.Tx, svc *ecs.Service, now time.Time) {
	latest := tx.LatestDeployment(svc.ServiceARN)
	if latest == nil || latest.Status != ecs.ServiceDeploymentInProgress {
		return
	}
	d := *latest
	if !reflect.DeepEqual(d.DeploymentConfiguration.Alarms, svc.DeploymentConfiguration.Alarms) {
		firing, _ := tx.DeploymentAlarms(svc)
		d.AlarmsIgnored = len(firing) > 0
	}
	d.DeploymentConfiguration, d.UpdatedAt = svc.DeploymentConfiguration, now
	tx.ServiceDeployments.Put(&d)
}

// prune deletes the oldest service deployments of a service, beyond the number that is kept.
func prune(tx *state.Tx, serviceARN string, now time.Time) {
	all := slices.SortedFunc(tx.ServiceDeployments.By(state.ServiceDeploymentsByService, serviceARN),
		func(a, b *ecs.ServiceDeployment) int {
			return cmp.Or(b.CreatedAt.Compare(a.CreatedAt),
				cmp.Compare(a.ServiceDeploymentARN, b.ServiceDeploymentARN))
		})
	for i, d := range all {
		if d.Ended() && (i >= ecs.KeptServiceDeployments || Due(&tx.Tables, d, now)) {
			Forget(tx, d)
		}
	}
}

// Due reports whether a service deployment is old enough to be deleted. The latest of a service is
// kept.
func Due(t *state.Tables, d *ecs.ServiceDeployment, now time.Time) bool {
	return d.Ended() && !now.Before(d.FinishedAt.Add(ecs.KeptServiceDeploymentsFor)) &&
		t.Progress(d.ServiceARN).ServiceDeploymentARN != d.ServiceDeploymentARN
}

// Forget deletes a service deployment, and the revisions that nothing else of its service refers
// to.
func Forget(tx *state.Tx, d *ecs.ServiceDeployment) {
	tx.ServiceDeployments.Delete(d.ServiceDeploymentARN)
	named := make(map[string]bool)
	for _, x := range tx.Progress(d.ServiceARN).Deployments {
		named[x.Revision.ServiceRevisionARN] = true
	}
	for other := range tx.ServiceDeployments.By(state.ServiceDeploymentsByService, d.ServiceARN) {
		for _, arn := range revisions(other) {
			named[arn] = true
		}
	}
	for _, arn := range revisions(d) {
		if !named[arn] {
			tx.ServiceRevisions.Delete(arn)
		}
	}
}

// revisions returns the ARNs of all revisions that the deployment refers to.
func revisions(d *ecs.ServiceDeployment) []string {
	arns := []string{d.TargetServiceRevision.ARN}
	for _, s := range d.SourceServiceRevisions {
		arns = append(arns, s.ARN)
	}
	if d.Rollback != nil {
		arns = append(arns, d.Rollback.ServiceRevisionARN)
	}
	return arns
}

// ForgetService deletes everything that is stored for a service besides its own row: its progress,
// its history and its events.
func ForgetService(tx *state.Tx, serviceARN string) {
	tx.ServiceProgress.Delete(serviceARN)
	for d := range tx.ServiceDeployments.By(state.ServiceDeploymentsByService, serviceARN) {
		tx.ServiceDeployments.Delete(d.ServiceDeploymentARN)
	}
	for r := range tx.ServiceRevisions.By(state.ServiceRevisionsByService, serviceARN) {
		tx.ServiceRevisions.Delete(r.ServiceRevisionARN)
	}
	for e := range tx.ServiceEvents.By(state.ServiceEventsByService, serviceARN) {
		tx.ServiceEvents.Delete(e.Key())
	}
}
