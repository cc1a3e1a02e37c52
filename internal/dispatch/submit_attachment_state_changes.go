package dispatch

import (
	"context"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
)

// submitAttachmentStateChanges takes in that attachments are there. Those that no
// task has are acknowledged too: the report is late.
func (d *Dispatcher) submitAttachmentStateChanges(ctx context.Context, call *awswire.Call, in *shape.SubmitAttachmentStateChangesInput) (*shape.SubmitAttachmentStateChangesOutput, error) {
	var ids []string
	for _, a := range in.Attachments {
		if deref(a.Status) == attached {
			ids = append(ids, arn.LastID(deref(a.AttachmentArn)))
		}
	}
	err := d.store.Update(ctx, func(tx *state.Tx) error {
		for t := range tx.Tasks.Prefix(strings.TrimSuffix(ecs.ARN(call.Region, call.Account, ecs.TypeTask, "x"), "x")) {
			if !slices.ContainsFunc(t.Attachments, func(a ecs.Attachment) bool { return slices.Contains(ids, a.ID) }) {
				continue // nothing was said of it
			}
			if n := observe(t, nil, Report{Attached: ids}, call.Now); n != t {
				tx.Tasks.Put(n)
			}
		}
		return nil
	})
	return &shape.SubmitAttachmentStateChangesOutput{Acknowledgment: new(acknowledgment)}, err
}
