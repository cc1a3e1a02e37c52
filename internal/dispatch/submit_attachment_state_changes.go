package dispatch

import (
	"context"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/state"
)

// submitAttachmentStateChanges records that attachments exist. Unknown ones are acknowledged too:
// the report is late.
func (d *Dispatcher) submitAttachmentStateChanges(
	ctx context.Context, call *awswire.Call, in *shape.SubmitAttachmentStateChangesInput,
) (*shape.SubmitAttachmentStateChangesOutput, error) {
	var ids []string
	for _, a := range in.Attachments {
		if request.Value(a.Status) == attached {
			ids = append(ids, arn.LastID(request.Value(a.AttachmentArn)))
		}
	}
	err := d.store.Update(ctx, func(tx *state.Tx) error {
		for _, id := range ids {
			for t := range tx.Tasks.By(state.TasksByAttachment, id) {
				if t, ok := ownTask(&tx.Tables, call, &t.TaskARN); ok {
					tx.Tasks.Put(Observe(t, nil, Report{Attached: ids}, call.Now))
				}
			}
		}
		return nil
	})
	return &shape.SubmitAttachmentStateChangesOutput{Acknowledgment: new(acknowledgment)}, err
}
