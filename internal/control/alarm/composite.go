package alarm

import (
	"context"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/state"
)

// combine computes the state of a composite alarm from the states of its children, and writes it. It reads only the
// store, so it can run again inside the transaction if another write came in between.
func (c *Controller) combine(ctx context.Context, a *alarm.Alarm) error {
	return c.Commit(ctx, a.ARN, func(tx *state.Tx, m control.Moment) error {
		a, ok := tx.Alarms.Get(a.ARN)
		if !ok || !a.Composite() {
			return nil
		}
		s := tx.StatusOf(a)
		next, err := alarm.Combine(a, s, func(arn string) *alarm.Status {
			child, _ := tx.AlarmStatus.Get(arn)
			return child
		}, m.Now)
		if err == nil && next != s {
			tx.SetAlarmStatus(a, s, next)
		}
		return err
	})
}
